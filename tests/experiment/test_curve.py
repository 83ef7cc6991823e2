"""A generator that collapses on few cases is a gap in the curve and not its end."""

from types import SimpleNamespace
from typing import Any

import pytest

from tfgansynth.config import PRESETS
from tfgansynth.evaluation.curves import Missing
from tfgansynth.experiment import curve
from tfgansynth.experiment.recipes import Recipe
from tfgansynth.synthesis.sampling import ModeCollapseError


def test_a_collapse_leaves_the_point_without_synthetic_pairs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def collapse(*_: Any) -> None:
        raise ModeCollapseError("mode collapse: only 1 of 9")

    monkeypatch.setattr(curve, "ensure_gan", lambda *_: None)
    monkeypatch.setattr(curve, "ensure_set", collapse)
    monkeypatch.setattr(curve, "evaluated", lambda _e, _f, recipe, _run: recipe)
    experiment: Any = SimpleNamespace(config=PRESETS["smoke"])
    fold: Any = SimpleNamespace(number=2)

    points = list(curve._points(experiment, fold, 5, "n005/run"))

    assert points == [
        Recipe(5, 0, "fair"),
        Missing(
            n_real=5,
            seed=0,
            fold=2,
            arm="real + synthetic (fair)",
            why="mode collapse: only 1 of 9",
        ),
    ]
