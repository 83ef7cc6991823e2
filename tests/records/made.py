"""Records made up for tests."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from tfgansynth.config import NETWORK_VERSIONS, Config
from tfgansynth.data.dataset import Identity, Layout
from tfgansynth.evaluation.case_rows import CaseRow
from tfgansynth.evaluation.learning import ValidationDice
from tfgansynth.evaluation.metrics import CaseMetrics
from tfgansynth.presets import PRESETS
from tfgansynth.records.regimes import Regime
from tfgansynth.records.runs import FinishedUNet, Settings


def identity(layout: Layout = "folder", name: str = "somewhere") -> Identity:
    return Identity(name, layout, 60, "ab" * 32)


def config_of(seed: int = 0, *, reduced: bool = True, size: int = 128) -> Config:
    smoke = PRESETS["smoke"]
    data = dataclasses.replace(smoke.data, size=size)
    return dataclasses.replace(smoke, seed=seed, reduced=reduced, data=data)


def finished(
    regime: Regime,
    cases: Sequence[CaseRow],
    *,
    seed: int = 0,
    fold: int = 1,
    layout: Layout = "folder",
    run: str = "",
    validation: ValidationDice | None = None,
) -> FinishedUNet:
    return FinishedUNet(
        run=run or f"run-seed{seed}",
        settings=Settings(networks=NETWORK_VERSIONS, config=config_of(seed)),
        dataset=identity(layout),
        fold=fold,
        regime=regime,
        cases=tuple(cases),
        validation=validation,
    )


def unet(
    seed: int,
    fold: int,
    regime: Regime,
    shift: float,
    layout: Layout = "folder",
    validation: ValidationDice | None = None,
) -> FinishedUNet:
    """One whose Dice is shifted, of 40 cases."""
    # The same noise for each regime, as of cases, and a little of its own.
    of_case = np.random.default_rng([seed, fold]).normal(0.94, 0.015, 40)
    own = np.random.default_rng([seed, fold, len(regime.name)]).normal(shift, 0.002, 40)
    rows = [
        CaseRow(
            case_id=f"case-{fold}-{number}",
            metrics=CaseMetrics(float(dice), 9.0 + number, 5.0, 2.0 - shift),
        )
        for number, dice in enumerate(of_case + own)
    ]
    return finished(
        regime, rows, seed=seed, fold=fold, layout=layout, validation=validation
    )
