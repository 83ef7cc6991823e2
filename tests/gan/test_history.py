import math
from typing import Any

import numpy as np
import pytest

from tfgansynth.errors import InputError
from tfgansynth.gan.history import History

THIRD = float(np.float32(1) / np.float32(3))


@pytest.fixture
def history() -> History:
    history = History()
    history.add(0, {"health/diversity": 1.25})
    history.add(2, {"loss/generator": THIRD, "loss/discriminator": -1e-30})
    history.add(4, {"loss/generator": 2.0, "loss/discriminator": 3.0})
    history.add(4, {"health/diversity": 0.5})
    return history


def test_a_checkpoint_brings_it_back_to_the_bit(history: History) -> None:
    arrays = history.arrays()

    assert set(arrays) == {
        "history/health/diversity",
        "history/loss/generator",
        "history/loss/discriminator",
    }
    assert arrays["history/loss/generator"].tolist() == [[2, THIRD], [4, 2]]
    others: dict[str, Any] = {"step": np.array(4), "generator/000": np.zeros(3)}
    back = History.from_arrays({**others, **arrays})
    assert back == history
    assert back.to_csv() == history.to_csv()


def test_csv_has_a_line_a_step_and_blanks(history: History) -> None:
    assert history.to_csv() == (
        "step,health/diversity,loss/discriminator,loss/generator\n"
        "0,1.25,,\n"
        f"2,,-1e-30,{THIRD!r}\n"
        "4,0.5,3.0,2.0\n"
    )


def test_csv_brings_it_back_to_the_bit(history: History) -> None:
    assert History.from_csv(history.to_csv()) == history
    history.add(6, {"loss/generator": math.inf})
    assert History.from_csv(history.to_csv()) == history


def test_an_empty_history_stays_empty() -> None:
    assert History().arrays() == {}
    assert History.from_arrays({}) == History()
    assert History.from_csv(History().to_csv()) == History()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "epoch,loss\n1,2\n",
        "step,loss\nx,2\n",
        "step,loss\n1,x\n",
        "step,loss\n1,2,3\n",
        'step,loss\n1,"2\n',
        "step,loss\n,2\n",
    ],
)
def test_what_is_no_history_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is no history of a training"):
        History.from_csv(text)
