"""What is asked for is clipped to the cases, and the impossible is refused."""

import dataclasses

import pytest

from tfgansynth.errors import InputError
from tfgansynth.experiment.studies import CurveRequest, fit
from tfgansynth.presets import PRESETS

CONFIG = PRESETS["paper"]
PLAN = CurveRequest(counts=(145, 5, 30, 145), folds=None, n_seeds=1, generator_of=None)
IDS = [f"case-{number:03d}" for number in range(247)]


def fitted(plan: CurveRequest, n_cases: int = 247) -> CurveRequest:
    return fit(plan, IDS[:n_cases], CONFIG)


def test_numbers_are_clipped_to_the_smallest_fold(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert fitted(PLAN).counts == [5, 30, 144]
    assert capsys.readouterr().out == (
        "COUNTS: 145 is more than the 144 training cases that each fold has: 144 "
        "instead\n"
    )


def test_numbers_are_clipped_to_the_one_generators_cases(
    capsys: pytest.CaptureFixture[str],
) -> None:
    plan = dataclasses.replace(PLAN, counts=(5, 30, 60), generator_of=30)
    assert fitted(plan).counts == [5, 30]
    assert "60 is more than the 30 that the generator" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"counts": (0, 5)}, "--counts 0 5: expected numbers from 1 on"),
        ({"counts": ()}, "--counts : expected numbers from 1 on"),
        ({"n_seeds": 0}, "--seeds 0: expected 1 or more"),
        ({"folds": (1, 4)}, "--folds 1 4: expected 1 to 3"),
        ({"generator_of": 145}, "--generator-of 145: expected 1 to 144"),
        ({"generator_of": 0}, "--generator-of 0: expected 1 to 144"),
    ],
)
def test_what_there_cannot_be_is_refused(
    changes: dict[str, object], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        fitted(dataclasses.replace(PLAN, **changes))  # type: ignore[arg-type]


def test_an_interval_needs_two_test_cases() -> None:
    data = dataclasses.replace(CONFIG.data, n_validation=1)
    with pytest.raises(InputError, match="5 cases leave a fold one test case"):
        fit(PLAN, IDS[:5], dataclasses.replace(CONFIG, data=data))
