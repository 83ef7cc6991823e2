"""Records made up for tests."""

import dataclasses
from collections.abc import Sequence

from tfgansynth.config import NETWORK_VERSIONS, Config
from tfgansynth.data.dataset import Identity, Layout
from tfgansynth.evaluation.case_rows import CaseRow
from tfgansynth.evaluation.learning import ValidationDice
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
