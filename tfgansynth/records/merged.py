"""Results merged from several machines: each fold's numbers, and no images."""

import dataclasses
from collections.abc import Mapping

from tfgansynth.config import Config
from tfgansynth.data.dataset import Identity
from tfgansynth.records.assessments import Assessment
from tfgansynth.records.regimes import Regime, SetKind
from tfgansynth.records.remarks import Remark
from tfgansynth.records.runs import FinishedUNet, MachineFacts, Settings, Timings


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MergedUNet:
    """A U-Net whose test cases lie in a CSV file beside the fold's record.

    Attributes:
        regime: How it was trained; the file has the name of its folder.
        cases_sha256: Hash of that file.
    """

    regime: Regime
    cases_sha256: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MergedFold:
    """The results of one fold of one seed; all of `fold.json`.

    Attributes:
        dataset: The data set.
        networks: Version of each network.
        config: All numbers of the run.
        fold: Number of the fold.
        sets: Hash of the manifest of each set of the fold.
        assessments: What was found of them.
        remarks: Problems with the data, or in the fold's trainings.
        machines: On what its stages were computed.
        seconds: How long these took.
        unets: The U-Nets, in the order of the tables.
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
    unets: tuple[MergedUNet, ...] = ()

    @property
    def settings(self) -> Settings:
        """What its run was begun with."""
        return Settings(networks=self.networks, config=self.config)


@dataclasses.dataclass(frozen=True, slots=True)
class FoldResults:
    """The results of one fold of one seed, with its test cases.

    Attributes:
        record: What they were made with, and all else but the metrics.
        unets: The U-Nets with their test cases, in the order of the tables.
    """

    record: MergedFold
    unets: tuple[FinishedUNet, ...]

    @property
    def place(self) -> str:
        """Its folder below that of the merged results: `<run>/fold-1`."""
        return f"{self.unets[0].run}/fold-{self.record.fold}"

    @property
    def order(self) -> tuple[int, int]:
        """Seed and number of the fold."""
        return self.record.config.seed, self.record.fold
