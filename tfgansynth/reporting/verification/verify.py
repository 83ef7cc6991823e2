"""Making all that a folder shows again: tables, verdicts, sets, audits, page."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tfgansynth.data.splits import make_folds
from tfgansynth.errors import InputError
from tfgansynth.records.converter import from_json, to_json
from tfgansynth.records.curves import MissingPoint
from tfgansynth.records.files import (
    COMPARISON,
    COMPARISON_TEXT,
    CONFIG,
    CURVE,
    REPORT,
    SPLITS,
    TABLE,
    TABLE_SHEET,
    TABLE_TEXT,
)
from tfgansynth.records.reading import complete, read_identity, unet_folders
from tfgansynth.records.regimes import assessment_name, set_names
from tfgansynth.records.runs import RunRecord, Split
from tfgansynth.reporting.comparisons import comparison_to_markdown
from tfgansynth.reporting.html.page import render
from tfgansynth.reporting.html.study import read_study
from tfgansynth.reporting.outputs import (
    comparison_of,
    curve_of_runs,
    read_curve_runs,
    table_of,
)
from tfgansynth.reporting.tables import table_to_csv, table_to_markdown
from tfgansynth.reporting.verification.assessments import reassess
from tfgansynth.reporting.verification.differences import Differences
from tfgansynth.reporting.verification.sets import recount
from tfgansynth.reporting.verification.unets import Truths, identity_of, remeasure
from tfgansynth.runtime import storage


def verify(root: Path, rounding: float = 0.0) -> Differences:
    """Make every number of a run's or a study's results again.

    Args:
        root: Folder of a run, of a study of several runs beside it, or of a learning
            curve with its runs below it.
        rounding: Numbers whose relative difference is at most this are equal.

    Raises:
        InputError: It is no such folder.
    """
    root = root.resolve()
    curves = sorted(root.glob(f"{CURVE}*.json"))
    has_comparison = (root / COMPARISON).is_file()
    if not has_comparison and not curves:
        raise InputError(
            f"{root}: has no {COMPARISON} and no {CURVE}.json: name the folder that "
            "run-table, run-curve or merge-results named at its end"
        )
    verification = _Verification(root, rounding)
    if has_comparison:
        verification.comparison(root / COMPARISON)
    for path in curves:
        verification.curve(path)
    verification.tables()
    verification.sets()
    if (root / REPORT).is_file():
        verification.page(root / REPORT)
    return verification.differences


def verified_runs(root: Path) -> list[RunRecord]:
    """Make the results of a run or a study again, and return what was made.

    Args:
        root: Folder of a run, or of a study of several runs beside it.

    Raises:
        InputError: It is no such folder, or something in it is not as made again.
    """
    root = root.resolve()
    if not (root / COMPARISON).is_file():
        raise InputError(
            f"{root}: has no {COMPARISON}: name the folder that run-table named at "
            "its end"
        )
    verification = _Verification(root, rounding=0.0)
    runs = verification.comparison(root / COMPARISON)
    verification.tables()
    verification.sets()
    if lines := verification.differences.lines:
        raise InputError(
            f"{root}: is not what its predictions give ({lines[0]}): "
            f"verify {root} lists all"
        )
    return runs


class _Verification:
    """One pass over the files of some runs that measures each U-Net but once."""

    def __init__(self, root: Path, rounding: float) -> None:
        self._root = root
        # A study names runs that lie beside it, a curve those below it.
        is_study = (root / COMPARISON).exists() and not (root / CONFIG).exists()
        self._base = root.parent if is_study else root
        self.differences = Differences(self._base, rounding)
        self._runs: dict[Path, RunRecord] = {}
        self._failed: dict[Path, list[Path]] = {}
        self._truths: Truths = {}

    def comparison(self, path: Path) -> list[RunRecord]:
        """Make the tables and verdicts again from the runs that a comparison names.

        Returns:
            The runs as made again; none where they cannot be.
        """
        with self.differences.reading(path):
            stored = storage.read_record(path)
            runs = [self._named_run(name) for name in stored["runs"]]
            self._require_complete(runs)
            self._compare_settings(runs)
            made = comparison_of(runs)
            if made is None:
                raise InputError("without any finished U-Net")
            self.differences.compare(path, "", stored, to_json(made))
            text = comparison_to_markdown(made)
            self.differences.compare_text(path.with_name(COMPARISON_TEXT), text)
            return runs
        return []

    def curve(self, path: Path) -> None:
        """Make all points, lines and differences of a learning curve again."""
        with self.differences.reading(path):
            stored = storage.read_record(path)
            runs = read_curve_runs(self._base, self._run)
            self._require_complete(runs)
            self._compare_settings(runs)
            missing = from_json(tuple[MissingPoint, ...], stored["missing"], path)
            made = curve_of_runs(runs, stored["generator_of"], missing)
            self.differences.compare(path, "", stored, made and to_json(made))

    def tables(self) -> None:
        """Make the table of each run again."""
        for _, run in sorted(self._runs.items()):
            self._table(run)

    def sets(self) -> None:
        """Check the sets and assessments of all folds that have U-Nets."""
        for root, run in sorted(self._runs.items()):
            for fold in sorted({path.parent for path in unet_folders(root)}):
                self._sets(run, fold)

    def page(self, path: Path) -> None:
        """Write the report's page once more."""
        with self.differences.reading(path):
            self.differences.compare_page(path, render(read_study(path.parent)))

    def _named_run(self, name: Any) -> RunRecord:
        """The run of this name; a run's own comparison has no other."""
        is_run = (self._root / CONFIG).exists()
        return self._run(self._root if is_run else child(self._base, name), str(name))

    def _run(self, root: Path, name: str) -> RunRecord:
        """Read a run, and measure its U-Nets again."""
        if root not in self._runs:
            run = read_identity(root)
            self._compare_split(run)
            unets = []
            for folder in unet_folders(root):
                self._failed.setdefault(root, []).append(folder)
                with self.differences.reading(folder):
                    unets.append(
                        remeasure(run, name, folder, self._truths, self.differences)
                    )
                    self._failed[root].remove(folder)
            self._runs[root] = complete(run, unets)
        return self._runs[root]

    def _require_complete(self, runs: Sequence[RunRecord]) -> None:
        for run in runs:
            for folder in self._failed.get(run.root, []):
                place = folder.relative_to(run.root).as_posix()
                raise InputError(f"without {place}")

    def _compare_split(self, run: RunRecord) -> None:
        """Split the cases once more, by the run's seed."""
        folds = make_folds(sorted(run.cases), run.config.data, run.config.seed)
        stored = storage.read_record(run.root / SPLITS)
        self.differences.compare(run.root / SPLITS, "", stored, to_json(Split(folds)))

    def _compare_settings(self, runs: Sequence[RunRecord]) -> None:
        """Compare what must be the same in all runs: data, and all but the seed."""
        first, *others = runs
        for run in others:
            path = run.root / CONFIG
            pair = _common_settings(run), _common_settings(first)
            self.differences.compare(path, "config", *pair)
            if run.unets and first.unets:
                data = first.unets[0].dataset
                own = identity_of(run, data)
                self.differences.compare(path, "dataset", to_json(own), to_json(data))

    def _table(self, run: RunRecord) -> None:
        path = run.root / TABLE
        with self.differences.reading(path):
            self._require_complete([run])
            made = table_of(run)
            if made is None and not path.exists():
                return
            if made is None:
                raise InputError("without any U-Net of the paper's regimes")
            stored = storage.read_record(path)
            self.differences.compare(path, "", stored, to_json(made))
            sheet, text = path.with_name(TABLE_SHEET), path.with_name(TABLE_TEXT)
            self.differences.compare_csv(sheet, table_to_csv(made))
            self.differences.compare_text(text, table_to_markdown(made))

    def _sets(self, run: RunRecord, folder: Path) -> None:
        numbers = {run.fold_folder(fold.number): fold.number for fold in run.folds}
        for kind, name in set_names().items():
            source, assessment = folder / name, folder / assessment_name(kind)
            if folder not in numbers or not source.exists():
                continue
            with self.differences.reading(source):
                fold = numbers[folder]
                pairs = recount(run, fold, kind, source, self.differences)
                if assessment.exists():
                    with self.differences.reading(assessment):
                        reassess(run, fold, assessment, source, pairs, self.differences)


def child(folder: Path, name: Any) -> Path:
    """A path below a folder that a record names.

    Raises:
        InputError: It leads elsewhere.
    """
    parts = Path(str(name)).parts
    if not parts or any(part in ("/", "..") for part in parts):
        raise InputError(f"{folder}: {name} is no folder below it")
    return folder.joinpath(*parts)


def _common_settings(run: RunRecord) -> Any:
    numbers = dataclasses.replace(run.config.data, n_reduced=1)
    config = dataclasses.replace(run.config, seed=0, data=numbers)
    return to_json(dataclasses.replace(run.settings, config=config))
