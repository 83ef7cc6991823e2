"""Kills a worker of a cluster at chosen moments, each once; `--preload` of a worker."""

import contextlib
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from tfgansynth.cluster import worker
from tfgansynth.runtime import storage

FLAGS = "TFGANSYNTH_TEST_FLAGS"
"""Environment variable that names the folder of flags: a kill that was done has one."""

MOMENTS = {
    "gan": "seed0/fold-1/gan/samples/step-000002.png",
    "unet": "seed1/fold-1/unet-r6-s0/history.csv",
    "writing": "seed0/fold-2/cross-fit/member-1/provenance.json",
}
"""The end of the file that is being written, not yet whole, when its worker is killed.
"""

_whole_file = storage.whole_file


@contextlib.contextmanager
def _struck(path: Path) -> Iterator[BinaryIO]:
    with _whole_file(path) as file:
        yield file
        for name, ending in MOMENTS.items():
            flag = Path(os.environ[FLAGS]) / name
            if path.as_posix().endswith(ending) and not flag.exists():
                flag.touch()
                parent = multiprocessing.parent_process()
                assert parent
                assert parent.pid
                os.kill(parent.pid, signal.SIGKILL)
                time.sleep(60)


if FLAGS in os.environ:  # not where a test imports this
    storage.whole_file = _struck
    worker._PRELOADED = "tests.cluster.killing_preloaded"
