"""A pool of results from several machines: each fold's numbers, and no images."""

import dataclasses
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tfgansynth.config_checks import config_from_json, differences
from tfgansynth.data.dataset import Identity, Layout
from tfgansynth.errors import InputError, name_few
from tfgansynth.evaluation.evidence import Evidence, evidence_to_markdown
from tfgansynth.evaluation.tables import CaseRow, cases_to_csv, read_cases
from tfgansynth.experiment.paths import ASSESSMENT, set_seconds
from tfgansynth.experiment.regimes import Regime, planned_regimes
from tfgansynth.experiment.results import (
    EVIDENCE,
    EVIDENCE_TEXT,
    UNetResult,
    evidence_record,
    weigh_results,
)
from tfgansynth.experiment.run_folder import Run
from tfgansynth.reporting.cards import markdown
from tfgansynth.reporting.quality_table import quality_cells
from tfgansynth.reporting.verification.findings import Findings
from tfgansynth.reporting.verification.sets import OWN_SETS
from tfgansynth.reporting.verification.stored_runs import CONFIG, StoredRun
from tfgansynth.reporting.verification.studies import VerifiedResults, verified_results
from tfgansynth.runtime import storage
from tfgansynth.synthesis.sampling import MANIFEST

FOLD = "fold.json"
"""What a fold's results were made with; the metrics lie beside it, a CSV a U-Net."""

SETS_TEXT = "sets.md"
"""What assessments found, a line for each synthetic set."""

_FOLDS = f"*/fold-*/{FOLD}"
_PARTS = (
    *("dataset", "networks", "config", "fold", "sets", "assessments", "remarks"),
    *("machines", "seconds"),
)


@dataclasses.dataclass(frozen=True, slots=True)
class FoldResults:
    """The numbers of one fold of one seed.

    Attributes:
        record: What they were made with, and all else but the metrics; plain for
            JSON: `dataset`, `networks` (their versions), `config`, `fold`, `sets`
            (hash of the manifest of each set of the fold), `assessments`, `remarks`,
            `machines` and `seconds` (of each stage).
        unets: The U-Nets and what they answered, in the order of the tables.
    """

    record: Mapping[str, Any]
    unets: tuple[UNetResult, ...]

    @property
    def place(self) -> Path:
        """Its folder below that of the pool: `<run>/fold-1`."""
        return Path(self.unets[0].run) / f"fold-{self.unets[0].fold}"

    @property
    def order(self) -> tuple[int, int]:
        """Seed and number of the fold."""
        return self.unets[0].config.seed, self.unets[0].fold


def pool(roots: Sequence[Path], to: Path) -> tuple[list[FoldResults], Evidence]:
    """Take the results of runs into a pool, and judge all that it holds then.

    Every number of a run is recomputed before. A fold counts once: its rows may come
    one after the other, but never a second time with other results, nor from two
    generators.

    Args:
        roots: Folders of runs or studies; none to judge what the pool has.
        to: The pool's folder.

    Returns:
        All folds of the pool, by seed and number, and what they show together.

    Raises:
        InputError: A run is not what its predictions give, differs from the others in
            more than its seed, or has results of a fold that has others; or the pool
            was altered. Nothing is written then.
    """
    folds = {fold.place: fold for fold in read_pool(to)}
    for root in roots:
        for fold in _fold_results(verified_results(root)):
            held = folds.get(fold.place)
            folds[fold.place] = _joined(held, fold, to) if held else fold
    if not folds:
        raise InputError(f"{to}: holds no results yet: name runs to take them from")
    ordered = sorted(folds.values(), key=lambda fold: fold.order)
    evidence, record = weigh_pool(ordered, to)
    for fold in ordered:
        _write(fold, to / fold.place)
    storage.write_record(to / EVIDENCE, record)
    storage.write_text(to / EVIDENCE_TEXT, evidence_to_markdown(evidence))
    if sets := sets_to_markdown(ordered):
        storage.write_text(to / SETS_TEXT, sets)
    return ordered, evidence


def verify_pool(root: Path, rounding: float = 0.0) -> Findings:
    """Recompute what a pool shows from the metrics of its folds.

    That these follow from predictions was seen when they were taken in, and cannot be
    seen again without them.

    Args:
        root: The pool's folder.
        rounding: Numbers whose relative difference is at most this are equal.

    Raises:
        InputError: A fold was altered, or differs from the others in more than its
            seed.
    """
    root = root.resolve()
    findings = Findings(root, rounding)
    folds = read_pool(root)
    evidence, record = weigh_pool(folds, root)
    with findings.reading(path := root / EVIDENCE):
        findings.compare(path, "", storage.read_record(path), record)
    with findings.reading(path := root / EVIDENCE_TEXT):
        findings.compare_text(path, evidence_to_markdown(evidence))
    if sets := sets_to_markdown(folds):
        with findings.reading(path := root / SETS_TEXT):
            findings.compare_text(path, sets)
    return findings


def sets_to_markdown(folds: Sequence[FoldResults]) -> str:
    """Render what assessments found of the folds' sets; empty if there are none."""
    lines = list(itertools.chain.from_iterable(map(_set_lines, folds)))
    if not lines:
        return ""
    rows = [list(line.values()) for line in lines]
    return f"{markdown.table(list(lines[0]), rows)}\n"


def is_pool(root: Path) -> bool:
    """Whether a folder has the numbers of folds, and not the folds themselves."""
    return any(root.glob(_FOLDS))


def weigh_pool(
    folds: Sequence[FoldResults], to: Path
) -> tuple[Evidence, dict[str, object]]:
    """Judge each pair of rows over all folds of a pool.

    Args:
        folds: By seed and number; one at least.
        to: The pool's folder, for messages.

    Returns:
        The evidence, and the content of its `evidence.json`.

    Raises:
        InputError: The folds differ in more than their seeds.
    """
    first = folds[0]
    for fold in folds[1:]:
        found = list(differences(_pooled(fold), _pooled(first)))
        if found:
            raise InputError(
                f"{to}: {fold.place} and {first.place} cannot be pooled "
                f"({name_few(found, '; ')}): only the seed and the fold may differ"
            )
    unets = [unet for fold in folds for unet in fold.unets]
    data = _identity(first.record)
    evidence = weigh_results(unets, data, tuple(_remarks(folds)))
    return evidence, evidence_record(evidence, unets, data)


def read_pool(folder: Path) -> list[FoldResults]:
    """Read all folds of a pool, by seed and number; none where there is no pool.

    Raises:
        InputError: A file is missing, was altered, or is of another version.
    """
    paths = sorted(folder.glob(_FOLDS))
    return sorted(map(_read, paths), key=lambda fold: fold.order)


def _fold_results(results: VerifiedResults) -> Iterator[FoldResults]:
    """Divide the results of a run or a study by folds."""
    by_fold: dict[tuple[str, int], list[UNetResult]] = {}
    for unet in results.unets:
        by_fold.setdefault((unet.run, unet.fold), []).append(unet)
    for (name, number), unets in by_fold.items():
        run, config = results.runs[name], unets[0].config
        folder = run.fold_folder(number)
        # A run folder may have been renamed.
        own = Run.folder_name(results.data.name, config)
        yield FoldResults(
            record={
                "dataset": results.data.record(),
                "networks": storage.read_record(run.root / CONFIG)["networks"],
                "config": _plain(dataclasses.asdict(config)),
                "fold": number,
                "sets": {
                    name: storage.hash_file(folder / name / MANIFEST)
                    for name in OWN_SETS
                    if (folder / name / MANIFEST).exists()
                },
                "assessments": {
                    path.parent.name: storage.read_record(path)
                    for path in sorted(folder.glob(f"assessment*/{ASSESSMENT}"))
                },
                "remarks": list(_of_fold(results.remarks, config.seed, number)),
                **_making(run, folder.name),
            },
            unets=tuple(dataclasses.replace(unet, run=own) for unet in unets),
        )


def _making(run: StoredRun, fold: str) -> dict[str, Any]:
    """On which machines a fold was worked on, and how long each stage took."""
    record = storage.read_record(run.root / "machine.json")
    used = {
        entry["machine"]
        for stage, entries in record["stages"].items()
        for entry in entries
        if stage.startswith(f"{fold}/")
    }
    seconds = storage.read_record(run.root / "timings.json")
    return {
        "machines": [record["machines"][number] for number in sorted(used)],
        "seconds": {
            stage: spent
            for stage, spent in seconds.items()
            if stage.startswith(f"{fold}/")
        },
    }


def _of_fold(remarks: Iterable[str], seed: int, number: int) -> Iterator[str]:
    """Those remarks that are about a fold of a seed, or about the data."""
    for remark in remarks:
        own = remark.removeprefix(f"seed {seed}, ")
        if own.startswith(f"fold {number}, ") or not re.match(r"(seed|fold) \d", own):
            yield own


def _remarks(folds: Sequence[FoldResults]) -> Iterator[str]:
    """The remarks of all folds, those about the data once."""
    several = len({fold.order[0] for fold in folds}) > 1
    told = set()
    for fold in folds:
        for remark in fold.record["remarks"]:
            of_seed = several and remark.startswith("fold ")
            line = f"seed {fold.order[0]}, {remark}" if of_seed else remark
            if line not in told:
                told.add(line)
                yield line


def _joined(held: FoldResults, new: FoldResults, to: Path) -> FoldResults:
    """Add the rows of a fold that came later to those that came before.

    Raises:
        InputError: They do not belong together.
    """
    ours, theirs = held.record, new.record
    found = list(differences(_pooled(held), _pooled(new)))
    rows = {unet.regime: unet for unet in held.unets}
    for unet in new.unets:
        same = rows.setdefault(unet.regime, unet)
        if list(same.rows) != list(unet.rows):
            found.append(f"{unet.regime.label}: other results")
    for part in ("sets", "assessments"):
        common = ours[part].keys() & theirs[part].keys()
        found += [
            f"{name}: another one"
            for name in sorted(common)
            if ours[part][name] != theirs[part][name]
        ]
    if found:
        raise InputError(
            f"{to / held.place}: has other results of this fold ({name_few(found)}): a "
            "fold counts once; pool a second try of it elsewhere, by another --to"
        )
    machines = [*ours["machines"], *theirs["machines"]]
    record = {
        **ours,
        "sets": {**ours["sets"], **theirs["sets"]},
        "assessments": {**ours["assessments"], **theirs["assessments"]},
        "remarks": list(dict.fromkeys([*ours["remarks"], *theirs["remarks"]])),
        "machines": [m for n, m in enumerate(machines) if m not in machines[:n]],
        "seconds": {**ours["seconds"], **theirs["seconds"]},
    }
    return FoldResults(record, tuple(_in_order(rows.values())))


def _in_order(unets: Iterable[UNetResult]) -> list[UNetResult]:
    """Bring the rows of a fold into the order of the tables."""
    rows = list(unets)
    n_real = max(unet.regime.n_real for unet in rows)
    control = any(unet.regime.kind == "control" for unet in rows)
    tables = planned_regimes(rows[0].config, n_real, "all", control=control)
    planned = list(itertools.chain(*tables))
    return sorted(rows, key=lambda unet: planned.index(unet.regime))


def _pooled(fold: FoldResults) -> dict[str, Any]:
    """What must be the same in all folds."""
    record = fold.record
    parts = {name: record[name] for name in ("dataset", "networks")}
    return {**parts, **record["config"], "seed": None}


def _identity(record: Mapping[str, Any]) -> Identity:
    data = record["dataset"]
    layout: Layout = "phantom" if data["is_phantom"] else "folder"
    return Identity(data["name"], layout, data["cases"], data["sha256"])


def _write(fold: FoldResults, folder: Path) -> None:
    """Write the metrics, then the record that has their hashes."""
    entries = []
    for unet in fold.unets:
        path = folder / f"{unet.regime.folder_name}.csv"
        storage.write_text(path, cases_to_csv(unet.rows))
        digest = storage.hash_file(path)
        entries.append({**unet.regime.record(), "cases_sha256": digest})
    storage.write_record(folder / FOLD, {**fold.record, "unets": entries})


def _read(path: Path) -> FoldResults:
    record = storage.read_record(path)
    try:
        entries = record.pop("unets")
        record = {part: record[part] for part in _PARTS}
        config, data = config_from_json(record["config"]), _identity(record)
        name = Run.folder_name(data.name, config)
        unets = []
        for entry in entries:
            regime = Regime.from_record(entry)
            rows = _cases(path.with_name(f"{regime.folder_name}.csv"), entry)
            unets.append(UNetResult(name, config, record["fold"], regime, rows))
        fold = FoldResults(record, tuple(unets))
        _set_lines(fold)  # An assessment that cannot be told is refused here.
        return fold
    except (LookupError, TypeError, AttributeError) as fault:
        raise InputError(
            f"{path}: is not of this version ({type(fault).__name__}: {fault}): remove "
            "its folder and pool the run once more"
        ) from fault


def _set_lines(fold: FoldResults) -> list[dict[str, str]]:
    """The cells of each assessed set of a fold, by their headings."""
    record = fold.record
    teachers = record["config"]["synthesis"]["teachers"]
    spent = set_seconds(record["seconds"], record["fold"], teachers)
    return [
        {
            "seed": str(fold.order[0]),
            "set": found["synthetic_set"]["folder"],
            "pairs": str(found["synthetic_set"]["n"]),
            "made in": f"{spent / 60:.0f} min",
            **quality_cells(found),
        }
        for found in record["assessments"].values()
    ]


def _cases(path: Path, entry: Mapping[str, Any]) -> list[CaseRow]:
    storage.require_files(path.parent, {path.name: entry["cases_sha256"]})
    return read_cases(path)


def _plain(value: Any) -> Any:
    """Lists in place of tuples, as JSON gives them back."""
    if isinstance(value, Mapping):
        return {name: _plain(member) for name, member in value.items()}
    return list(value) if isinstance(value, tuple) else value
