"""The results of a fold in merged results: its record, and its U-Nets."""

import dataclasses
from collections.abc import Mapping

from tfgansynth.config import Config
from tfgansynth.data.dataset import CaseTable, Identity
from tfgansynth.evaluation.learning import ValidationDice
from tfgansynth.ranges import OPTIONAL, optional
from tfgansynth.records.assessments import Assessment
from tfgansynth.records.regimes import Regime, SetKind
from tfgansynth.records.runs import (
    FinishedUNet,
    MachineFacts,
    Remark,
    StudyPlan,
    Timings,
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MergedUNet:
    """A U-Net whose cases, history and other figures lie in CSV files beside.

    Earlier versions have kept cases only.
    """

    regime: Regime
    cases_sha256: str
    validation: ValidationDice | None = dataclasses.field(
        default=None, metadata=OPTIONAL
    )
    history_sha256: str | None = optional(None)
    figures_sha256: str | None = optional(None)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MergedFold:
    """The results of one fold of one seed; all of `fold.json`.

    Attributes:
        networks: Version of each network.
        sets: Hash of the manifest of each set of the fold.
        seconds: How long its stages took.
        plans: What was declared before its run.
        unets: The U-Nets, in the order of the tables.
        tried: Test cases of any fold on which settings were tried.
        table: Patients and groups of the test cases.
    """

    dataset: Identity
    networks: Mapping[str, int]
    config: Config
    fold: int
    sets: Mapping[SetKind, str]
    assessments: Mapping[SetKind, Assessment]
    remarks: tuple[Remark, ...]
    machines: tuple[MachineFacts, ...]
    seconds: Timings
    plans: tuple[StudyPlan, ...] = optional(())
    unets: tuple[MergedUNet, ...] = ()
    tried: tuple[str, ...] = optional(())
    table: CaseTable = dataclasses.field(default_factory=CaseTable, metadata=OPTIONAL)


@dataclasses.dataclass(frozen=True, slots=True)
class FoldResults:
    """The results of one fold of one seed: its record, and its U-Nets' test cases."""

    record: MergedFold
    unets: tuple[FinishedUNet, ...]

    @property
    def place(self) -> str:
        """Its folder below that of the merged results: `<run>/fold-1`."""
        return f"{self.unets[0].run}/fold-{self.record.fold}"

    @property
    def is_curve(self) -> bool:
        """Whether it is of a learning curve, whose runs lie one folder deeper."""
        return "/" in self.unets[0].run

    @property
    def order(self) -> tuple[int, int]:
        """Seed and number of the fold."""
        return self.record.config.seed, self.record.fold
