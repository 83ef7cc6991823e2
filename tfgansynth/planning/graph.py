"""The graph of stages: what each is called, makes, needs and depends on."""

import dataclasses
import enum
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from tfgansynth.data.copies.duplicates import Crossing
from tfgansynth.data.dataset import Identity
from tfgansynth.data.held_out import FoldHashes
from tfgansynth.errors import InputError
from tfgansynth.records.regimes import Regime, SetKind


class Kind(enum.StrEnum):
    """What a stage makes."""

    GAN = "gan"
    SET = "synthetic set"
    PSEUDO_LABELS = "pseudo-label ensemble member"
    CROSS_FIT = "cross-fit ensemble member"
    SEGMENTATION = "segmentation"
    ASSESSMENT = "assessment"


@dataclasses.dataclass(frozen=True, slots=True)
class Splits:
    """A data set, split into folds, and the duplicates across the split, as allowed."""

    data: Identity
    folds: tuple[FoldHashes, ...]
    duplicates: tuple[Crossing, ...] = ()

    def some(self, numbers: Sequence[int] | None) -> list[FoldHashes]:
        """Return the folds of these numbers, each once, ascending; all for none.

        Raises:
            InputError: There is no such fold.
        """
        if not numbers:
            return list(self.folds)
        most, option = len(self.folds), "--fold" if len(numbers) == 1 else "--folds"
        for number in numbers:
            if not 1 <= number <= most:
                raise InputError(f"{option} {number}: expected 1 to {most}")
        return [fold for fold in self.folds if fold.number in numbers]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStage:
    """One stage of a plan.

    Attributes:
        kind: What it makes.
        fold: Number of its fold.
        name: Its folder below the run folder.
        needs: Names of the stages that it takes something from.
        record: All that bears on it, plain for JSON: settings, network version,
            cases by the hash of their content, `inputs`, `identity`. It goes into the
            stage's folder.
        seed: Determines its randomness.
        label: Names it on screen.
        regime: How a U-Net of kind `SEGMENTATION` is trained.
        set_kind: Which set, of kinds `SET` and `ASSESSMENT`.
    """

    kind: Kind
    fold: int
    name: str
    needs: tuple[str, ...]
    record: Mapping[str, Any]
    seed: int
    label: str
    regime: Regime | None = None
    set_kind: SetKind = "plain"

    @property
    def identity(self) -> str:
        """SHA-256 of all that bears on it, as hexadecimal digits."""
        return str(self.record["identity"])


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """Stages in an order in which each comes after what it needs.

    `others` are left to other commands: they are not run, but what is there of them
    must be as planned.
    """

    stages: tuple[PlannedStage, ...]
    others: tuple[PlannedStage, ...] = ()

    def identities(self) -> dict[str, str]:
        """Identity of each stage by its name."""
        return {stage.name: stage.identity for stage in self.stages}

    def only(self, kinds: Collection[Kind]) -> "Plan":
        """Leave out the stages of all other kinds."""
        own = tuple(stage for stage in self.stages if stage.kind in kinds)
        return Plan(own, tuple(stage for stage in self.stages if stage not in own))

    def by_fold(self) -> Iterator["Plan"]:
        """Split the plan into one for each fold."""
        for number in dict.fromkeys(stage.fold for stage in self.stages):
            yield Plan(tuple(stage for stage in self.stages if stage.fold == number))
