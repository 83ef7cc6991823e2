"""A generator that collapses on few cases is a gap in the curve and not its end."""

from types import SimpleNamespace
from typing import Any

import pytest

from tfgansynth.experiment import curve
from tfgansynth.experiment.curve import Trained
from tfgansynth.presets import PRESETS
from tfgansynth.records.curves import MissingPoint
from tfgansynth.records.regimes import Regime
from tfgansynth.synthesis.sampling import ModeCollapseError


def test_a_collapse_leaves_the_point_without_synthetic_pairs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def collapse(*_: Any) -> None:
        raise ModeCollapseError("mode collapse: only 1 of 9")

    monkeypatch.setattr(curve, "ensure_gan", lambda *_: None)
    monkeypatch.setattr(curve, "ensure_set", collapse)
    monkeypatch.setattr(curve, "ensure_unet", lambda *_: [])
    experiment: Any = SimpleNamespace(config=PRESETS["smoke"])
    fold: Any = SimpleNamespace(number=2)

    points = list(curve._points(experiment, fold, 5))

    assert points == [
        Trained(0, 2, Regime(5, 0, "fixed_budget"), []),
        MissingPoint(
            n_real=5,
            seed=0,
            fold=2,
            regime="real + synthetic (fixed budget)",
            why="mode collapse: only 1 of 9",
        ),
    ]
