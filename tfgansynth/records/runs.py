"""What a run folder holds: what it belongs to, its finished U-Nets, how it was made."""

import dataclasses
import hashlib
import itertools
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from tfgansynth.config import Config
from tfgansynth.config_checks import differences
from tfgansynth.data.copies.duplicates import Crossing
from tfgansynth.data.dataset import CaseHashes, CaseTable, Identity
from tfgansynth.data.held_out import of_other_patients
from tfgansynth.data.splits import Fold
from tfgansynth.errors import InputError
from tfgansynth.evaluation.case_rows import CaseRow
from tfgansynth.evaluation.learning import ValidationDice
from tfgansynth.evaluation.other_figures import CaseFigures
from tfgansynth.presets import PRESETS, at_size, with_modern_unet
from tfgansynth.ranges import OPTIONAL, optional
from tfgansynth.records.converter import to_json
from tfgansynth.records.files import SPLITS
from tfgansynth.records.regimes import Regime, budget_names, most_real
from tfgansynth.segmentation.history import Epoch

DATA = "data"
"""The stage of remarks about the data."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """A problem that may affect results.

    Attributes:
        seed: Seed of the run; None where it is about all runs.
        fold: Number of the fold; None where it is about all folds.
        stage: The stage that it is about: `data`, `fold-1/gan`, `fold-1/unet-r30-s0`.
        kind: Which problem, in a word.
        text: The same as a sentence.
    """

    seed: int | None
    fold: int | None
    stage: str
    kind: str
    text: str


def remark_lines(remarks: Iterable[Remark], *, n_seeds: int) -> list[str]:
    """Render remarks, each once; seeds are named where there are several."""
    lines = []
    for remark in dict.fromkeys(remarks):
        named = n_seeds > 1 and remark.seed is not None
        seed = [f"seed {remark.seed}"] if named else []
        fold = [f"fold {remark.fold}"] if remark.fold is not None else []
        lines.append(", ".join([*seed, *fold, remark.text]))
    return lines


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Network versions and all numbers of a run; all of `config.json`."""

    networks: Mapping[str, int]
    config: Config


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class StudyPlan:
    """What a study was to show, declared before its first run; all of `plan.json`.

    Attributes:
        first: Regime of the primary pair that is compared against.
        second: Regime of the primary pair that the verdict is on.
        regimes: All regimes that were to be trained.
        seeds: Seeds that were to be run.
        folds: Folds of each.
        margin: Differences of Dice smaller than this were not to matter.
        settings: Hash of all settings but the seed.
    """

    first: str
    second: str
    regimes: tuple[str, ...]
    seeds: tuple[int, ...]
    folds: tuple[int, ...]
    margin: float
    settings: str

    @property
    def runs(self) -> set[tuple[int, int]]:
        """Seed and fold of each run that was declared."""
        return set(itertools.product(self.seeds, self.folds))

    @property
    def words(self) -> str:
        """What was declared, in words."""
        seeds, folds = (", ".join(map(str, each)) for each in (self.seeds, self.folds))
        return (
            f"{self.second} against {self.first}, on seeds {seeds} and folds {folds}, "
            f"with a margin of {self.margin:g}"
        )


def settings_hash(config: Config) -> str:
    """Hash all settings but the seed."""
    content = to_json(dataclasses.replace(config, seed=0))
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


_NOT_TRIED = {
    *("reduced", "lungs", "target", "paper_figures", "seed", "allow_duplicates"),
    "data.n_validation",
}
"""Settings that say what is tried on, not what is tried."""


def differing_settings(config: Config) -> list[str]:
    """The settings in which a trial differs from its preset."""
    preset = PRESETS[config.preset]
    # What follows the size or the architecture is no setting of its own.
    scaled = at_size(preset, config.data.size)
    if config.unet.architecture == "modern":
        scaled = with_modern_unet(scaled)
    own = dataclasses.replace(scaled.unet, architecture=preset.unet.architecture)
    scaled = dataclasses.replace(scaled, data=preset.data, unet=own)
    found = differences(*map(dataclasses.asdict, (config, scaled)))
    found = (line.split(" against ")[0] for line in found)
    return [line for line in found if line.split(":")[0] not in _NOT_TRIED]


@dataclasses.dataclass(frozen=True, slots=True)
class CaseList:
    """The cases that a run was begun with; all of `cases.json`.

    Attributes:
        cases: With their masks.
        table: Patients and groups.
        unlabelled: The images without masks.
    """

    cases: CaseHashes
    table: CaseTable = dataclasses.field(default_factory=CaseTable, metadata=OPTIONAL)
    unlabelled: CaseHashes = dataclasses.field(default_factory=dict, metadata=OPTIONAL)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where the data of a run were read from at last; all of `source.json`.

    No result depends on it: which cases they are is told by their hashes.

    Attributes:
        name: What the data set was called when the run was begun.
        folder: Its absolute path; None for the built-in phantoms.
        patient_pattern: Finds the patient in the name of a case, where it was given.
        n_development: The run is on so many development cases of these data alone, as
            that of a trial is; 0 for all of them.
    """

    name: str
    folder: str | None = None
    patient_pattern: str | None = None
    n_development: int = optional(0)


@dataclasses.dataclass(frozen=True, slots=True)
class Split:
    """The split of the cases; all of `splits.json`.

    Attributes:
        folds: The folds.
        development: The cases that no fold has, for trials of settings.
    """

    folds: tuple[Fold, ...]
    development: tuple[str, ...] = optional(())


@dataclasses.dataclass(frozen=True, slots=True)
class Tried:
    """Cases that folds of a run test and settings were tried on; all of `tried.json`.

    Attributes:
        trials: By the name of a trial: these cases, with their hashes in the run.
    """

    trials: Mapping[str, CaseHashes]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MachineFacts:
    """A machine that stages were computed on; see `runtime.devices`."""

    processor: str
    cpu_features: tuple[str, ...]
    gpus: tuple[str, ...]
    bfloat16_units: tuple[str, ...]
    has_unused_gpu: bool = optional(False)
    threads: int
    onednn: bool | None = optional(None)
    kernels: str
    keras: Mapping[str, str] = dataclasses.field(
        default_factory=dict, metadata=OPTIONAL
    )
    versions: Mapping[str, str]
    commit: str | None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt at a stage whose work is in the result.

    Attributes:
        after: Steps or epochs that were done before it.
        precision: Number format of the convolutions.
        machine: Index of its machine in the log.
    """

    after: int
    precision: str
    machine: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class MachineLog:
    """The machines of a run, each once, and the attempts at each stage.

    All of `machine.json`.
    """

    machines: tuple[MachineFacts, ...] = ()
    stages: Mapping[str, tuple[Attempt, ...]] = dataclasses.field(default_factory=dict)


Timings = Mapping[str, float]
"""Seconds of stages and, as `stage/part`, of their parts; all of `timings.json`."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class FinishedUNet:
    """One trained U-Net and its test cases.

    Attributes:
        run: What records call its run.
        validation: Its Dice on validation cases beside that of constant masks; None
            where an earlier version has trained it.
        folder: Where it lies; None of merged results.
        epochs: The history of its training; empty where merged results lack it.
        duplicates: Duplicates across the split, as allowed; likewise.
        tried: Cases of its run on which settings were tried.
        table: Patients and groups of its cases.
        figures: Other figures of its cases; empty while they are not made.
    """

    run: str
    settings: Settings
    dataset: Identity
    fold: int
    regime: Regime
    cases: tuple[CaseRow, ...]
    validation: ValidationDice | None = None
    folder: Path | None = None
    epochs: tuple[Epoch, ...] = ()
    duplicates: tuple[Crossing, ...] = ()
    tried: frozenset[str] = frozenset()
    table: CaseTable = dataclasses.field(default_factory=CaseTable)
    figures: tuple[CaseFigures, ...] = ()

    @property
    def config(self) -> Config:
        """The numbers of its run."""
        return self.settings.config

    @property
    def seed(self) -> int:
        """Seed of its run."""
        return self.config.seed

    @property
    def has_learned(self) -> bool:
        """Whether it beats constant masks, as far as is known."""
        return self.validation is None or self.validation.has_learned

    @property
    def stage(self) -> str:
        """The stage that has made it, and its folder below the run's."""
        return f"fold-{self.fold}/{self.regime.folder_name}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """All that is finished in a run folder.

    Attributes:
        unets: The finished U-Nets of all regimes, by fold and in the order of tables.
        table: Patients and groups of its cases.
        unlabelled: The images without masks, with the hashes of their content.
        remarks: Problems with the data or in the trainings behind them.
        tried: Cases on which settings were tried.
    """

    root: Path
    settings: Settings
    cases: CaseHashes
    folds: tuple[Fold, ...]
    unets: tuple[FinishedUNet, ...] = ()
    remarks: tuple[Remark, ...] = ()
    machines: MachineLog = dataclasses.field(default_factory=MachineLog)
    timings: Timings = dataclasses.field(default_factory=dict)
    table: CaseTable = dataclasses.field(default_factory=CaseTable)
    tried: frozenset[str] = frozenset()
    unlabelled: CaseHashes = dataclasses.field(default_factory=dict)

    @property
    def config(self) -> Config:
        """All numbers."""
        return self.settings.config

    def fold(self, number: int) -> Fold:
        """Return one fold.

        Raises:
            InputError: There is no such fold.
        """
        for fold in self.folds:
            if fold.number == number:
                return fold
        raise InputError(f"{self.root / SPLITS}: has no fold {number}")

    def fold_folder(self, number: int) -> Path:
        """Folder of one fold."""
        return self.root / f"fold-{number}"

    def attempts(self, stage: str) -> list[tuple[Attempt, MachineFacts]]:
        """Return the attempts at a stage, each with its machine."""
        found = self.machines.stages.get(stage, ())
        return [(attempt, self.machines.machines[attempt.machine]) for attempt in found]

    def training_ids(self, number: int) -> tuple[str, ...]:
        """The cases that networks of a fold may learn from."""
        return self.fold(number).training_ids(reduced=self.config.reduced)

    def unlabelled_ids(self, number: int) -> tuple[str, ...]:
        """The images without masks that the generator of a fold learns from."""
        if not self.config.gan.unlabelled:
            return ()
        fold = self.fold(number)
        held_out = *fold.validation, *fold.test
        images = of_other_patients(self.unlabelled, held_out, self.table)
        return *self._unused(number), *images

    def held_out_ids(self, number: int) -> tuple[str, ...]:
        """The cases that neither a generator nor an ensemble of a fold has seen.

        Test cases are not among them.
        """
        unused = () if self.config.gan.unlabelled else self._unused(number)
        return *self.fold(number).validation, *unused

    def _unused(self, number: int) -> tuple[str, ...]:
        kept = {*self.training_ids(number)}
        return tuple(each for each in self.fold(number).training if each not in kept)

    @property
    def regime_unets(self) -> tuple[FinishedUNet, ...]:
        """Those that tables compare: of all training cases, or none, and whole sets.

        `train-unet` trains others too, learning curves those of fewer cases than their
        generator has; and a budget may be one no more.
        """
        count = self.config.synthesis.count
        return tuple(
            unet
            for unet in self.unets
            if unet.regime.n_real in (0, self._most_real(unet))
            and unet.regime.n_synthetic in (0, count)
            and unet.regime.steps in budget_names(self.config)
        )

    def _most_real(self, unet: FinishedUNet) -> int:
        fold, n_training = self.fold(unet.fold), len(self.training_ids(unet.fold))
        n_validation, n_all = len(fold.validation), len(fold.training)
        baseline = unet.regime.baseline
        return most_real(baseline, n_training, n_validation, n_all - n_training)
