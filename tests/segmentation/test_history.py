import csv
import dataclasses
import io
import subprocess
import sys

import pytest

from tfgansynth.config import UNetConfig
from tfgansynth.errors import InputError
from tfgansynth.presets import PRESETS
from tfgansynth.segmentation.history import (
    Epoch,
    history_from_csv,
    history_to_csv,
    is_lowest_late,
    is_over,
    most_epochs,
    remarks,
    steps_per_epoch,
)

CONFIG = UNetConfig(batch=4, max_epochs=20)


def falling(count: int) -> list[Epoch]:
    return [Epoch(n, 1 / n, 1 / n) for n in range(1, count + 1)]


def test_history_becomes_one_line_an_epoch() -> None:
    history = falling(4)
    text = history_to_csv(history)
    assert text.splitlines()[0] == "epoch,training_error,validation_error"
    assert len(text.splitlines()) == 1 + len(history)
    assert list(csv.DictReader(io.StringIO(text)))[2]["epoch"] == "3"
    assert history_from_csv(text) == history


@pytest.mark.parametrize(
    "text",
    [
        "step,loss\n1,2\n",
        "epoch,training_error,validation_error\n1,0.5\n",
        "epoch,training_error,validation_error\n1,0.5,x\n",
        "epoch,training_error,validation_error\n2,0.5,0.5\n",
        'epoch,training_error,validation_error\n1,0.5,"0.5\n',
    ],
)
def test_what_is_no_history_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is no history of a U-Net"):
        history_from_csv(text)


def test_a_bound_reached_before_the_rule_is_named() -> None:
    assert remarks(falling(20), CONFIG, 10) == {
        "bound_of_epochs": "training ended at its bound of 20 epochs, before the "
        "stopping rule did (--unet.max-epochs)"
    }


LUCKY = [0.761, 0.984, 0.998, 0.999, 0.998, 0.997, 0.998, 0.998, 0.995, 0.957, 0.813]


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_a_lucky_first_epoch_ends_the_papers_training_only(preset: str) -> None:
    # Where a number of steps is fixed, there is no rule.
    unet = dataclasses.replace(PRESETS[preset].unet, fixed_steps=0, steps_an_epoch=0)
    config = dataclasses.replace(unet, min_steps=0, batch=1)
    history = [Epoch(n, error, error) for n, error in enumerate(LUCKY, start=1)]
    assert is_over(history, config, 10) == (preset in ("paper", "authors"))


def test_a_training_stopped_while_falling_is_named() -> None:
    history = [Epoch(n, error, error) for n, error in enumerate(LUCKY, start=1)]
    assert remarks(history, UNetConfig(), 10) == {
        "stopped_while_falling": "training was stopped by the rule while its error was "
        "falling (--unet.go-on-while-falling)"
    }
    rising = [Epoch(n, n, n) for n in range(1, 12)]
    assert remarks(rising, UNetConfig(), 10) == {}


def test_a_fixed_number_of_steps_needs_no_remark_and_no_rule() -> None:
    config = dataclasses.replace(CONFIG, fixed_steps=100, steps_an_epoch=7)
    rising = [Epoch(n, n, n) for n in range(1, 16)]
    assert remarks(rising, config, 10) == {}
    assert most_epochs(config, 10) == 15
    assert [is_over(rising[:n], config, 10) for n in (14, 15)] == [False, True]


@pytest.mark.parametrize(
    ("lowest", "n_epochs", "is_late"),
    [(20, 20, True), (19, 20, True), (18, 20, False), (1, 1, True), (9, 10, False)],
)
def test_the_last_tenth_of_a_training_is_late(
    lowest: int, n_epochs: int, is_late: bool
) -> None:
    errors = [0.1 if epoch == lowest else 0.2 for epoch in range(1, n_epochs + 1)]
    history = [Epoch(n, 0.0, error) for n, error in enumerate(errors, start=1)]
    assert is_lowest_late(history) is is_late
    # Of equal errors, the first counts: the rest has gained nothing.
    assert not is_lowest_late([Epoch(n, 0.0, 0.2) for n in range(1, 11)])
    assert not is_lowest_late([])


def test_an_epoch_is_one_pass_unless_it_is_set() -> None:
    assert [steps_per_epoch(CONFIG, n) for n in (1, 4, 5, 8)] == [1, 1, 2, 2]
    set_to_7 = dataclasses.replace(CONFIG, steps_an_epoch=7)
    assert steps_per_epoch(set_to_7, 100) == 7


def test_histories_are_read_without_tensorflow() -> None:
    check = (
        "import sys, tfgansynth.segmentation.history; "
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", check], check=True)
