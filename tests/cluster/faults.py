"""What befalls stages of a cluster's workers; `--preload` of each worker.

A folder of flags says what, and takes what has happened.
"""

import contextlib
import errno
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from distributed import Worker

from tfgansynth.cluster import worker as ours
from tfgansynth.cluster.worker import Order
from tfgansynth.experiment.experiment_data import Experiment
from tfgansynth.experiment.stage_runs import Outcome
from tfgansynth.runtime import storage

FLAGS = "TFGANSYNTH_TEST_FLAGS"
"""Environment variable that names the folder of flags."""
NAME = "TFGANSYNTH_TEST_WORKER"
"""Environment variable that names the worker."""

KILLED = {
    "gan": "seed0/fold-1/gan/samples/step-000002.png",
    "unet": "seed1/fold-1/unet-r6-s0/history.csv",
    "writing": "seed0/fold-2/cross-fit/member-1/provenance.json",
}
"""The end of the file that is being written, not yet whole, when its worker is killed,
each once; what was done has a flag of the name."""
FAILING = "failing"
"""A flag with the end of the file whose stage fails; it takes a line each time."""
FULL = "full-"
"""With the name of a worker: a flag that its disk is full."""
STAGES = "stages"
"""A flag with a line for each stage that has ended: worker, name, begin, end."""

_whole_file, _compute = storage.whole_file, ours._compute


@contextlib.contextmanager
def _struck(path: Path) -> Iterator[BinaryIO]:
    flags = Path(os.environ[FLAGS])
    if (flags / f"{FULL}{os.environ[NAME]}").exists():
        raise OSError(errno.ENOSPC, "No space left on device", str(path))
    failing = flags / FAILING
    if failing.exists() and path.as_posix().endswith(failing.read_text().split()[0]):
        with failing.open("a") as file:
            file.write(f"{os.environ[NAME]}\n")
        raise RuntimeError("made to fail")
    with _whole_file(path) as file:
        yield file
        for name, ending in KILLED.items():
            flag = flags / name
            if path.as_posix().endswith(ending) and not flag.exists():
                flag.touch()
                parent = multiprocessing.parent_process()
                assert parent
                assert parent.pid
                os.kill(parent.pid, signal.SIGKILL)
                time.sleep(60)


def _noted(worker: Worker, experiment: Experiment, order: Order) -> Outcome:
    begin = time.monotonic()
    try:
        return _compute(worker, experiment, order)
    finally:
        line = f"{os.environ[NAME]} {order.stage.name} {begin} {time.monotonic()}\n"
        with (Path(os.environ[FLAGS]) / STAGES).open("a") as file:
            file.write(line)


if FLAGS in os.environ:  # not where a test imports this
    storage.whole_file = _struck
    ours._compute = _noted
    ours._PRELOADED = "tests.cluster.preloaded"
