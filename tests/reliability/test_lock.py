"""One run folder has one writer."""

import os
import signal
import time
from pathlib import Path

from tests.reliability.conftest import Reference, Start, assert_same
from tests.reliability.faults import checkpoint_every_epoch
from tests.reliability.processes import cold, finish
from tests.reliability.settings import FOLDER, MICRO


def test_a_second_process_is_turned_away_and_the_first_goes_on(
    reference: Reference, start: Start, tmp_path: Path
) -> None:
    first = start(tmp_path, checkpoint_every_epoch)
    while not (tmp_path / FOLDER / "splits.json").exists():
        assert first.process.is_alive()
        time.sleep(0.01)

    # Stopped, so that it cannot be done before the second one comes.
    holder = first.process.pid
    assert holder
    os.kill(holder, signal.SIGSTOP)
    with cold("train_gan", *MICRO, "--fold", "1", "--out", tmp_path) as process:
        second = finish(process)
    os.kill(holder, signal.SIGCONT)

    assert second.code == 2
    (line,) = second.stderr.splitlines()
    assert f"process {holder} on " in line
    assert "works in this folder" in line
    assert_same(first.wait(), tmp_path, reference)
