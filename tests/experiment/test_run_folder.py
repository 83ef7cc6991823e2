import dataclasses
import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tfgansynth.config import NETWORK_VERSIONS, Config
from tfgansynth.errors import InputError
from tfgansynth.experiment import run_folder
from tfgansynth.experiment.run_folder import Run
from tfgansynth.presets import PRESETS
from tfgansynth.records.runs import CaseList
from tfgansynth.runtime import storage

CASES = {f"case-{number}": f"{number:064}" for number in range(6)}
SMOKE = PRESETS["smoke"]


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({}, "phantoms-full-smoke-seed0"),
        ({"reduced": True}, "phantoms-reduced-smoke-seed0"),
        ({"seed": 12}, "phantoms-full-smoke-seed12"),
        ({"lungs": "left"}, "phantoms-full-smoke-seed0-left"),
        (
            {"lungs": "right", "reduced": True, "preset": "paper"},
            "phantoms-reduced-paper-seed0-right",
        ),
    ],
)
def test_folder_is_named_after_data_set_and_run(
    changes: dict[str, Any], name: str
) -> None:
    config = dataclasses.replace(SMOKE, **changes)
    assert Run.folder_name("phantoms", config) == name


@pytest.mark.parametrize("name", ["lung-seed0", "cxr-seed10", "seed0"])
def test_a_study_is_named_by_its_parts(name: str) -> None:
    config = dataclasses.replace(SMOKE, lungs="left")
    study = Run.folder_name(name, config, n_seeds=3)
    assert study == f"{name}-full-smoke-seeds0-2-left"
    assert Run.folder_name(name, config) == f"{name}-full-smoke-seed0-left"


def open_run(out: Path, config: Config = SMOKE, cases: dict[str, str] = CASES) -> Run:
    root = out / Run.folder_name("phantoms", config)
    return Run(root, config).open(CaseList(cases))


def test_run_is_created_and_opened_again(tmp_path: Path) -> None:
    run = open_run(tmp_path / "out")
    assert run.root == tmp_path / "out" / "phantoms-full-smoke-seed0"
    record = json.loads((run.root / "config.json").read_text())
    assert record["networks"] == NETWORK_VERSIONS
    assert json.loads((run.root / "cases.json").read_text())["cases"] == CASES
    assert record["config"]["gan"]["z_dim"] == SMOKE.gan.z_dim
    assert record["config"]["gan"]["generator_maps"] == list(SMOKE.gan.generator_maps)
    assert open_run(tmp_path / "out") == run


def test_settings_of_the_data_are_refused_and_named(tmp_path: Path) -> None:
    run = open_run(tmp_path)
    before = (run.root / "config.json").read_bytes()
    data = dataclasses.replace(SMOKE.data, folds=2, n_validation=5)
    other = dataclasses.replace(SMOKE, data=data)
    with pytest.raises(InputError) as refusal:
        open_run(tmp_path, other)
    message = str(refusal.value)
    assert f"{run.root}: holds a run with other settings" in message
    assert "config.data.folds: 2 against 3" in message
    assert "config.data.n_validation: 5 against auto" in message
    assert message.count(" against ") == 2
    assert "\n" not in message
    assert (run.root / "config.json").read_bytes() == before


def test_settings_that_bear_on_some_stages_are_no_matter_of_the_folder(
    tmp_path: Path,
) -> None:
    run = open_run(tmp_path)
    gan = dataclasses.replace(SMOKE.gan, steps=777, generator_maps=(8, 8))
    assert open_run(tmp_path, dataclasses.replace(SMOKE, gan=gan)).root == run.root


def test_run_on_other_data_is_refused(tmp_path: Path) -> None:
    open_run(tmp_path)
    cases = {**CASES, "case-2": "0" * 64, "more": "1" * 64}
    del cases["case-0"]
    with pytest.raises(
        InputError,
        match=r"other data \(new: more; missing: case-0; changed: case-2\): name",
    ):
        open_run(tmp_path, cases=cases)
    root = tmp_path / Run.folder_name("phantoms", SMOKE)
    with pytest.raises(InputError, match=r"other data \(new: film\): name"):
        Run(root, SMOKE).open(CaseList(CASES, unlabelled={"film": "1" * 64}))
    every = {name: "0" * 64 for name in CASES}
    with pytest.raises(InputError, match="changed: case-1, case-2, case-3 and 2 more"):
        open_run(tmp_path, cases=every)


def test_run_of_other_networks_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_run(tmp_path)
    now = NETWORK_VERSIONS["gan"]
    other = {**NETWORK_VERSIONS, "gan": now + 1}
    monkeypatch.setattr(run_folder, "NETWORK_VERSIONS", other)
    with pytest.raises(InputError, match=rf"networks\.gan: {now + 1} against {now}"):
        open_run(tmp_path)


def test_run_of_a_version_with_other_fields_is_refused(tmp_path: Path) -> None:
    path = open_run(tmp_path).root / "config.json"
    record = storage.read_record(path)
    del record["config"]["unet"]["keep"]
    record["config"]["unet"]["dropout"] = 0.5
    storage.write_record(path, record)
    with pytest.raises(InputError) as refusal:
        open_run(tmp_path)
    assert "config.unet.keep: best against None" in str(refusal.value)
    assert "config.unet.dropout: None against 0.5" in str(refusal.value)


def test_damaged_record_of_a_run_is_refused_by_name(tmp_path: Path) -> None:
    (open_run(tmp_path).root / "config.json").write_text("{")
    with pytest.raises(InputError, match=r"config\.json: cannot be read"):
        open_run(tmp_path)


def test_out_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(InputError, match=r"cannot be written.*another --out"):
        open_run(tmp_path / "out")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_folder_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match=r"Permission denied.*another --out"):
        open_run(tmp_path)


def test_refused_write_is_told_by_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As in a read-only folder, but for root too.
    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(InputError, match=r"written \(Permission denied\)"):
        open_run(tmp_path)


def test_full_disk_is_no_wrong_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(storage, "write_record", refuse)
    with pytest.raises(OSError, match="No space"):
        open_run(tmp_path)


def test_other_settings_are_refused_while_another_process_works_in_the_folder(
    tmp_path: Path,
) -> None:
    run = open_run(tmp_path)  # as long as it is there
    opening = f"open_run(Path({str(tmp_path)!r}), config)"
    done = elsewhere(
        "import dataclasses",
        "config = dataclasses.replace(SMOKE, allow_duplicates=True)",
        f"try: {opening}",
        "except run_folder.InputError as refusal: print(refusal)",
        "config = SMOKE",
        f"print('root', {opening}.root)",
    )
    refused, same = done.stdout.splitlines()
    assert refused.startswith(f"{run.root}: process {os.getpid()} on ")
    assert "works in this folder with other settings: wait until it is done" in refused
    assert "a second GPU can run other --folds there" in refused
    # The same settings share the work.
    assert same == f"root {run.root}"


def test_a_killed_process_keeps_nobody_out(tmp_path: Path) -> None:
    opening = f"run = open_run(Path({str(tmp_path)!r}))"
    killed = elsewhere("import os", opening, "os.kill(os.getpid(), 9)")
    assert (killed.returncode, killed.stderr) == (-signal.SIGKILL, "")
    assert list(tmp_path.glob("*/leases/command-*"))
    open_run(tmp_path, dataclasses.replace(SMOKE, allow_duplicates=True))


def elsewhere(*lines: str) -> "subprocess.CompletedProcess[str]":
    """Run lines of Python in a process of its own."""
    imports = (
        "from tfgansynth.experiment import run_folder",
        "from tests.experiment.test_run_folder import SMOKE, open_run",
        "from pathlib import Path",
    )
    return subprocess.run(
        [sys.executable, "-c", "\n".join([*imports, *lines])],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", ["fold-1", "fold-1/cross-fit/member-1", "leases"])
def test_a_run_with_a_link_is_refused(tmp_path: Path, name: str) -> None:
    root = open_run(tmp_path / "out").root
    (tmp_path / "victim").mkdir()
    link = root / name
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(tmp_path / "victim")
    with pytest.raises(InputError, match=r"symbolic link|is a link"):
        open_run(tmp_path / "out")


def test_out_and_the_run_folder_may_be_links(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk")
    root = open_run(tmp_path / "out").root
    root.rename(tmp_path / "larger-disk")
    root.symlink_to(tmp_path / "larger-disk")
    assert open_run(tmp_path / "out").root == root


def test_unreadable_timings_are_begun_anew(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = open_run(tmp_path)
    run.add_seconds({"fold-1/gan": 5.0})
    path = run.root / "timings.json"
    path.write_text(path.read_text().replace("5", "6"))
    run.add_seconds({"fold-1/unet": 3.0})
    assert "timings.json: was altered" in capsys.readouterr().out
    assert run.seconds() == {"fold-1/unet": 3.0}


def test_paths_of_a_run(tmp_path: Path) -> None:
    run = open_run(tmp_path)
    fold = run.root / "fold-2"
    assert run.splits_path == run.root / "splits.json"
    assert run.gan(2) == fold / "gan"
    assert run.synthetic(2) == fold / "synthetic"
    assert run.synthetic(2, "filtered") == fold / "synthetic-filtered"


def test_seconds_of_all_attempts_at_a_stage_add_up(tmp_path: Path) -> None:
    run = open_run(tmp_path)
    run.add_seconds({"fold-1/gan": 1.25, "fold-1/gan/steps": 1.0})
    run.add_seconds({"fold-1/unet": 3})
    run.add_seconds({"fold-1/gan": 2.5, "fold-1/gan/input": 0.004})
    assert run.seconds() == pytest.approx(
        {
            "fold-1/gan": 3.75,
            "fold-1/gan/steps": 1.0,
            "fold-1/unet": 3.0,
            "fold-1/gan/input": 0.0,
        }
    )


def test_the_machines_of_a_stage_are_told_attempt_by_attempt(tmp_path: Path) -> None:
    run = open_run(tmp_path)
    assert run.take_records("fold-1/gan")["attempts"] == []
    first, second = {"processor": "A"}, {"processor": "B"}
    run.add_machine("fold-1/unet", second, precision="float32", done=0)
    run.add_machine("fold-1/gan", first, precision="float32", done=0)
    run.add_machine("fold-1/gan", second, precision="bfloat16", done=40)

    assert run.take_records("fold-1/gan")["attempts"] == [
        {"machine": first, "precision": "float32", "after": 0},
        {"machine": second, "precision": "bfloat16", "after": 40},
    ]
