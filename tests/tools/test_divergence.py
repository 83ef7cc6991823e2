"""A training that diverges ends with one line, and its last checkpoint stays."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tools.conftest import SMALL_NETWORKS, TINY
from tfgansynth.ranges import Range

Runner = Callable[..., "subprocess.CompletedProcess[str]"]

pytestmark = pytest.mark.slow


def test_an_absurd_rate_stops_with_one_line_and_the_last_checkpoint(
    tool: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Settings within their ranges have not made a GAN diverge so far.
    monkeypatch.setattr(Range, "__contains__", lambda *_: True)
    # The first step makes weights that are absurd, but still numbers.
    absurd = ["--gan.discriminator-rate", "1e30", "--gan.sample-every", "1"]
    kept = None
    for _ in range(2):  # the same command again changes nothing
        settings = *TINY, *SMALL_NETWORKS, *absurd
        done = tool("train_gan", *settings, "--fold", "1", "--out", tmp_path)

        assert done.returncode == 1
        (line,) = done.stderr.splitlines()
        assert line.startswith("error: GAN: ")
        assert "is nan at step 2: training stopped" in line
        assert "the checkpoint of step 1 is kept" in line
        assert "--gan.generator-rate" in line
        (checkpoint,) = tmp_path.rglob("step-*.safetensors")
        assert checkpoint.name == "step-000001.safetensors"
        assert kept in (None, checkpoint.read_bytes())
        kept = checkpoint.read_bytes()
