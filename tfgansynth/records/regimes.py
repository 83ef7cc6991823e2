"""How one U-Net is trained, as data, and how that is named."""

import dataclasses
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from tfgansynth.config import AugmentationConfig, Config, SynthesisConfig, UNetConfig
from tfgansynth.config.data import BEARING
from tfgansynth.errors import InputError
from tfgansynth.evaluation.tables import TrainingSet, training_set_of
from tfgansynth.ranges import OPTIONAL, optional, written_as
from tfgansynth.seeds import derive_seed

Indices = NDArray[np.int64]

SetKind = Literal["plain", "filtered", "control"]
"""The sets of a fold that its networks learn from: as the generator draws them; those
of its pairs whose masks agree with the out-of-fold ensemble; and the control, drawn in
the same way with the fold's training cases in the generator's place."""

Schedule = Literal["paper", "fixed_budget", "augmented"]
"""The paper's stopping rule; an equal number of steps for all; the same, with
classical augmentation."""

Baseline = Literal[
    "ceiling",
    "ensemble",
    "validation",
    "pretrained",
    "unlabelled",
    "strong",
    "cutmix",
    "learned",
]
"""Other ways to use the same cases, which synthetic pairs must do better than; what
each is says `cli.tables.RunTable.baselines`."""

BASELINES: tuple[Baseline, ...] = get_args(Baseline)
AUGMENTED: tuple[Baseline, ...] = ("strong", "cutmix", "learned")
"""Those that augment otherwise than the augmented regimes: as `unet.augment` names
it."""
OFF_CURVE: tuple[Baseline, ...] = ("ceiling", "validation")
"""Those that have no place at a number of real cases, as they have more of them."""

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
        baseline: Which baseline it is; None for the regimes of the tables' own.
    """

    n_real: int
    n_synthetic: int
    schedule: Schedule = "paper"
    kind: SetKind = dataclasses.field(default="plain", metadata=written_as("set"))
    steps: int = optional(0)
    baseline: Baseline | None = dataclasses.field(default=None, metadata=OPTIONAL)

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
        """Sorts regimes as tables list them."""
        return (*self.rule, *self.place)

    @property
    def place(self) -> tuple[int, ...]:
        """Sorts the regimes of a table: controls and baselines before other sets."""
        first = [TrainingSet.REAL, *BASELINES, TrainingSet.MIXED, TrainingSet.SYNTHETIC]
        return (
            self.kind == "filtered",
            _SCHEDULES.index(self.schedule),
            first.index(self.baseline or self.training_set),
            first.index(self.training_set),
            self.kind != "control",
        )

    @property
    def rule(self) -> tuple[bool, int]:
        """How long it is trained: regimes of one table have the same."""
        return self.schedule != "paper", self.steps

    def is_compared(self, other: "Regime") -> bool:
        """Whether both are in one table, and a verdict is of interest there."""
        idle = [each.baseline or each.kind == "control" for each in (self, other)]
        is_asked = self.baseline == other.baseline or not all(idle)
        return self.is_beside(other) and is_asked

    def is_beside(self, other: "Regime") -> bool:
        """Whether both are in one table; an ensemble is in that of each budget."""
        if "ensemble" in (self.baseline, other.baseline):
            return "paper" not in (self.schedule, other.schedule)
        return self.rule == other.rule

    def budget(self, config: Config) -> int:
        """Mini-batches of the U-Nets of its table; 0 where a rule stops them."""
        if self.schedule == "paper":
            return config.unet.fixed_steps
        return self.steps or config.evaluation.budgets[0]

    @property
    def uses_ensemble(self) -> bool:
        """Whether it takes masks from the pseudo-label ensemble itself."""
        return self.baseline in ("ensemble", "unlabelled")

    def unet_config(self, config: Config) -> UNetConfig:
        """The numbers of this U-Net's training; of an ensemble, a member's."""
        if self.baseline == "ensemble":
            return pseudo_label_config(config)
        # What does not bear on pairs of one kind is no part of their U-Net.
        unet, others = config.unet, self.n_synthetic or self.baseline == "unlabelled"
        if not (self.n_real and others):
            unet = dataclasses.replace(unet, real_share=0.0, pretraining_steps=0)
        if self.schedule == "paper":
            return unet
        steps, epoch = self.budget(config), config.evaluation.budget_epoch
        changes: dict[str, Any] = {}
        if self.baseline == "pretrained":
            half = steps // (2 * epoch) * epoch
            changes = {"pretraining_steps": half, "real_share": 0.0}
        elif self.baseline == "validation":
            # No case is left that could choose the best weights.
            changes = {"keep": "last"}
        elif self.baseline in AUGMENTED:
            changes = {"augment": self.baseline}
        augment = "elastic" if self.schedule == "augmented" else "none"
        changes = {"augment": augment, **changes}
        return _fixed_length(unet, steps, epoch, **changes)

    @property
    def _pairs(self) -> str:
        return "control" if self.kind == "control" else "synthetic"

    @property
    def _extras(self) -> list[str]:
        extras = ["filtered"] if self.kind == "filtered" else []
        if self.baseline == "ensemble":
            return ["pseudo-label ensemble"]
        extras += [self.baseline] if self.baseline else []
        if self.schedule == "paper":
            return extras
        steps = [f"{self.steps} steps"] if self.steps else []
        return [*extras, self.schedule.replace("_", " "), *steps]


def most_real(
    baseline: Baseline | None, n_training: int, n_validation: int, n_unused: int
) -> int:
    """The real pairs of known masks that a regime may have, and those of a table do.

    Args:
        baseline: Which baseline it is; None for the others.
        n_training: Cases that the experiment may train on.
        n_validation: Cases that usually choose the weights only.
        n_unused: Cases that the reduced training set leaves out.
    """
    more = {"ceiling": n_unused, "validation": n_validation}
    return n_training + more.get(baseline or "", 0)


def budget_names(config: Config) -> tuple[int, ...]:
    """The `steps` of the regimes of each budget: the first has 0, and no name."""
    return 0, *config.evaluation.budgets[1:]


def _fixed_length(
    unet: UNetConfig, steps: int, steps_an_epoch: int, **changes: Any
) -> UNetConfig:
    """Let a training take so many steps, without the stopping rule."""
    default = UNetConfig()
    unused = "stop_window", "go_on_while_falling", "min_steps", "max_epochs"
    fixed: dict[str, Any] = {name: getattr(default, name) for name in unused}
    fixed |= {"fixed_steps": steps, "steps_an_epoch": steps_an_epoch}
    return dataclasses.replace(unet, **{**fixed, "pretraining_steps": 0, **changes})


def is_on_curve(regime: Regime, config: Config) -> bool:
    """Whether a learning curve shows a regime at its number of real cases.

    The one budget of a curve is the first, and its sets are whole ones.
    """
    return (
        regime.n_real > 0
        and regime.n_synthetic in (0, config.synthesis.count)
        and regime.schedule != "paper"
        and (regime.kind, regime.steps) == ("plain", 0)
        and regime.baseline not in OFF_CURVE
    )


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
