"""What an experiment works on: cases, their split, and the run folder.

Paper: IV-A. No TensorFlow, so that errors here are reported before it is imported.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from tfgansynth.config import Config
from tfgansynth.data.dataset import Dataset, Identity, case_hashes
from tfgansynth.data.duplicates import (
    Crossing,
    DuplicatePair,
    across_split,
    find_duplicates,
)
from tfgansynth.data.held_out import FoldCases, select_fold
from tfgansynth.data.loading import load_directory, load_phantoms
from tfgansynth.data.splits import Fold, make_folds
from tfgansynth.errors import InputError
from tfgansynth.experiment import superseded
from tfgansynth.experiment.graph import Plan, Splits
from tfgansynth.experiment.plan import RequestOf, plan
from tfgansynth.experiment.run_folder import Run
from tfgansynth.records import converter
from tfgansynth.records.runs import Split


@dataclasses.dataclass(frozen=True, slots=True)
class Experiment:
    """A run on a data set, split into folds.

    Attributes:
        run: The run folder and its configuration.
        splits: Its cases, split.
        ids: The same split by case id.
        cases: Hash of each case's content by case id.
    """

    run: Run
    splits: Splits
    ids: tuple[Fold, ...]
    cases: Mapping[str, str]

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
        return self.splits.some([number])[0]

    def plan(self, numbers: Sequence[int] | None, request: RequestOf) -> Plan:
        """Plan what is wanted of some folds, all for None; see `plan.plan`."""
        return plan(self.config, self.splits, numbers, request)

    def open(self) -> "Experiment":
        """Create the run folder, or continue in it, as the only process that does.

        Finished work of other settings is kept aside, see `superseded`.

        Returns:
            The experiment, whose run holds the folder's lock.

        Raises:
            InputError: The folder belongs to other data, another split or other
                networks, another process works in it, or it cannot be written.
            OSError: The disk is full.
        """
        run = self.run.open(self.cases)
        print(f"RUN: {run.root}")
        _record_split(run, self.ids)
        superseded.bring_up_to_date(run, self.splits)
        return dataclasses.replace(self, run=run)


@dataclasses.dataclass(frozen=True, slots=True)
class ExperimentData:
    """A data set, loaded and searched for duplicates, for one experiment or several.

    Attributes:
        dataset: Its cases.
        cases: Hash of each case's content by case id.
        duplicates: Those of the same picture.
    """

    dataset: Dataset
    cases: Mapping[str, str]
    duplicates: Sequence[DuplicatePair]

    def experiment(self, config: Config, out: Path) -> Experiment:
        """Split the cases and check the split; touches no file. Paper: IV-A.

        Data and target of the configuration must be those loaded.

        Raises:
            InputError: There are too few cases, or duplicates across the split.
        """
        dataset = self.dataset
        folds = make_folds(dataset.case_ids, config.data, config.seed)
        if config.reduced and len(folds[0].training) < config.data.n_reduced:
            raise InputError(
                f"--reduced: a fold has only {len(folds[0].training)} training cases, "
                f"{config.data.n_reduced} are to be drawn: lower --data.n-reduced"
            )
        crossings = _crossings(self.duplicates, folds, config)
        root = out / Run.folder_name(dataset.name, config)
        opened = [select_fold(dataset, fold, reduced=config.reduced) for fold in folds]
        return Experiment(
            run=Run(root, config),
            splits=Splits(dataset.identity, tuple(opened), crossings),
            ids=folds,
            cases=self.cases,
        )


def load_experiment_data(config: Config, data: Path | None) -> ExperimentData:
    """Load the cases of a folder, or the built-in phantoms; search for duplicates.

    Raises:
        InputError: The data do not fit.
    """
    if data is None:
        print(
            f"DATA: {config.data.phantoms} built-in PHANTOMS, procedural images and "
            "not patients; --data DIR takes real ones"
        )
        dataset = load_phantoms(
            config.data.phantoms,
            config.data.phantom_seed,
            config.lungs,
            config.data.size,
            soft_masks=config.data.soft_masks,
        )
    else:
        dataset = load_directory(
            data,
            config.lungs,
            config.data.size,
            soft_masks=config.data.soft_masks,
            allow_duplicates=config.allow_duplicates,
        )
        print(f"DATA: {len(dataset.cases)} cases in {data}")
    images = {case.case_id: case.image for case in dataset.cases}
    return ExperimentData(dataset, case_hashes(dataset.cases), find_duplicates(images))


def _crossings(
    duplicates: Sequence[DuplicatePair], folds: tuple[Fold, ...], config: Config
) -> tuple[Crossing, ...]:
    """Return the duplicates that lie across the split; refuse them if not allowed."""
    crossings = across_split(duplicates, folds)
    if not crossings:
        return ()
    n_others = len({crossing.pair for crossing in crossings}) - 1
    found = f"{crossings[0]}{f', and {n_others} more' if n_others else ''}"
    if not config.allow_duplicates:
        raise InputError(
            f"{found}: the test would meet what was trained on (--seed {config.seed}): "
            "remove one of each pair, or continue with --allow-duplicates"
        )
    print(f"DUPLICATES ACROSS THE SPLIT, allowed: {found}")
    return crossings


def _record_split(run: Run, folds: tuple[Fold, ...]) -> None:
    """Write the split, or make sure that the run was started with the same one."""
    split = Split(folds)
    if not run.splits_path.exists():
        converter.write(run.splits_path, split)
    elif converter.read(run.splits_path, Split) != split:
        raise InputError(
            f"{run.splits_path}: is not the split of this seed and these cases, or "
            "was altered: name another --out"
        )
