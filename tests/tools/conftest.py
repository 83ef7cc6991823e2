"""Runs the real scripts, as a user does, from outside the repository."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"

Runner = Callable[..., "subprocess.CompletedProcess[str]"]

TINY = (
    *("--preset", "smoke", "--reduced"),
    *("--data.phantoms", "30", "--data.n-validation", "4", "--data.n-reduced", "6"),
    *("--gan.steps", "6", "--gan.sample-every", "2", "--gan.log-every", "2"),
    *("--gan.batch", "4", "--synthesis.batch", "8", "--synthesis.count", "6"),
    *("--synthesis.mask-threshold", "100", "--unet.max-epochs", "2"),
    *("--unet.maps", "4"),
)
"""A whole experiment in a few seconds; it learns nothing."""

SMALL_NETWORKS = (
    *("--data.size", "32", "--gan.augment-cutout", "16", "--unet.depth", "1"),
    *("--gan.generator-maps", "8", "8", "--gan.discriminator-maps", "8", "8"),
    *("--gan.augment-cutout", "8", "--gan.augment-shift", "2"),
)
"""Added to `TINY`: networks that are built in no time."""


def environment() -> dict[str, str]:
    """The environment of a user who has set no data folder."""
    return {k: v for k, v in os.environ.items() if k != "TFGANSYNTH_DATA"}


@pytest.fixture(scope="session")
def tool(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """Run `tools/NAME.py ARGUMENTS` in an empty folder."""
    folder = tmp_path_factory.mktemp("elsewhere")

    def run(name: str, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, TOOLS / f"{name}.py", *arguments],
            cwd=folder,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )

    return run
