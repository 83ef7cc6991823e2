"""What each U-Net of the experiment is trained on, and how: the rows of the tables."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from tfgansynth.config import Config, UNetConfig
from tfgansynth.errors import InputError
from tfgansynth.evaluation.tables import TrainingSet, training_set_of
from tfgansynth.experiment.run_folder import SetKind

RegimeSet = Literal["paper", "fixed_budget", "all"]
"""The paper's three rows, the fixed-budget ones, or both."""

Schedule = Literal["paper", "fixed_budget", "augmented"]
"""The paper's stopping rule; an equal number of steps for all; the same, with
classical augmentation."""


@dataclasses.dataclass(frozen=True, slots=True)
class Regime:
    """How one U-Net is trained.

    Attributes:
        n_real: Real training pairs.
        n_synthetic: Training pairs of a synthetic set, or of its control.
        schedule: How long, and whether augmented.
        kind: Of the set that these pairs are of.
    """

    n_real: int
    n_synthetic: int
    schedule: Schedule = "paper"
    kind: SetKind = "plain"

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "Regime":
        """Read a regime back from where `record` has put it.

        Raises:
            LookupError: It is not there.
        """
        kind: SetKind = "filtered" if record["filtered"] else "plain"
        if record.get("control"):
            kind = "control"
        counts = record["n_real"], record["n_synthetic"]
        return cls(*counts, record["schedule"], kind)

    def record(self) -> dict[str, Any]:
        """Plain for JSON; of rows without a control as it was before there were any."""
        control = {"control": True} if self.kind == "control" else {}
        return {
            "n_real": self.n_real,
            "n_synthetic": self.n_synthetic,
            "schedule": self.schedule,
            "filtered": self.kind == "filtered",
            **control,
        }

    @property
    def folder_name(self) -> str:
        """`unet-r30-s120`, and what differs from the paper's way."""
        counts = f"unet-r{self.n_real}-s{self.n_synthetic}"
        control = ["control"] if self.kind == "control" else []
        extras = [extra.replace(" ", "-") for extra in self._extras]
        return "-".join([counts, *control, *extras])

    @property
    def label(self) -> str:
        """`30 real + 120 synthetic`, and what differs from the paper's way."""
        counts = f"{self.n_real} real + {self.n_synthetic} {self._pairs}"
        return f"{counts} ({', '.join(self._extras)})" if self._extras else counts

    @property
    def name(self) -> str:
        """The row's name; those of the paper's rows are theirs."""
        training_set = training_set_of(self.n_real, self.n_synthetic)
        if self.schedule == "paper":
            return ", ".join([training_set, *self._extras])
        words = {
            TrainingSet.REAL: "real",
            TrainingSet.MIXED: f"real + {self._pairs}",
            TrainingSet.SYNTHETIC: self._pairs,
        }
        return f"{words[training_set]} ({', '.join(self._extras)})"

    @property
    def _pairs(self) -> str:
        return "control" if self.kind == "control" else "synthetic"

    @property
    def _extras(self) -> list[str]:
        extras = ["filtered"] if self.kind == "filtered" else []
        if self.schedule == "paper":
            return extras
        return [*extras, self.schedule.replace("_", " ")]

    def unet_config(self, config: Config) -> UNetConfig:
        """The numbers of this U-Net's training."""
        # What does not bear on pairs of one kind is no part of their U-Net.
        share = config.unet.real_share if self.n_real and self.n_synthetic else 0.0
        unet = dataclasses.replace(config.unet, real_share=share)
        if self.schedule == "paper":
            return unet
        return dataclasses.replace(
            unet,
            fixed_steps=config.evaluation.budget_steps,
            steps_an_epoch=config.evaluation.budget_epoch,
            augment="elastic" if self.schedule == "augmented" else "none",
        )


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
