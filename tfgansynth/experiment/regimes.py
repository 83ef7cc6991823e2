"""The numbers that each set and U-Net takes: regimes of the tables, ensembles."""

import dataclasses
from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tfgansynth.config import (
    AugmentationConfig,
    Config,
    SynthesisConfig,
    UNetConfig,
)
from tfgansynth.errors import InputError
from tfgansynth.records.regimes import Regime, SetKind, fixed_length
from tfgansynth.seeds import derive_seed

Indices = NDArray[np.int64]

RegimeSet = Literal["paper", "fixed_budget", "all"]
"""The paper's three rows, the fixed-budget ones, or both."""


def synthesis_config(config: Config, kind: SetKind) -> SynthesisConfig:
    """The numbers of a set; those that do not bear on it have their default.

    Args:
        config: The experiment's numbers.
        kind: Which set.
    """
    found, default = config.synthesis, SynthesisConfig()
    if not found.pseudo_label_members:
        steps = default.pseudo_label_steps
        found = dataclasses.replace(found, pseudo_label_steps=steps)
    if kind != "filtered":
        found = dataclasses.replace(found, min_agreement=default.min_agreement)
    return found


def augmentation_config(config: Config, switch: str) -> AugmentationConfig:
    """The numbers of a stage's augmentation; their default where it is `none`."""
    return config.augmentation if switch != "none" else AugmentationConfig()


def pseudo_label_config(config: Config) -> UNetConfig:
    """The numbers of a pseudo-label member's training: fixed length, augmented."""
    steps = config.synthesis.pseudo_label_steps
    return fixed_length(
        config.unet,
        steps,
        min(config.evaluation.budget_epoch, steps),
        augment="elastic",
        real_share=0.0,
        keep="last",
    )


def cross_fit_config(config: Config) -> UNetConfig:
    """The numbers of a cross-fit member's training: fixed length, last weights."""
    steps = config.evaluation.cross_fit_steps
    return fixed_length(
        config.unet,
        steps,
        min(config.evaluation.budget_epoch, steps),
        real_share=0.0,
        keep="last",
    )


def cross_fit_parts(config: Config, fold: int, n_cases: int) -> tuple[Indices, ...]:
    """Split a fold's training cases by the run's seed, a part for each member.

    Args:
        config: The experiment's numbers.
        fold: Number of the fold.
        n_cases: Its training cases.

    Returns:
        For each member the indices of the cases that it does not learn from, ascending.
    """
    # The label of a seed is part of the numbers and keeps its old word.
    rng = np.random.default_rng(derive_seed(config.seed, "judges", fold))
    shuffled = rng.permutation(n_cases)
    parts = np.array_split(shuffled, config.evaluation.cross_fit_splits)
    return tuple(np.sort(part) for part in parts)


def real_indices(config: Config, fold: int, n_cases: int, count: int) -> Indices:
    """Draw training cases of a fold by the run's seed; fewer are a prefix of more.

    Args:
        config: The experiment's numbers.
        fold: Number of the fold.
        n_cases: Its training cases.
        count: How many to draw.

    Returns:
        Indices of the cases drawn.
    """
    rng = np.random.default_rng(derive_seed(config.seed, "real", fold))
    return np.asarray(rng.permutation(n_cases)[:count])


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
