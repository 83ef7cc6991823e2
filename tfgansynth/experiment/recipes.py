"""What each U-Net of the experiment is trained on, and how: the rows of the tables."""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from tfgansynth.config import Config, UNetConfig
from tfgansynth.errors import InputError
from tfgansynth.evaluation.tables import Arm, arm_of
from tfgansynth.experiment.run_folder import SetKind

Arms = Literal["paper", "fair", "all"]
"""The paper's three rows, the fair ones, or both."""

Schedule = Literal["paper", "fair", "augmented"]
"""The paper's stopping rule; an equal number of steps for all; the same, with
classical augmentation."""


@dataclasses.dataclass(frozen=True, slots=True)
class Recipe:
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
    def from_record(cls, record: Mapping[str, Any]) -> "Recipe":
        """Read a recipe back from where `record` has put it.

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
        return "-".join([counts, *control, *self._extras])

    @property
    def label(self) -> str:
        """`30 real + 120 synthetic`, and what differs from the paper's way."""
        counts = f"{self.n_real} real + {self.n_synthetic} {self._pairs}"
        return f"{counts} ({', '.join(self._extras)})" if self._extras else counts

    @property
    def name(self) -> str:
        """The row's name; those of the paper's rows are theirs."""
        arm = arm_of(self.n_real, self.n_synthetic)
        if self.schedule == "paper":
            return ", ".join([arm, *self._extras])
        words = {
            Arm.REAL: "real",
            Arm.MIXED: f"real + {self._pairs}",
            Arm.SYNTHETIC: self._pairs,
        }
        return f"{words[arm]} ({', '.join(self._extras)})"

    @property
    def _pairs(self) -> str:
        return "control" if self.kind == "control" else "synthetic"

    @property
    def _extras(self) -> list[str]:
        extras = ["filtered"] if self.kind == "filtered" else []
        return extras if self.schedule == "paper" else [*extras, self.schedule]

    def unet_config(self, config: Config) -> UNetConfig:
        """The numbers of this U-Net's training."""
        # What does not bear on pairs of one kind is no part of their U-Net.
        share = config.unet.real_share if self.n_real and self.n_synthetic else 0.0
        unet = dataclasses.replace(config.unet, real_share=share)
        if self.schedule == "paper":
            return unet
        return dataclasses.replace(
            unet,
            fixed_steps=config.evaluation.fair_steps,
            steps_an_epoch=config.evaluation.fair_epoch,
            augment="elastic" if self.schedule == "augmented" else "none",
        )


def drawn_kinds(config: Config) -> list[SetKind]:
    """The kinds of sets that a fold's generator draws."""
    return ["plain", "filtered"] if config.synthesis.min_agreement else ["plain"]


def require_control(config: Config, arms: Arms) -> None:
    """Refuse a control where there can be none.

    Raises:
        InputError: The set is not deformed, or there are the paper's rows only.
    """
    if arms == "paper":
        raise InputError("--control: has fair rows: expected --arms fair or all")
    if config.synthesis.deform == "none":
        raise InputError(
            "--control: expected --synthesis.deform: training cases that are not "
            "deformed are but those that the real rows have"
        )


def paper_recipes(n_real: int, n_synthetic: int) -> list[Recipe]:
    """The rows of the paper's tables. Paper: IV-C."""
    return [Recipe(n_real, 0), Recipe(n_real, n_synthetic), Recipe(0, n_synthetic)]


def recipes(
    config: Config, n_real: int, arms: Arms, *, control: bool = False
) -> list[list[Recipe]]:
    """The rows of each table, in the order in which they are trained.

    Rows of one table are comparable: trained by one rule. The fair ones are real
    pairs and real with synthetic ones, each with and without classical augmentation,
    and synthetic pairs alone.

    Args:
        config: The experiment's numbers.
        n_real: The fold's real training cases.
        arms: Which tables.
        control: Each fair row with synthetic pairs is preceded by its like with as
            many pairs of the control.

    Raises:
        InputError: There can be no control of such a set, or of the paper's rows.
    """
    if control:
        require_control(config, arms)
    n_synthetic = config.synthesis.count
    paper = paper_recipes(n_real, n_synthetic)
    fair = [
        Recipe(n_real, 0, "fair"),
        Recipe(n_real, n_synthetic, "fair"),
        Recipe(0, n_synthetic, "fair"),
        Recipe(n_real, 0, "augmented"),
        Recipe(n_real, n_synthetic, "augmented"),
    ]
    if control:
        fair = [row for recipe in fair for row in _after_its_control(recipe)]
    tables = {"paper": [paper], "fair": [fair], "all": [paper, fair]}[arms]
    if config.synthesis.min_agreement:
        for table in tables:
            table += [
                dataclasses.replace(recipe, kind="filtered")
                for recipe in table
                if recipe.n_synthetic and recipe.kind == "plain"
            ]
    return tables


def _after_its_control(recipe: Recipe) -> Iterator[Recipe]:
    if recipe.n_synthetic:
        yield dataclasses.replace(recipe, kind="control")
    yield recipe
