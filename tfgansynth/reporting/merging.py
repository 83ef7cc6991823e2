"""Merging the results of several machines: each fold's numbers, and no images."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tfgansynth.config_checks import differences
from tfgansynth.errors import InputError, name_few
from tfgansynth.experiment.run_folder import locked_folder
from tfgansynth.records import converter, files
from tfgansynth.records.assessments import Assessment
from tfgansynth.records.comparisons import Comparison, make_comparison
from tfgansynth.records.converter import to_json
from tfgansynth.records.curves import LearningCurve, MissingPoint, for_all_counts
from tfgansynth.records.reading.remarks import remarks_behind
from tfgansynth.records.regimes import assessment_name, set_names
from tfgansynth.records.results.merged import FoldResults, MergedFold
from tfgansynth.records.runs import RunRecord, StudyPlan
from tfgansynth.reporting import grids
from tfgansynth.reporting.assessments import assessment_cells
from tfgansynth.reporting.curves import write_plot
from tfgansynth.reporting.merged import (
    is_merged,
    own_files,
    read_merged,
    run_name,
    write_fold,
)
from tfgansynth.reporting.outputs import (
    curve_name,
    curve_of,
    curve_unets,
    plans_of,
    write_comparison,
    write_curve_record,
)
from tfgansynth.reporting.verification.differences import Differences
from tfgansynth.reporting.verification.verify import (
    verified_runs,
    verify_comparison,
    verify_curve,
)
from tfgansynth.runtime import storage
from tfgansynth.synthesis.sampling import MANIFEST

SETS_TEXT = "sets.md"
"""What assessments found, a line for each synthetic set."""

_CURVES = f"{files.CURVE}*.json"
Merged = tuple[list[FoldResults], Comparison | None, list[LearningCurve]]


def merge(roots: Sequence[Path], to: Path) -> Merged:
    """Add the results of runs to merged results, and compare all that these hold.

    Or add the learning curves of folders to merged ones, and draw these again.

    Every number of a run is made again before. A fold counts once: its regimes may
    come one after the other, but never a second time with other results, nor from two
    generators.

    Args:
        roots: Folders of runs or studies, or of learning curves; none to compare again
            what is there.
        to: Folder of the merged results.

    Returns:
        All folds, by seed and number, and what they show together: a comparison, or
        learning curves.

    Raises:
        InputError: A run is not what its predictions give, differs from the others in
            more than its seed, or has results of a fold that has others; the merged
            results were altered; or another process merges into them. Nothing is
            written then.
    """
    new = [
        fold
        for root in roots
        for run in verified_runs(root)
        for fold in _fold_results(run, plans_of(root))
    ]
    if not new and not is_merged(to):
        raise InputError(f"{to}: holds no results yet: name runs to take them from")
    to.mkdir(parents=True, exist_ok=True)
    with locked_folder(to):
        folds = {fold.place: fold for fold in read_merged(to)}
        for fold in new:
            held = folds.get(fold.place)
            folds[fold.place] = _joined(held, fold, to) if held else fold
        ordered = sorted(folds.values(), key=lambda fold: (fold.order, fold.place))
        _require_common(ordered, to)
        comparison, curves = None, {}
        if ordered[0].is_curve:
            curves = _curves(ordered, [to, *roots])
        else:
            comparison = _compare(ordered)
        for fold in ordered:
            write_fold(fold, to / fold.place)
        if comparison:
            write_comparison(to, comparison)
        for stem, curve in curves.items():
            write_curve_record(curve, to)
            write_plot(curve, to, stem)
        if sets := sets_to_markdown(ordered):
            storage.write_text(to / SETS_TEXT, sets)
    return ordered, comparison, [*curves.values()]


def verify_merged(root: Path, rounding: float = 0.0) -> Differences:
    """Make what merged results show again from the metrics of their folds.

    That these follow from predictions was checked when they were merged, and cannot be
    checked again without them. Numbers whose relative difference is at most `rounding`
    are equal.

    Raises:
        InputError: A fold was altered, or differs from the others in more than its
            seed.
    """
    root = root.resolve()
    found = Differences(root, rounding)
    folds = read_merged(root)
    _require_common(folds, root)
    if folds[0].is_curve:
        made = _curves(folds, [root])
        # One of which there are no U-Nets is made of nothing.
        for path in sorted(root.glob(_CURVES)):
            verify_curve(path, storage.read_record(path), made.get(path.stem), found)
    else:
        verify_comparison(root, _compare(folds), found)
    if sets := sets_to_markdown(folds):
        with found.reading(path := root / SETS_TEXT):
            found.compare_text(path, sets)
    _name_foreign(root, folds, found)
    return found


def _name_foreign(root: Path, folds: Sequence[FoldResults], found: Differences) -> None:
    """Name files of no fold, or in the place of another; and networks left out."""
    texts = files.COMPARISON, files.COMPARISON_TEXT, files.OTHER_FIGURES, SETS_TEXT
    own = {root / name for name in texts}
    if folds[0].is_curve:
        own |= {
            path.with_suffix(suffix)
            for path in root.glob(_CURVES)
            for suffix in (".json", ".md", ".svg", ".png")
        }
    for fold in folds:
        unets = {unet.stage for unet in fold.unets}
        own |= own_files(fold, root / fold.place)
        for stage in fold.record.seconds:
            if "/unet-" in stage and stage.count("/") == 1 and stage not in unets:
                place = f"{fold.unets[0].run}/{stage}"
                found.notes.append(
                    f"{place}: was trained, and is not among the results"
                )
    for path in sorted(root.rglob("*")):
        is_ours = path in own or path.name.startswith(".")
        if path.is_file() and not is_ours:
            found.fault(path, "is no file of these results: move it elsewhere")


def sets_to_markdown(folds: Sequence[FoldResults]) -> str:
    """Render what assessments found of the folds' sets; empty if there are none."""
    rows: list[dict[str, str]] = []
    for record in (fold.record for fold in folds):
        members = record.config.synthesis.pseudo_label_members
        spent = files.set_seconds(record.seconds, record.fold, members)
        rows += [
            {
                "seed": str(record.config.seed),
                "set": found.synthetic_set.folder,
                "pairs": str(found.synthetic_set.n),
                "made in": f"{spent / 60:.0f} min",
                **assessment_cells(found),
            }
            for found in record.assessments.values()
        ]
    if not rows:
        return ""
    return f"{grids.to_markdown(list(rows[0]), [list(row.values()) for row in rows])}\n"


def _require_common(folds: Sequence[FoldResults], to: Path) -> None:
    """Refuse folds that differ in more than their seeds."""
    if len({fold.is_curve for fold in folds}) > 1:
        raise InputError(f"{to}: learning curves and other results: name another --to")
    first, *others = folds
    for fold in others:
        found = list(differences(_common(fold), _common(first)))
        if found:
            raise InputError(
                f"{to}: {fold.place} and {first.place} cannot be merged "
                f"({name_few(found, '; ')}): only the seed and the fold may differ"
            )


def _compare(folds: Sequence[FoldResults]) -> Comparison:
    """Compare each pair of regimes over all folds, which may differ in their seeds."""
    unets = [unet for fold in folds for unet in fold.unets]
    remarks = [remark for fold in folds for remark in fold.record.remarks]
    plans = [plan for fold in folds for plan in fold.record.plans]
    return make_comparison(unets, remarks, plans=plans)


def _curves(
    folds: Sequence[FoldResults], roots: Sequence[Path]
) -> dict[str, LearningCurve]:
    """Make the learning curves that some folders have of all folds, by file stem."""
    unets = [unet for fold in folds for unet in fold.unets]
    remarks = [remark for fold in folds for remark in fold.record.remarks]
    plans = [plan for fold in folds for plan in fold.record.plans]
    missing: dict[int | None, list[MissingPoint]] = {}
    for path in (path for root in roots for path in sorted(root.glob(_CURVES))):
        stored = converter.read(path, LearningCurve)
        missing.setdefault(stored.generator_of, []).extend(stored.missing)
    made = {}
    for generator_of, points in missing.items():
        own = curve_unets(unets, generator_of)
        if curve := curve_of(own, generator_of, points, remarks, plans):
            made[curve_name(generator_of)] = curve
    return made


def _fold_results(run: RunRecord, plans: Sequence[StudyPlan]) -> Iterator[FoldResults]:
    """Divide the results of a run by folds; plans are those of its study."""
    config = run.config
    # The runs of a curve lie below it, and have a folder in their names.
    is_curve = any("/" in unet.run for unet in run.unets)
    shown = run.regime_unets
    if is_curve:
        shown = tuple(curve_unets(run.unets, config.data.n_reduced))
    for number in sorted({unet.fold for unet in shown}):
        unets = [unet for unet in shown if unet.fold == number]
        folder = run.fold_folder(number)
        used = {
            attempt.machine
            for stage, attempts in run.machines.stages.items()
            for attempt in attempts
            if stage.startswith(f"{folder.name}/")
        }
        # A run folder may have been renamed.
        name = run_name(unets[0].dataset, config, is_curve=is_curve)
        sets, assessments = {}, {}
        for kind, set_folder in set_names().items():
            if (path := folder / set_folder / MANIFEST).exists():
                sets[kind] = storage.hash_file(path)
            if (path := folder / assessment_name(kind) / files.ASSESSMENT).exists():
                assessments[kind] = converter.read(path, Assessment)
        record = MergedFold(
            dataset=unets[0].dataset,
            networks=run.settings.networks,
            config=config,
            fold=number,
            sets=sets,
            assessments=assessments,
            remarks=remarks_behind(run, unets),
            machines=tuple(run.machines.machines[index] for index in sorted(used)),
            tried=tuple(sorted(run.tried)),
            table=run.table.only({*run.fold(number).test}),
            seconds={
                stage: spent
                for stage, spent in run.timings.items()
                if stage.startswith(f"{folder.name}/")
            },
            plans=tuple(plans),
        )
        renamed = (dataclasses.replace(unet, run=name) for unet in unets)
        yield FoldResults(record, tuple(renamed))


def _joined(held: FoldResults, new: FoldResults, to: Path) -> FoldResults:
    """Add the regimes of a fold that came later to those that came before."""
    ours, theirs = held.record, new.record
    found = list(differences(_common(held), _common(new)))
    unets = {unet.regime: unet for unet in held.unets}
    for unet in new.unets:
        same = unets.setdefault(unet.regime, unet)
        if (same.cases, same.validation) != (unet.cases, unet.validation):
            found.append(f"{unet.regime.label}: other results")
        # Earlier versions have kept neither histories nor other figures.
        epochs, figures = (same.epochs or unet.epochs), (same.figures or unet.figures)
        if unet.epochs and unet.epochs != epochs:
            found.append(f"{unet.regime.label}: another training")
        if unet.figures and unet.figures != figures:
            found.append(f"{unet.regime.label}: other figures")
        unets[unet.regime] = dataclasses.replace(same, epochs=epochs, figures=figures)
    for kind, name in set_names().items():
        pairs = (
            (name, ours.sets, theirs.sets),
            (assessment_name(kind), ours.assessments, theirs.assessments),
        )
        found += [
            f"{what}: another one"
            for what, first, second in pairs
            if kind in first and kind in second and first[kind] != second[kind]
        ]
    if found:
        raise InputError(
            f"{to / held.place}: has other results of this fold ({name_few(found)}): a "
            "fold counts once; merge a second try of it elsewhere, by another --to"
        )
    record = dataclasses.replace(
        ours,
        sets={**ours.sets, **theirs.sets},
        assessments={**ours.assessments, **theirs.assessments},
        remarks=tuple(dict.fromkeys((*ours.remarks, *theirs.remarks))),
        machines=(
            *ours.machines,
            *(each for each in theirs.machines if each not in ours.machines),
        ),
        seconds={**ours.seconds, **theirs.seconds},
        plans=tuple(dict.fromkeys((*ours.plans, *theirs.plans))),
        tried=tuple(sorted({*ours.tried, *theirs.tried})),
    )
    ordered = sorted(unets.values(), key=lambda unet: unet.regime.order)
    return FoldResults(record, tuple(ordered))


def _common(fold: FoldResults) -> dict[str, Any]:
    """What must be the same in all folds."""
    record = fold.record
    parts = {"dataset": to_json(record.dataset), "networks": dict(record.networks)}
    config = for_all_counts(record.config) if fold.is_curve else record.config
    return {**parts, **to_json(config), "seed": None}
