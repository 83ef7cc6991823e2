"""What each U-Net of the experiment is trained on, and how: the rows of the tables."""

import dataclasses
from collections.abc import Iterator
from typing import Literal

from tfgansynth.config import Config
from tfgansynth.errors import InputError
from tfgansynth.records.regimes import Regime, SetKind

RegimeSet = Literal["paper", "fixed_budget", "all"]
"""The paper's three rows, the fixed-budget ones, or both."""


def drawn_kinds(config: Config) -> list[SetKind]:
    """The kinds of sets that a fold's generator draws."""
    return ["plain", "filtered"] if config.synthesis.min_agreement else ["plain"]


def require_control(config: Config, which: RegimeSet) -> None:
    """Refuse a control where there can be none.

    Raises:
        InputError: The set is not deformed, or there are the paper's rows only.
    """
    if which == "paper":
        raise InputError(
            "--control: has fixed-budget regimes: expected --regimes fixed_budget "
            "or all"
        )
    if config.synthesis.augment == "none":
        raise InputError(
            "--control: expected --synthesis.augment: training cases that are not "
            "deformed are but those that the real rows have"
        )


def paper_regimes(n_real: int, n_synthetic: int) -> list[Regime]:
    """The rows of the paper's tables. Paper: IV-C."""
    return [Regime(n_real, 0), Regime(n_real, n_synthetic), Regime(0, n_synthetic)]


def planned_regimes(
    config: Config, n_real: int, which: RegimeSet, *, control: bool = False
) -> list[list[Regime]]:
    """The rows of each table, in the order in which they are trained.

    Rows of one table are comparable: trained by one rule. The fixed-budget ones are
    real pairs and real with synthetic ones, each with and without classical
    augmentation, and synthetic pairs alone.

    Args:
        config: The experiment's numbers.
        n_real: The fold's real training cases.
        which: Which tables.
        control: Each fixed-budget regime with synthetic pairs is preceded by its like
            with as many pairs of the control.

    Raises:
        InputError: There can be no control of such a set, or of the paper's rows.
    """
    if control:
        require_control(config, which)
    n_synthetic = config.synthesis.count
    paper = paper_regimes(n_real, n_synthetic)
    fixed_budget = [
        Regime(n_real, 0, "fixed_budget"),
        Regime(n_real, n_synthetic, "fixed_budget"),
        Regime(0, n_synthetic, "fixed_budget"),
        Regime(n_real, 0, "augmented"),
        Regime(n_real, n_synthetic, "augmented"),
    ]
    if control:
        fixed_budget = [
            row for regime in fixed_budget for row in _after_its_control(regime)
        ]
    tables = {
        "paper": [paper],
        "fixed_budget": [fixed_budget],
        "all": [paper, fixed_budget],
    }[which]
    if config.synthesis.min_agreement:
        for table in tables:
            table += [
                dataclasses.replace(regime, kind="filtered")
                for regime in table
                if regime.n_synthetic and regime.kind == "plain"
            ]
    return tables


def _after_its_control(regime: Regime) -> Iterator[Regime]:
    if regime.n_synthetic:
        yield dataclasses.replace(regime, kind="control")
    yield regime
