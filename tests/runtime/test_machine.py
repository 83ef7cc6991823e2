import json
import os
import subprocess
from pathlib import Path

from tfgansynth.runtime import devices
from tfgansynth.runtime.devices import describe_machine, processor_name


def test_a_description_is_plain_and_complete() -> None:
    found = describe_machine()

    assert json.loads(json.dumps(found)) == found
    assert set(found) == {
        "processor",
        "cpu_features",
        "gpus",
        "bfloat16_units",
        "threads",
        "kernels",
        "versions",
        "commit",
    }
    assert set(found["versions"]) == {"python", "tensorflow", "keras", "numpy"}
    assert found["processor"]
    assert 1 <= found["threads"] <= (os.cpu_count() or 1)


def test_the_processor_has_the_name_that_the_system_gives(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nmodel name\t: Some CPU @ 2 GHz: fast\n")

    assert processor_name(cpuinfo) == "Some CPU @ 2 GHz: fast"
    assert processor_name(tmp_path / "nothing")


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=Nobody", "-c", "user.email=nobody@example.org")
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_the_commit_is_that_of_the_checkout_itself(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "file").write_text("old")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "-q", "-m", "Begin")
    commit = git(tmp_path, "rev-parse", "HEAD").strip()

    assert devices._commit(tmp_path) == commit
    (tmp_path / "file").write_text("new")
    assert devices._commit(tmp_path) == f"{commit}-dirty"

    # Installed somewhere inside another repository.
    inside = tmp_path / "site-packages"
    inside.mkdir()
    assert devices._commit(inside) is None


def test_a_broken_checkout_has_no_commit(tmp_path: Path) -> None:
    (tmp_path / ".git").write_text("gitdir: /nowhere\n")

    assert devices._commit(tmp_path) is None
