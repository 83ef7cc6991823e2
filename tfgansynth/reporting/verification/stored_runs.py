"""A run as its folder tells of it: settings, cases, split; and whether these fit."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfgansynth.config import Config
from tfgansynth.config_checks import config_from_json
from tfgansynth.data.dataset import Identity, Layout, hash_of_all
from tfgansynth.data.splits import Fold, folds_from_json, folds_to_json, make_folds
from tfgansynth.errors import InputError
from tfgansynth.reporting.verification.findings import Findings
from tfgansynth.runtime import storage

CONFIG, CASES, SPLITS = "config.json", "cases.json", "splits.json"


@dataclasses.dataclass(frozen=True, slots=True)
class StoredRun:
    """A run folder without its data.

    Attributes:
        root: The run folder.
        config: The run's settings.
        cases: Hash of each case's content by case id.
        folds: The split.
    """

    root: Path
    config: Config
    cases: Mapping[str, str]
    folds: tuple[Fold, ...]

    def fold(self, number: int) -> Fold:
        """Return one fold.

        Raises:
            InputError: There is no such fold.
        """
        for fold in self.folds:
            if fold.number == number:
                return fold
        raise InputError(f"{self.root / SPLITS}: has no fold {number}")

    def training_ids(self, number: int) -> tuple[str, ...]:
        """The cases that networks of a fold may learn from."""
        return self.fold(number).training_ids(reduced=self.config.reduced)

    def fold_folder(self, number: int) -> Path:
        """Folder of one fold."""
        return self.root / f"fold-{number}"

    def identity(
        self, recorded: Mapping[str, Any], *, is_paper_data: bool = False
    ) -> Identity:
        """Which data set it is: by its cases, and by name as recorded."""
        layout: Layout = "folder"
        if recorded["is_phantom"]:
            layout = "phantom"
        elif is_paper_data:
            layout = "jsrt"
        hashes = dict(sorted(self.cases.items()))
        return Identity(recorded["name"], layout, len(hashes), hash_of_all(hashes))


def read_run(root: Path) -> StoredRun:
    """Read what a run folder says of itself.

    Raises:
        InputError: It is no run folder, or was altered.
        LookupError: A record is not of this program.
    """
    config = storage.read_record(root / CONFIG)["config"]
    return StoredRun(
        root=root,
        config=config_from_json(config),
        cases=storage.read_record(root / CASES)["cases"],
        folds=folds_from_json(storage.read_record(root / SPLITS)),
    )


def recompute_split(run: StoredRun, findings: Findings) -> None:
    """Split the cases once more, by the run's seed."""
    folds = make_folds(sorted(run.cases), run.config.data, run.config.seed)
    findings.compare(
        run.root / SPLITS,
        "",
        storage.read_record(run.root / SPLITS),
        folds_to_json(folds),
    )


def child(folder: Path, name: Any) -> Path:
    """A path below a folder that a record names.

    Raises:
        InputError: It leads elsewhere.
    """
    parts = Path(str(name)).parts
    if not parts or any(part in ("/", "..") for part in parts):
        raise InputError(f"{folder}: {name} is no folder below it")
    return folder.joinpath(*parts)
