"""How one U-Net is trained, as data, and how that is named."""

import dataclasses
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from tfgansynth.config import AugmentationConfig, Config, SynthesisConfig, UNetConfig
from tfgansynth.config.data import BEARING
from tfgansynth.errors import InputError
from tfgansynth.evaluation.tables import TrainingSet, training_set_of
from tfgansynth.ranges import optional, written_as
from tfgansynth.seeds import derive_seed

Indices = NDArray[np.int64]

SetKind = Literal["plain", "filtered", "control"]
"""The sets of a fold that its networks learn from: as the generator draws them; those
of its pairs whose masks agree with the out-of-fold ensemble; and the control, drawn in
the same way with the fold's training cases in the generator's place."""

Schedule = Literal["paper", "fixed_budget", "augmented"]
"""The paper's stopping rule; an equal number of steps for all; the same, with
classical augmentation."""

_SCHEDULES: tuple[Schedule, ...] = get_args(Schedule)


@dataclasses.dataclass(frozen=True, slots=True)
class Regime:
    """How one U-Net is trained.

    Attributes:
        n_real: Real training pairs.
        n_synthetic: Training pairs of a synthetic set, or of its control.
        schedule: How long, and whether augmented.
        kind: Of the set that these pairs are of.
        steps: Its budget in mini-batches where that is not the first of
            `evaluation.budgets`; 0 otherwise.
    """

    n_real: int
    n_synthetic: int
    schedule: Schedule = "paper"
    kind: SetKind = dataclasses.field(default="plain", metadata=written_as("set"))
    steps: int = optional(0)

    @property
    def training_set(self) -> TrainingSet:
        """The training set that the numbers of training pairs make."""
        return training_set_of(self.n_real, self.n_synthetic)

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
        """The name without counts; those of the paper's regimes are the paper's."""
        if self.schedule == "paper":
            return ", ".join([self.training_set, *self._extras])
        words = {
            TrainingSet.REAL: "real",
            TrainingSet.MIXED: f"real + {self._pairs}",
            TrainingSet.SYNTHETIC: self._pairs,
        }
        return f"{words[self.training_set]} ({', '.join(self._extras)})"

    @property
    def order(self) -> tuple[int, ...]:
        """Sorts regimes as tables list them, each control before its like."""
        return (
            *self.rule,
            self.kind == "filtered",
            _SCHEDULES.index(self.schedule),
            [*TrainingSet].index(self.training_set),
            self.kind != "control",
        )

    @property
    def rule(self) -> tuple[bool, int]:
        """How long it is trained: regimes of one table have the same."""
        return self.schedule != "paper", self.steps

    def unet_config(self, config: Config) -> UNetConfig:
        """The numbers of this U-Net's training."""
        # What does not bear on pairs of one kind is no part of their U-Net.
        share = config.unet.real_share if self.n_real and self.n_synthetic else 0.0
        unet = dataclasses.replace(config.unet, real_share=share)
        if self.schedule == "paper":
            return unet
        return _fixed_length(
            unet,
            self.steps or config.evaluation.budgets[0],
            config.evaluation.budget_epoch,
            augment="elastic" if self.schedule == "augmented" else "none",
        )

    @property
    def _pairs(self) -> str:
        return "control" if self.kind == "control" else "synthetic"

    @property
    def _extras(self) -> list[str]:
        extras = ["filtered"] if self.kind == "filtered" else []
        if self.schedule == "paper":
            return extras
        steps = [f"{self.steps} steps"] if self.steps else []
        return [*extras, self.schedule.replace("_", " "), *steps]


def budget_names(config: Config) -> tuple[int, ...]:
    """The `steps` of the regimes of each budget: the first has 0, and no name."""
    return 0, *config.evaluation.budgets[1:]


def _fixed_length(
    unet: UNetConfig, steps: int, steps_an_epoch: int, **changes: Any
) -> UNetConfig:
    """Let a training take so many steps, without the stopping rule."""
    default = UNetConfig()
    return dataclasses.replace(
        unet,
        fixed_steps=steps,
        steps_an_epoch=steps_an_epoch,
        stop_window=default.stop_window,
        go_on_while_falling=default.go_on_while_falling,
        min_steps=default.min_steps,
        max_epochs=default.max_epochs,
        **changes,
    )


def curve_regimes(config: Config, n_real: int) -> list[Regime]:
    """The regimes of one point of a learning curve: without and with a whole set."""
    counts = (0, config.synthesis.count) if n_real else ()
    return [Regime(n_real, n_synthetic, "fixed_budget") for n_synthetic in counts]


def synthesis_config(config: Config, kind: SetKind) -> SynthesisConfig:
    """The numbers of a set; those that do not bear on it have their default."""
    found, default = config.synthesis, SynthesisConfig()
    if not found.pseudo_label_members:
        found = dataclasses.replace(
            found,
            pseudo_label_steps=default.pseudo_label_steps,
            pseudo_label_augment=default.pseudo_label_augment,
        )
    if kind != "filtered":
        found = dataclasses.replace(found, min_agreement=default.min_agreement)
    return found


def augmentation_config(config: Config, switch: str) -> AugmentationConfig:
    """The numbers of a stage's augmentation; what has no effect has its default."""
    found = {name: getattr(config.augmentation, name) for name in BEARING[switch]}
    return AugmentationConfig(**found)


def pseudo_label_config(config: Config) -> UNetConfig:
    """The numbers of a pseudo-label member's training: fixed length, augmented."""
    return _member_config(
        config,
        config.synthesis.pseudo_label_steps,
        augment=config.synthesis.pseudo_label_augment,
    )


def cross_fit_config(config: Config) -> UNetConfig:
    """The numbers of a cross-fit member's training: fixed length, last weights."""
    return _member_config(config, config.evaluation.cross_fit_steps)


def _member_config(config: Config, steps: int, **changes: Any) -> UNetConfig:
    epoch = min(config.evaluation.budget_epoch, steps)
    return _fixed_length(
        config.unet, steps, epoch, real_share=0.0, keep="last", **changes
    )


def cross_fit_parts(config: Config, fold: int, n_cases: int) -> tuple[Indices, ...]:
    """Split a fold's n training cases by the run's seed, a part for each member.

    Returns:
        For each member the indices of the cases that it does not learn from, ascending.

    Raises:
        InputError: There are fewer cases than members.
    """
    splits = config.evaluation.cross_fit_splits
    if n_cases < splits:
        raise InputError(
            f"--evaluation.cross-fit-splits {splits}: fold {fold} has only {n_cases} "
            "real training cases"
        )
    # The label of a seed is part of the numbers and keeps its old word.
    rng = np.random.default_rng(derive_seed(config.seed, "judges", fold))
    shuffled = rng.permutation(n_cases)
    parts = np.array_split(shuffled, splits)
    return tuple(np.sort(part) for part in parts)


def real_indices(config: Config, fold: int, n_cases: int, count: int) -> Indices:
    """Draw so many of a fold's n training cases by the run's seed.

    Returns:
        Indices of the cases drawn; fewer are a prefix of more.
    """
    rng = np.random.default_rng(derive_seed(config.seed, "real", fold))
    return np.asarray(rng.permutation(n_cases)[:count])


def set_name(kind: SetKind) -> str:
    """Folder of such a set below its fold's."""
    return "synthetic" if kind == "plain" else f"synthetic-{kind}"


def assessment_name(kind: SetKind) -> str:
    """Folder of the assessment of such a set below its fold's."""
    return "assessment" if kind == "plain" else f"assessment-{kind}"


def set_names() -> dict[SetKind, str]:
    """Folder of each kind of set."""
    kinds: tuple[SetKind, ...] = get_args(SetKind)
    return {kind: set_name(kind) for kind in kinds}
