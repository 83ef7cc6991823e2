"""What an experiment works on: cases, their split, and the run folder.

Paper: IV-A. No TensorFlow, so that whatever is wrong here is said at once.
"""

import dataclasses
from collections.abc import Sequence
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
from tfgansynth.data.splits import Fold, folds_from_json, folds_to_json, make_folds
from tfgansynth.errors import InputError, name_few
from tfgansynth.experiment.run_folder import Run
from tfgansynth.runtime import storage


@dataclasses.dataclass(frozen=True, slots=True)
class Experiment:
    """A run on a data set, split into folds.

    Attributes:
        run: The run folder and its configuration.
        data: Which data set it is.
        folds: Its cases, split; the test cases under seal.
        duplicates: Cases of the same picture that lie across the split, as allowed.
    """

    run: Run
    data: Identity
    folds: tuple[FoldCases, ...]
    duplicates: tuple[Crossing, ...] = ()

    @property
    def duplicates_remark(self) -> tuple[str, ...]:
        """What every result says of duplicates that were allowed; empty if none."""
        if not self.duplicates:
            return ()
        pairs = list(dict.fromkeys(crossing.pair for crossing in self.duplicates))
        return (
            f"{len(pairs)} duplicates across the split were allowed "
            f"(--allow-duplicates): {name_few([str(pair) for pair in pairs])}",
        )

    @property
    def config(self) -> Config:
        """The configuration of the run."""
        return self.run.config

    def fold(self, number: int) -> FoldCases:
        """Return one fold.

        Raises:
            InputError: There is no such fold.
        """
        if not 1 <= number <= len(self.folds):
            raise InputError(f"--fold {number}: expected 1 to {len(self.folds)}")
        return self.folds[number - 1]

    def some_folds(self, numbers: Sequence[int] | None) -> list[FoldCases]:
        """Return the folds of these numbers, each once, ascending; all for none.

        Raises:
            InputError: There is no such fold.
        """
        if not numbers:
            return list(self.folds)
        return [self.fold(number) for number in sorted(set(numbers))]


@dataclasses.dataclass(frozen=True, slots=True)
class ExperimentData:
    """A data set, loaded and looked through, for one experiment or several.

    Attributes:
        dataset: Its cases.
        duplicates: Those of the same picture.
    """

    dataset: Dataset
    duplicates: Sequence[DuplicatePair]

    def experiment(self, config: Config, out: Path) -> Experiment:
        """Split the cases and open the run folder. Paper: IV-A.

        Args:
            config: The experiment's numbers; data and target are those loaded.
            out: Takes the run folder.

        Raises:
            InputError: The cases' number or the run folder do not fit.
        """
        dataset = self.dataset
        # Before the run folder: what cannot be split must not leave one behind.
        folds = make_folds(dataset.case_ids, config.data, config.seed)
        if config.reduced and len(folds[0].training) < config.data.n_reduced:
            raise InputError(
                f"--reduced: a fold has only {len(folds[0].training)} training cases, "
                f"{config.data.n_reduced} are to be drawn: lower --data.n-reduced"
            )
        crossings = _crossings(self.duplicates, folds, allowed=config.allow_duplicates)
        run = Run.open(
            out, config, dataset_name=dataset.name, cases=case_hashes(dataset.cases)
        )
        print(f"RUN: {run.root}")
        _record_split(run, folds)
        opened = [select_fold(dataset, fold, reduced=config.reduced) for fold in folds]
        return Experiment(run, dataset.identity, tuple(opened), crossings)


def open_experiment(config: Config, data: Path | None, out: Path) -> Experiment:
    """Load the cases, split them, and open the run folder. Paper: IV-A.

    Args:
        config: The experiment's numbers.
        data: Folder of the data set; None takes the built-in phantoms.
        out: Takes the run folder.

    Raises:
        InputError: The data, their number or the run folder do not fit.
    """
    return load_experiment_data(config, data).experiment(config, out)


def load_experiment_data(config: Config, data: Path | None) -> ExperimentData:
    """Load the cases and look for duplicates among them.

    Args:
        config: The experiment's numbers.
        data: Folder of the data set; None takes the built-in phantoms.

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
    return ExperimentData(dataset, find_duplicates(images))


def _crossings(
    duplicates: Sequence[DuplicatePair], folds: tuple[Fold, ...], *, allowed: bool
) -> tuple[Crossing, ...]:
    """Return the duplicates that lie across the split, if that is allowed.

    Raises:
        InputError: There are some, and it is not.
    """
    crossings = across_split(duplicates, folds)
    if not crossings:
        return ()
    n_others = len({crossing.pair for crossing in crossings}) - 1
    found = f"{crossings[0]}{f', and {n_others} more' if n_others else ''}"
    if not allowed:
        raise InputError(
            f"{found}: the test would meet what was trained on: remove one of each "
            "pair, or go on with --allow-duplicates"
        )
    print(f"DUPLICATES ACROSS THE SPLIT, allowed: {found}")
    return crossings


def _record_split(run: Run, folds: tuple[Fold, ...]) -> None:
    """Write the split, or make sure that the run was begun with the same one."""
    if not run.splits_path.exists():
        storage.write_record(run.splits_path, folds_to_json(folds))
    elif folds_from_json(storage.read_record(run.splits_path)) != folds:
        raise InputError(
            f"{run.splits_path}: is not the split of this seed and these cases, or "
            "was altered: name another --out"
        )
