"""Dask's own programs, as a user starts them."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.cluster.faults import FLAGS, NAME
from tests.tools.conftest import TOOLS, environment

_NO_PAGE = "--no-dashboard"


@contextlib.contextmanager
def cluster(folder: Path, resources: Sequence[str]) -> Iterator[Path]:
    """A scheduler and workers, each with one thread and a folder of its own.

    Args:
        folder: Takes their files.
        resources: What each worker states.

    Yields:
        The file that names the scheduler.
    """
    address, flags = folder / "scheduler.json", folder / "flags"
    flags.mkdir()
    with contextlib.ExitStack() as running:
        scheduler = ("--host", "127.0.0.1", "--port", "0", "--scheduler-file", address)
        running.enter_context(_started(folder, "dask_scheduler", *scheduler))
        while not address.exists():
            time.sleep(0.05)
        for number, stated in enumerate(resources):
            own = folder / f"worker-{number}"
            own.mkdir()
            arguments = (
                *("--scheduler-file", address, "--local-directory", own),
                *("--nthreads", "1", "--memory-limit", "0", "--resources", stated),
                *("--preload", "tests.cluster.faults"),
            )
            running.enter_context(_started(own, "dask_worker", *arguments))
        yield address


@contextlib.contextmanager
def _started(folder: Path, program: str, *arguments: str | Path) -> Iterator[None]:
    command = [sys.executable, "-m", f"distributed.cli.{program}", _NO_PAGE]
    variables = {
        "PYTHONPATH": str(TOOLS.parent),
        FLAGS: str(folder.parent / "flags"),
        NAME: folder.name,
    }
    with (
        (folder / f"{program}.log").open("wb") as log,
        subprocess.Popen(
            [*command, *map(str, arguments)],
            env={**environment(), **variables},
            stdout=log,
            stderr=log,
            start_new_session=True,
        ) as process,
    ):
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
