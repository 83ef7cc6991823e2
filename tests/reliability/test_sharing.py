"""Two commands on one run at the same time share its work."""

import json
import os
import re
import signal
import time
from pathlib import Path

from tests.reliability.comparison import differences
from tests.reliability.conftest import Reference, Start, assert_same
from tests.reliability.faults import checkpoint_every_epoch
from tests.reliability.settings import FOLDER

LINE = re.compile(r"^ *\d+/\d+  (fold 1, .*?)  ", re.MULTILINE)


def test_two_commands_finish_a_run_together_and_each_stage_once(
    reference: Reference, start: Start, tmp_path: Path
) -> None:
    both = [start(tmp_path, checkpoint_every_epoch) for _ in range(2)]
    ended = [each.wait() for each in both]

    assert [(each.code, each.stderr) for each in ended] == [(0, "")] * 2
    computed = [label for each in ended for label in LINE.findall(each.stdout)]
    assert len(computed) == len({*computed}) == 6
    assert set(differences(tmp_path / FOLDER, reference.run)) <= {"machine.json"}


def test_one_goes_on_with_the_stage_of_another_that_is_killed(
    reference: Reference, start: Start, tmp_path: Path
) -> None:
    both = [start(tmp_path, checkpoint_every_epoch) for _ in range(2)]
    while not (tmp_path / FOLDER / "fold-1/gan/samples/step-000002.png").exists():
        time.sleep(0.01)
    lease = tmp_path / FOLDER / "leases/fold-1+gan.lease"
    holder, _ = json.loads(lease.read_text().splitlines()[0])["process"]
    os.kill(holder, signal.SIGKILL)

    (survivor,) = [each for each in both if each.process.pid != holder]
    assert survivor.wait().code == 0
    assert set(differences(tmp_path / FOLDER, reference.run)) <= {"machine.json"}


def test_other_settings_are_refused_and_the_first_command_goes_on(
    reference: Reference, start: Start, tmp_path: Path
) -> None:
    first = start(tmp_path, checkpoint_every_epoch)
    while not (tmp_path / FOLDER / "leases/fold-1+gan.lease").exists():
        assert first.process.is_alive()
        time.sleep(0.01)

    # Stopped, so that it cannot be done before the second one comes.
    holder = first.process.pid
    assert holder
    os.kill(holder, signal.SIGSTOP)
    others = ("--unet.maps", "8", "--fold", "1")
    second = start(tmp_path, checkpoint_every_epoch, "train_gan", *others).wait()
    os.kill(holder, signal.SIGCONT)

    assert second.code == 2
    (line,) = second.stderr.splitlines()
    assert f"process {holder} on " in line
    assert "works in this folder with other settings" in line
    assert_same(first.wait(), tmp_path, reference)
