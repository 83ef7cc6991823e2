"""The real script on networks of toy size."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tools.conftest import SMALL_NETWORKS

Runner = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.mark.slow
def test_one_command_measures_both_networks(cold_tool: Runner, tmp_path: Path) -> None:
    found = tmp_path / "found.json"
    small = ("--preset", "smoke", "--gan.batch", "4", *SMALL_NETWORKS)

    done = cold_tool("benchmark", *small, "--repeats", "2", "--json", found)

    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    for line in (
        "measuring U-Net: tfgansynth, float32",
        "Machine",
        "Measured peak in float32, GFLOP/s; the best one counts",
        "One training step, median of 2 rounds",
        "A fold's GAN of 100 steps takes about",
    ):
        assert f"\n{line}" in done.stdout
    content = json.loads(found.read_text())
    assert content["config"]["data"]["size"] == 32
    # Either library has a process of its own.
    rates = content["peaks"]["float32"]["rates"]
    products = [name for name in rates if "TensorFlow" in name]
    assert sorted(products) == [
        f"matrix product of TensorFlow with {library}"
        for library in ("Eigen", "oneDNN")
    ]
    for network in ("GAN", "U-Net"):
        result = content["networks"][network]
        assert len(result["ours"]["seconds"]) == 2
        assert result["ours"]["peak_bytes"] > 2**27
        assert 0 < result["share_of_peak"] < 1.5
        assert result["peers"] == []
    assert [*tmp_path.iterdir()] == [found]


def test_a_folder_for_the_json_file_is_refused(tool: Runner, tmp_path: Path) -> None:
    done = tool("benchmark", "--json", tmp_path)

    assert done.returncode == 2
    assert done.stderr == (
        f"error: --json {tmp_path}: expected a file, found a folder\n"
    )


def test_no_rounds_are_refused(tool: Runner) -> None:
    done = tool("benchmark", "--repeats", "0")

    assert done.returncode == 2
    assert done.stderr.startswith("error: --repeats 0: expected 1 or more")
    assert done.stderr.count("\n") == 1
