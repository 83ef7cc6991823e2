"""What a command runs: cases, their split and run folder, and the plan of each seed.

Paper: IV-A. All is planned, and thereby checked, before the first training starts; the
data are loaded once. No TensorFlow, so that errors are reported before it is imported.
"""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from tfgansynth.config import NETWORK_VERSIONS, Config
from tfgansynth.config_checks import differences
from tfgansynth.data.copies.duplicates import (
    Crossing,
    DuplicatePair,
    across_split,
    find_duplicates,
)
from tfgansynth.data.dataset import Dataset, Identity, case_hashes
from tfgansynth.data.held_out import (
    FoldCases,
    hash_fold,
    of_other_patients,
    select_fold,
)
from tfgansynth.data.loading import load_directory, load_phantoms, with_patients
from tfgansynth.data.splits import (
    Fold,
    describe_split,
    development_cases,
    few_training_cases,
    make_folds,
    validation_cases,
)
from tfgansynth.errors import InputError, counted, name_few
from tfgansynth.experiment import superseded
from tfgansynth.experiment.run_folder import Run
from tfgansynth.planning.graph import Plan, Splits
from tfgansynth.planning.plan import plan
from tfgansynth.planning.requests import RequestOf
from tfgansynth.records import converter, files
from tfgansynth.records.reading.run import read_identity
from tfgansynth.records.runs import CaseList, Source, Split
from tfgansynth.runtime.progress import remark
from tfgansynth.synthesis.rules import require_recovery


@dataclasses.dataclass(frozen=True, slots=True)
class Experiment:
    """A run on a data set, split into folds.

    `splits` has hashes of cases only, `folds` the cases, `ids` their ids, `development`
    those of no fold; `cases` has the hash of each case's content, and patients and
    groups; `source` is where they were read from.
    """

    run: Run
    splits: Splits
    folds: tuple[FoldCases, ...]
    ids: tuple[Fold, ...]
    development: tuple[str, ...]
    cases: CaseList
    source: Source

    @property
    def data(self) -> Identity:
        """Which data set it is."""
        return self.splits.data

    @property
    def config(self) -> Config:
        """The configuration of the run."""
        return self.run.config

    def fold(self, number: int) -> FoldCases:
        """Return one fold.

        Raises:
            InputError: There is no such fold.
        """
        self.splits.some([number])
        return self.folds[number - 1]

    def plan(self, numbers: Sequence[int] | None, request: RequestOf) -> Plan:
        """Plan what is wanted of some folds, all for None; see `plan.plan`."""
        return plan(self.config, self.splits, numbers, request)

    def split_lines(self) -> list[str]:
        """Say how the cases are split, and warn of few."""
        reduced = self.config.reduced
        words = describe_split(self.ids, self.cases.table, reduced=reduced)
        if self.development:
            words += f"; {len(self.development)} development cases in no fold"
        warning = few_training_cases(self.ids, reduced=reduced)
        return [f"Split: {words}", *([f"Few cases: {warning}"] if warning else [])]

    def open(self) -> "Experiment":
        """Create the run folder, or continue in it, beside others of these settings.

        Finished work of other settings is kept aside, see `superseded`.

        Returns:
            The experiment, whose run tells others of it.

        Raises:
            InputError: The folder belongs to other data, another split or other
                networks, another process with other settings works in it, or it
                cannot be written.
            OSError: The disk is full.
        """
        run = self.run.open(self.cases)
        with run.opening():
            converter.write(run.root / files.SOURCE, self.source)
            _record_split(run, Split(self.ids, self.development))
            superseded.bring_up_to_date(run, self.splits)
        return dataclasses.replace(self, run=run)


@dataclasses.dataclass(frozen=True, slots=True)
class ExperimentData:
    """A data set, loaded, hashed case by case, and searched for duplicates.

    `unlabelled` has the hashes of its images without masks; `source` is where it was
    read from. `root` is the run folder that the user has
    named; None where it lies in a given folder under its own name.
    """

    dataset: Dataset
    cases: Mapping[str, str]
    duplicates: Sequence[DuplicatePair]
    source: Source
    unlabelled: Mapping[str, str] = dataclasses.field(default_factory=dict)
    root: Path | None = None

    def experiment(self, config: Config, out: Path) -> Experiment:
        """Split the cases and check the split; touches no file. Paper: IV-A.

        Data and target of the configuration must be those loaded. The run's own has
        the number of validation cases in the place of `auto`.

        Raises:
            InputError: There are too few cases, duplicates across the split, or
                masks would be cleaned by a rule that harms real ones.
        """
        dataset = self.dataset
        ids, n_development = dataset.case_ids, config.data.n_development
        folds = make_folds(ids, config, dataset.table)
        n_validation = validation_cases(
            sum(len(fold.test) for fold in folds), config.data
        )
        data = dataclasses.replace(config.data, n_validation=n_validation)
        config = dataclasses.replace(config, data=data)
        crossings = across_split(self.duplicates, folds, self.unlabelled)
        _require_none_crosses(crossings, config)
        root = self.root or out / Run.folder_name(dataset.name, config)
        reduced = config.reduced
        cases = CaseList(self.cases, dataset.table, self.unlabelled)
        hashes = [
            hash_fold(
                fold,
                self.cases,
                reduced=reduced,
                unlabelled=self.unlabelled,
                table=dataset.table,
            )
            for fold in folds
        ]
        opened = [select_fold(dataset, fold, reduced=reduced) for fold in folds]
        for each in opened:
            require_recovery(config, each)
        return Experiment(
            run=Run(root, config, is_named=self.root is not None),
            splits=Splits(dataset.identity, tuple(hashes), crossings),
            folds=tuple(opened),
            ids=folds,
            development=development_cases(ids, n_development, dataset.table),
            cases=cases,
            source=self.source,
        )

    def development_part(self, n_development: int) -> "ExperimentData":
        """Take the development cases alone, as a data set of their own.

        Unlabelled images stay beside them, but for those of other cases' patients.

        Raises:
            InputError: There are none.
        """
        dataset = self.dataset
        ids = {*development_cases(dataset.case_ids, n_development, dataset.table)}
        table, others = dataset.table, {*dataset.case_ids} - ids
        names = [each.case_id for each in dataset.unlabelled]
        chosen = {*of_other_patients(names, others, table)}
        images = tuple(each for each in dataset.unlabelled if each.case_id in chosen)
        kept = ids | chosen
        name = f"{dataset.name}-{files.DEVELOPMENT}"
        return dataclasses.replace(
            self,
            dataset=dataclasses.replace(
                dataset,
                name=name,
                cases=tuple(case for case in dataset.cases if case.case_id in ids),
                table=table.only(kept),
                unlabelled=images,
            ),
            cases={k: v for k, v in self.cases.items() if k in ids},
            unlabelled={k: v for k, v in self.unlabelled.items() if k in kept},
            duplicates=[
                pair for pair in self.duplicates if {pair.first, pair.second} <= kept
            ],
            source=dataclasses.replace(
                self.source, name=name, n_development=n_development
            ),
        )


def load_experiment_data(
    config: Config, data: Path | None, patient_pattern: str | None = None
) -> ExperimentData:
    """Load the cases of a folder, or the built-in phantoms; search for duplicates.

    A pattern finds the patient in the name of each case; see `with_patients`.

    Raises:
        InputError: The data do not fit.
    """
    if data is None:
        remark(
            f"Data: {config.data.phantoms} built-in PHANTOMS, procedural images and "
            "not patients; --data DIR takes real ones"
        )
        dataset = load_phantoms(
            config.data.phantoms,
            config.data.phantom_seed,
            config.lungs,
            config.data.size,
            soft_masks=config.data.soft_masks,
            target=config.target,
        )
    else:
        dataset = load_directory(
            data,
            config.lungs,
            config.data.size,
            soft_masks=config.data.soft_masks,
            target=config.target,
            allow_duplicates=config.allow_duplicates,
        )
        n_images = len(dataset.unlabelled)
        more = f" and {counted(n_images, 'unlabelled image')}" if n_images else ""
        remark(f"Data: {len(dataset.cases)} cases{more} in {data}")
        for note in dataset.notes:
            remark(f"Data: {note}")
    if patient_pattern is not None:
        dataset = with_patients(dataset, patient_pattern)
    images = {case.case_id: case.image for case in dataset.cases}
    images |= {each.case_id: each.image for each in dataset.unlabelled}
    folder = None
    if data is not None:
        # A name that is no text cannot stand in JSON: it is shown, and asked for.
        folder = os.fsencode(data.absolute()).decode(errors="backslashreplace")
    source = Source(name=dataset.name, folder=folder, patient_pattern=patient_pattern)
    hashes, unlabelled = case_hashes(dataset.cases), case_hashes(dataset.unlabelled)
    found = find_duplicates(images)
    return ExperimentData(dataset, hashes, found, source, unlabelled)


def load_run_data(root: Path, config: Config, data: Path | None) -> ExperimentData:
    """Load the cases of a run, to go on in its folder.

    Args:
        root: The run folder.
        config: Its settings; those of some stages may be others.
        data: Its data set; None for the folder that the run has recorded.

    Raises:
        InputError: It is no run, or of another version; its data are not there, or
            do not fit.
    """
    run = read_identity(root)
    versions = list(differences(NETWORK_VERSIONS, run.settings.networks))
    if versions:
        raise InputError(
            f"{root}: was made by another version of this program "
            f"({name_few(versions, '; ')}): it can be shown, but not gone on with"
        )
    path = root / files.SOURCE
    source = converter.read(path, Source) if path.exists() else None
    if data is None and source and source.folder is not None:
        data = Path(source.folder)
        if not data.is_dir():
            raise InputError(
                f"{data}: the data set of {root} is not there any more: name its "
                "folder with --data"
            )
    pattern = source.patient_pattern if source else None
    loaded = load_experiment_data(config, data, pattern)
    if source and source.n_development:
        loaded = loaded.development_part(source.n_development)
    if source:
        # A folder that was renamed is still the same data set.
        dataset = dataclasses.replace(loaded.dataset, name=source.name)
        now = dataclasses.replace(loaded.source, name=source.name)
        loaded = dataclasses.replace(loaded, dataset=dataset, source=now)
    return dataclasses.replace(loaded, root=root)


def _require_none_crosses(crossings: Sequence[Crossing], config: Config) -> None:
    """Refuse duplicates that lie across the split, if they are not allowed."""
    if not crossings:
        return
    n_others = len({crossing.pair for crossing in crossings}) - 1
    found = f"{crossings[0]}{f', and {n_others} more' if n_others else ''}"
    if not config.allow_duplicates:
        raise InputError(
            f"{found}: the test would meet what was trained on (--seed {config.seed}): "
            "remove one of each pair, or continue with --allow-duplicates"
        )
    remark(f"Duplicates across the split, allowed: {found}")


def _record_split(run: Run, split: Split) -> None:
    """Write the split, or make sure that the run was started with the same one."""
    if not run.splits_path.exists():
        converter.write(run.splits_path, split)
    elif converter.read(run.splits_path, Split) != split:
        raise InputError(
            f"{run.splits_path}: is not the split of this seed and these cases, or "
            "was altered: name another --out"
        )
