"""Recomputing all that a run or a study shows: tables, verdicts, sets, audits, page."""

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tfgansynth.arrays import FloatArray, MaskArray
from tfgansynth.config import Config
from tfgansynth.data.dataset import Identity
from tfgansynth.errors import InputError
from tfgansynth.evaluation import tables
from tfgansynth.evaluation.curves import missing_from_json
from tfgansynth.evaluation.evidence import evidence_to_markdown
from tfgansynth.experiment.paths import PROVENANCE
from tfgansynth.experiment.regimes import paper_regimes
from tfgansynth.experiment.results import (
    CURVE,
    EVIDENCE,
    EVIDENCE_TEXT,
    TABLE,
    TABLE_SHEET,
    TABLE_TEXT,
    UNetResult,
    curve_of,
    curve_record,
    evidence_record,
    paper_table,
    table_record,
    weigh_results,
)
from tfgansynth.reporting.html.page import REPORT, render
from tfgansynth.reporting.html.study import read_study
from tfgansynth.reporting.verification.assessments import recompute_assessment
from tfgansynth.reporting.verification.findings import Findings
from tfgansynth.reporting.verification.sets import OWN_SETS, recompute_set
from tfgansynth.reporting.verification.stored_runs import (
    CONFIG,
    StoredRun,
    child,
    read_run,
    recompute_split,
)
from tfgansynth.reporting.verification.unets import Truths, recompute_unet
from tfgansynth.runtime import storage


def verify(root: Path, rounding: float = 0.0) -> Findings:
    """Recompute every number of a run's or a study's results.

    Args:
        root: Folder of a run, of a study of several runs beside it, or of a learning
            curve with its runs below it.
        rounding: Numbers whose relative difference is at most this are equal.

    Raises:
        InputError: It is no such folder.
    """
    root = root.resolve()
    curves = sorted(root.glob(f"{CURVE}*.json"))
    has_evidence = (root / EVIDENCE).is_file()
    if not has_evidence and not curves:
        raise InputError(
            f"{root}: has no {EVIDENCE} and no {CURVE}.json: name the folder that "
            "tools/run_table.py, run_curve.py or pool_results.py named at its end"
        )
    recomputation = _Recomputation(root, rounding)
    if has_evidence:
        recomputation.evidence(root / EVIDENCE)
    for path in curves:
        recomputation.curve(path)
    recomputation.rest()
    if (root / REPORT).is_file():
        recomputation.page(root / REPORT)
    return recomputation.findings


@dataclasses.dataclass(frozen=True, slots=True)
class VerifiedResults:
    """The rows of a run or a study, each number recomputed and found as stored.

    Attributes:
        unets: In the order of the evidence.
        data: The data set of all runs.
        remarks: What went amiss on the way.
        runs: The runs by the names that the U-Nets have for them.
    """

    unets: tuple[UNetResult, ...]
    data: Identity
    remarks: tuple[str, ...]
    runs: Mapping[str, StoredRun]


def verified_results(root: Path) -> VerifiedResults:
    """Recompute the rows, sets and assessments of a run or a study, and return them.

    Args:
        root: Folder of a run, or of a study of several runs beside it.

    Raises:
        InputError: It is no such folder, or something in it is not as recomputed.
    """
    root = root.resolve()
    if not (root / EVIDENCE).is_file():
        raise InputError(
            f"{root}: has no {EVIDENCE}: name the folder that tools/run_table.py named "
            "at its end"
        )
    recomputation = _Recomputation(root, rounding=0.0)
    results = recomputation.evidence(root / EVIDENCE)
    recomputation.rest()
    differences = recomputation.findings.differences
    if results is None or differences:
        raise InputError(
            f"{root}: is not what its predictions give ({differences[0]}): "
            f"tools/verify.py {root} tells all"
        )
    return results


class _Recomputation:
    """One pass over the files of some runs that measures each U-Net but once."""

    def __init__(self, root: Path, rounding: float) -> None:
        self._root = root
        # A study names runs that lie beside it, a curve those below it.
        is_study = (root / EVIDENCE).exists() and not (root / CONFIG).exists()
        self._base = root.parent if is_study else root
        self.findings = Findings(self._base, rounding)
        self._runs: dict[Path, StoredRun] = {}
        self._folds: set[tuple[Path, int]] = set()
        self._unets: dict[Path, UNetResult | None] = {}
        self._truths: Truths = {}

    def evidence(self, path: Path) -> VerifiedResults | None:
        """Recompute all rows and verdicts from the predictions they name.

        Returns:
            What was recomputed; None if it cannot be.
        """
        findings = self.findings
        with findings.reading(path):
            record = storage.read_record(path)
            unets = self._named_unets(record["unets"])
            data = self._common_identity(record["dataset"])
            evidence = weigh_results(unets, data, tuple(record["remarks"]))
            findings.compare(path, "", record, evidence_record(evidence, unets, data))
            text = evidence_to_markdown(evidence)
            findings.compare_text(path.with_name(EVIDENCE_TEXT), text)
            runs = {name: self._run(name) for name in record["runs"]}
            return VerifiedResults(tuple(unets), data, evidence.remarks, runs)
        return None

    def curve(self, path: Path) -> None:
        """Recompute a learning curve from the predictions it names."""
        findings = self.findings
        with findings.reading(path):
            record = storage.read_record(path)
            unets = self._named_unets(record["points"])
            data = self._common_identity(record["dataset"])
            only = record["generator_of"]
            missing = missing_from_json(record["missing"])
            curve = curve_of(unets, data, only, missing, tuple(record["remarks"]))
            findings.compare(path, "", record, curve_record(curve, data, only))
            learned = [unet.config.data.n_reduced for unet in unets]
            expected = [only or unet.regime.n_real for unet in unets]
            findings.compare(path, "cases of the generators", learned, expected)

    def rest(self) -> None:
        """Recompute what else lies in the runs and folds met so far."""
        for run in self._runs.values():
            with self.findings.reading(run.root):
                recompute_split(run, self.findings)
            if (run.root / TABLE).exists():
                self._table(run, run.root / TABLE)
        for root, fold in sorted(self._folds):
            self._sets(self._runs[root], fold)

    def page(self, path: Path) -> None:
        """Write the report's page once more."""
        with self.findings.reading(path):
            self.findings.compare_page(path, render(read_study(path.parent)))

    def _table(self, run: StoredRun, path: Path) -> None:
        findings = self.findings
        with findings.reading(path):
            record = storage.read_json(path)
            folds = record["folds"]
            data = run.identity(
                record["dataset"], is_paper_data=record["is_paper_data"]
            )
            table = paper_table(
                run.config,
                data,
                {number: len(run.fold(number).test) for number in folds},
                [unet for number in folds for unet in self._paper_rows(run, number)],
                tuple(record["remarks"]),
            )
            findings.compare(path, "", record, table_record(table, data))
            findings.compare_csv(path.with_name(TABLE_SHEET), tables.to_csv(table))
            text = tables.to_markdown(table)
            findings.compare_text(path.with_name(TABLE_TEXT), text)

    def _sets(self, run: StoredRun, fold: int) -> None:
        for name in OWN_SETS:
            folder = run.fold_folder(fold) / name
            if folder.exists():
                with self.findings.reading(folder):
                    pairs = recompute_set(run, fold, folder, self.findings)
                    self._assessment(run, fold, folder, pairs)

    def _assessment(
        self,
        run: StoredRun,
        fold: int,
        source: Path,
        pairs: tuple[FloatArray, MaskArray],
    ) -> None:
        folder = source.with_name(source.name.replace("synthetic", "assessment"))
        if folder.exists():
            with self.findings.reading(folder):
                recompute_assessment(run, fold, folder, source, pairs, self.findings)

    def _paper_rows(self, run: StoredRun, fold: int) -> Iterable[UNetResult]:
        """The U-Nets of the paper's rows that are done."""
        n_real = len(run.training_ids(fold))
        for regime in paper_regimes(n_real, run.config.synthesis.count):
            folder = run.fold_folder(fold) / regime.folder_name
            if (folder / PROVENANCE).exists():
                yield self._unet(run, fold, folder)

    def _named_unets(self, entries: Iterable[Mapping[str, Any]]) -> list[UNetResult]:
        """The U-Nets that a record names; it may know a run by another name."""
        return [
            dataclasses.replace(
                self._unet(
                    run := self._run(entry["run"]),
                    entry["fold"],
                    child(run.fold_folder(entry["fold"]), entry["folder"]),
                ),
                run=entry["run"],
            )
            for entry in entries
        ]

    def _run(self, name: str) -> StoredRun:
        """The run of this name; a run's own evidence has no other."""
        is_run = (self._base / CONFIG).exists()
        root = self._base if is_run else child(self._base, name)
        if root not in self._runs:
            self._runs[root] = read_run(root)
        return self._runs[root]

    def _unet(self, run: StoredRun, fold: int, folder: Path) -> UNetResult:
        self._folds.add((run.root, fold))
        if folder not in self._unets:
            self._unets[folder] = None
            with self.findings.reading(folder):
                self._unets[folder] = recompute_unet(
                    run, fold, folder, self._truths, self.findings
                )
        unet = self._unets[folder]
        if unet is None:
            raise InputError(f"for {folder.name} of fold {fold} is not to be had")
        return unet

    def _common_identity(self, recorded: Mapping[str, Any]) -> Identity:
        """The data set that all runs are on, with settings that may be pooled."""
        first, *others = self._runs.values()
        data = first.identity(recorded)
        for run in others:
            path = run.root / CONFIG
            pair = _pooled_settings(run.config), _pooled_settings(first.config)
            self.findings.compare(path, "config", *pair)
            own = run.identity(recorded).record()
            self.findings.compare(path, "dataset", own, data.record())
        return data


def _pooled_settings(config: Config) -> dict[str, Any]:
    """What must be the same in all runs: all but the seed and how many cases."""
    numbers = dataclasses.replace(config.data, n_reduced=1)
    return dataclasses.asdict(dataclasses.replace(config, seed=0, data=numbers))
