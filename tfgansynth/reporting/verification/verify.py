"""Making all that a folder shows again: tables, verdicts, sets, audits, page."""

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tfgansynth.data.splits import development_cases, make_folds
from tfgansynth.errors import InputError
from tfgansynth.experiment.run_folder import Run
from tfgansynth.experiment.studies import make_trial
from tfgansynth.planning.graph import Kind
from tfgansynth.records import converter, files
from tfgansynth.records.comparisons import Comparison, Trial
from tfgansynth.records.converter import from_json, to_json
from tfgansynth.records.curves import LearningCurve, MissingPoint, for_all_counts
from tfgansynth.records.reading.run import complete, read_identity, unet_folders
from tfgansynth.records.runs import RunRecord, Split
from tfgansynth.reporting.comparisons import (
    comparison_to_markdown,
    other_figures_to_markdown,
)
from tfgansynth.reporting.curves import curve_to_markdown
from tfgansynth.reporting.html.page import render
from tfgansynth.reporting.html.study import read_study
from tfgansynth.reporting.outputs import (
    comparison_of,
    curve_of_runs,
    plans_of,
    read_curve_runs,
    table_of,
)
from tfgansynth.reporting.tables import table_to_csv, table_to_markdown
from tfgansynth.reporting.verification.differences import Differences
from tfgansynth.reporting.verification.recompute import (
    Truths,
    compare_constants,
    compare_with_tests,
    reassess,
    recount,
    remeasure,
)
from tfgansynth.reporting.verification.stages import (
    Stages,
    compare_stages,
    identity_of,
    plan_again,
)
from tfgansynth.runtime import storage

_SEEDS = re.compile(r"-seeds(\d+)-(\d+)")
_MOST_SEEDS = 1000


def verify(root: Path, rounding: float = 0.0) -> Differences:
    """Make every number of a run's, a study's or a learning curve's results again.

    The runs of a study lie beside its folder, those of a curve below it. Numbers whose
    relative difference is at most `rounding` are equal.

    Raises:
        InputError: It is no such folder, or has links.
    """
    root = root.resolve()
    storage.require_own_files(root)
    curves = sorted(root.glob(f"{files.CURVE}*.json"))
    has_comparison = (root / files.COMPARISON).is_file()
    if not has_comparison and not curves:
        raise InputError(
            f"{root}: has no {files.COMPARISON} and no {files.CURVE}.json: name the "
            "folder that run-table, run-curve or merge-results named at its end"
        )
    verification = _Verification(root, rounding)
    if has_comparison:
        verification.comparison(root / files.COMPARISON)
    for path in curves:
        verification.curve(path)
    verification.tables()
    verification.trials()
    verification.stages()
    if (root / files.REPORT).is_file():
        verification.page(root / files.REPORT)
    return verification.differences


def verified_runs(root: Path) -> list[RunRecord]:
    """Make the results of a run, a study or learning curves again, and return them.

    Raises:
        InputError: It is no such folder, or something in it is not as made again.
    """
    root = root.resolve()
    curves = sorted(root.glob(f"{files.CURVE}*.json"))
    if not (root / files.COMPARISON).is_file() and not curves:
        raise InputError(
            f"{root}: has no {files.COMPARISON} and no {files.CURVE}.json: name the "
            "folder that run-table or run-curve named at its end"
        )
    verification = _Verification(root, rounding=0.0)
    if curves:
        runs = [run for path in curves for run in verification.curve(path)]
        runs = [*{run.root: run for run in runs}.values()]
    else:
        runs = verification.comparison(root / files.COMPARISON)
    verification.tables()
    verification.stages()
    if lines := verification.differences.lines:
        raise InputError(
            f"{root}: is not what its predictions give ({lines[0]}): "
            f"verify {root} lists all"
        )
    return runs


def verify_comparison(folder: Path, made: Comparison, found: Differences) -> None:
    """Compare what a folder has of a comparison with the same, made again."""
    with found.reading(path := folder / files.COMPARISON):
        found.compare(path, "", storage.read_record(path), to_json(made))
    with found.reading(path := folder / files.COMPARISON_TEXT):
        found.compare_text(path, comparison_to_markdown(made))
    path, other = folder / files.OTHER_FIGURES, other_figures_to_markdown(made)
    if other:
        with found.reading(path):
            found.compare_text(path, other)
    elif path.exists():
        found.fault(path, "shows figures that no U-Net has: remove it")


def verify_curve(
    path: Path, stored: dict[str, Any], made: LearningCurve | None, found: Differences
) -> None:
    """Compare a learning curve, and its text, with the same, made again."""
    again = to_json(made) if made else None
    if again and "differences" in stored:
        found.notes.append(
            f"{path.name}: is of an earlier version, without verdicts: its differences "
            "and remarks are not compared; run-curve or merge-results writes it anew"
        )
        later = {"differences", "comparisons", "plans", "plan_note", "remarks"}
        stored, again = (
            {name: value for name, value in each.items() if name not in later}
            for each in (stored, again)
        )
    elif made:
        text = path.with_suffix(".md")
        with found.reading(text):
            found.compare_text(text, curve_to_markdown(made))
    found.compare(path, "", stored, again)


class _Verification:
    """One pass over the files of some runs that measures each U-Net but once."""

    def __init__(self, root: Path, rounding: float) -> None:
        self._root = root
        self._is_run = (root / files.CONFIG).exists()
        # A study names runs that lie beside it, a curve those below it.
        is_study = (root / files.COMPARISON).exists() and not self._is_run
        self._base = root.parent if is_study else root
        self.differences = Differences(self._base, rounding)
        self._runs: dict[Path, RunRecord] = {}
        self._truths: Truths = {}

    def comparison(self, path: Path) -> list[RunRecord]:
        """Make verdicts again from the runs that a comparison names; return these."""
        with self.differences.reading(path):
            stored = storage.read_record(path)
            runs = [self._named_run(name) for name in stored["runs"]]
            self._compare_settings(runs)
            self._name_left_out(runs, path)
            made = comparison_of(runs, plans_of(path.parent))
            if made is None:
                raise InputError("without any finished U-Net")
            verify_comparison(path.parent, made, self.differences)
            return runs
        return []

    def _name_left_out(self, runs: Sequence[RunRecord], path: Path) -> None:
        """Name finished runs, U-Nets and folds that a comparison is without."""
        roots = {run.root for run in runs}
        if not self._is_run and runs and runs[0].unets:
            name, config = runs[0].unets[0].dataset.name, runs[0].config
            found = _SEEDS.search(self._root.name)
            seeds = [*map(int, found.groups())] if found else []
            seeds += [run.config.seed for run in runs]
            for seed in range(min(seeds), max(seeds) + 1)[:_MOST_SEEDS]:
                each = dataclasses.replace(config, seed=seed)
                root = self._base / Run.folder_name(name, each)
                if root not in roots and any(unet_folders(root)):
                    self.differences.fault(path, f"is without the run {root.name}")
        for run in runs:
            others = {unet.folder for unet in run.unets}
            others -= {unet.folder for unet in run.regime_unets}
            places = [folder.relative_to(run.root) for folder in others if folder]
            left_out = {place.as_posix(): "other counts or budget" for place in places}
            for name in run.timings:
                stage = "/".join(name.split("/")[:2])
                if "/unet-" in stage and not (run.root / stage).exists():
                    left_out[stage] = "trained, and gone since"
            for stage, why in sorted(left_out.items()):
                place = f"{run.root.name}/{stage}"
                self.differences.notes.append(f"{place}: is not compared ({why})")

    def curve(self, path: Path) -> list[RunRecord]:
        """Make all points of a learning curve again, and return the runs below."""
        with self.differences.reading(path):
            stored = storage.read_record(path)
            runs = read_curve_runs(self._base, self._run)
            self._compare_settings(runs)
            missing = from_json(tuple[MissingPoint, ...], stored["missing"], path)
            plans = plans_of(path.parent)
            made = curve_of_runs(runs, stored["generator_of"], missing, plans)
            verify_curve(path, stored, made, self.differences)
            return runs
        return []

    def tables(self) -> None:
        """Make the table of each run again."""
        for root, run in sorted(self._runs.items()):
            path = root / files.TABLE
            with self.differences.reading(path):
                _require_complete(run)
                made = table_of(run)
                if made is None and not path.exists():
                    continue
                if made is None:
                    raise InputError("without any U-Net of the paper's regimes")
                stored = storage.read_record(path)
                self.differences.compare(path, "", stored, to_json(made))
                sheet, text = root / files.TABLE_SHEET, root / files.TABLE_TEXT
                self.differences.compare_csv(sheet, table_to_csv(made))
                self.differences.compare_text(text, table_to_markdown(made))

    def trials(self) -> None:
        """Make the trial of each fold again; times are taken as recorded."""
        for root, run in sorted(self._runs.items()):
            for path in sorted(root.glob(f"fold-*/{files.TRIAL}")):
                with self.differences.reading(path):
                    _require_complete(run)
                    stored = converter.read(path, Trial)
                    names = [each.folder for each in stored.comparison.unets]
                    made = make_trial(run, stored.fold, names, stored.seconds)
                    self.differences.compare(path, "", to_json(stored), to_json(made))

    def stages(self) -> None:
        """Compare all stages with the plan made again; make sets and assessments."""
        for root, run in sorted(self._runs.items()):
            with self.differences.reading(root / files.CONFIG):
                stages = plan_again(run)
                compare_stages(run, stages, self.differences)
                for stage in stages.values():
                    if stage.kind == Kind.SET and (root / stage.name).exists():
                        self._set(run, stages, stage.name)

    def page(self, path: Path) -> None:
        """Write the report's page once more."""
        with self.differences.reading(path):
            self.differences.compare_page(path, render(read_study(path.parent)))

    def _named_run(self, name: Any) -> RunRecord:
        """The run of this name; a run's own comparison has no other."""
        if self._is_run:
            return self._run(self._root, str(name))
        parts = Path(str(name)).parts
        if not parts or any(part in ("/", "..") for part in parts):
            raise InputError(f"{self._base}: {name} is no folder below it")
        return self._run(self._base.joinpath(*parts), str(name))

    def _run(self, root: Path, name: str) -> RunRecord:
        """Read a run, split its cases and measure its U-Nets again."""
        if root not in self._runs:
            run, path = read_identity(root), root / files.SPLITS
            ids, numbers = sorted(run.cases), run.config.data
            folds = make_folds(ids, run.config, run.table)
            left_out = development_cases(ids, numbers.n_development, run.table)
            stored = storage.read_record(path)
            self.differences.compare(path, "", stored, to_json(Split(folds, left_out)))
            run = dataclasses.replace(run, folds=folds)
            unets = []
            for folder in unet_folders(root):
                with self.differences.reading(folder):
                    unets.append(
                        remeasure(run, name, folder, self._truths, self.differences)
                    )
            self._runs[root] = complete(run, unets)
            compare_constants(run, unets, self._truths, self.differences)
        return self._runs[root]

    def _compare_settings(self, runs: Sequence[RunRecord]) -> None:
        """Compare what must be the same in all runs: data, and all but the seed."""
        for run in runs:
            _require_complete(run)
        first, *others = runs
        for run in others:
            path = run.root / files.CONFIG
            pair = _common_settings(run), _common_settings(first)
            self.differences.compare(path, "config", *pair)
            if run.unets and first.unets:
                data = first.unets[0].dataset
                own = identity_of(run, data)
                self.differences.compare(path, "dataset", to_json(own), to_json(data))

    def _set(self, run: RunRecord, stages: Stages, name: str) -> None:
        """Count a set again, and make its assessment again."""
        with self.differences.reading(run.root / name):
            pairs = recount(run, stages, stages[name], self.differences)
            compare_with_tests(run, run.root / name, pairs, self.differences)
            for stage in stages.values():
                folder = run.root / stage.name
                is_its_own = stage.kind == Kind.ASSESSMENT and stage.needs[0] == name
                if is_its_own and folder.exists():
                    with self.differences.reading(folder):
                        reassess(run, stage, pairs, self.differences)


def _require_complete(run: RunRecord) -> None:
    """Raise where a U-Net of a run could not be measured again."""
    measured = {unet.folder for unet in run.unets}
    for folder in unet_folders(run.root):
        if folder not in measured:
            place = folder.relative_to(run.root).as_posix()
            raise InputError(f"without {place}")


def _common_settings(run: RunRecord) -> Any:
    config = dataclasses.replace(for_all_counts(run.config), seed=0)
    return to_json(dataclasses.replace(run.settings, config=config))
