"""Load the cases of an experiment from a folder of files, or make phantoms."""

import dataclasses
import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tfgansynth.arrays import FloatArray, one_hot, resize_area, resize_bilinear
from tfgansynth.data.checks.examining import (
    Examined,
    examine,
    find_cases,
    read_case_table,
    same_image,
    vanished,
)
from tfgansynth.data.dataset import Case, CaseTable, Dataset, RawCase, UnlabelledImage
from tfgansynth.data.importers.canonical import Description, target_of
from tfgansynth.data.lungs import BOTH_LUNGS, Lungs
from tfgansynth.data.phantoms.phantom import SIDE, make_phantoms
from tfgansynth.data.prepare.agreement import Agreement
from tfgansynth.data.prepare.files.names import find_patient
from tfgansynth.data.resizing import Tried, summarize_classes, try_classes
from tfgansynth.errors import InputError, printable

_MOST_ANISOTROPY = 1e-3
"""Relative difference of rows' and columns' distances that is rounding."""


def load_directory(
    root: Path,
    lungs: Lungs,
    size: int,
    *,
    soft_masks: bool,
    allow_duplicates: bool = False,
    target: str = "",
) -> Dataset:
    """Load a data set in the folder layout or the JSRT layout.

    Images are downsampled by area. Loading stops at the first fault; `check` lists all
    of them.

    Args:
        root: The folder of the data set.
        lungs: Which lungs, where the target is lungs.
        size: Side of the cases in pixels.
        soft_masks: Downsample masks bilinearly without smoothing, as the authors'
            code does, instead of by area.
        allow_duplicates: Also load cases, or unlabelled images, with equal images.
            `duplicates` finds altered copies; this function does not.
        target: What the masks show; empty to take it from `dataset.json`.

    Raises:
        InputError: `root` has no data set, or something in it is wrong.
    """
    scan = find_cases(root)
    if scan.faults:
        first, *others = scan.faults
        raise InputError(f"{first}{_more(root, len(others))}")
    target = target_of(root, scan.layout, lungs, target)
    described = scan.described
    classes = described.classes if described else (target,)
    negatives = described.negatives if described else ()
    table = dataclasses.replace(read_case_table(root, scan), negatives=negatives)
    cases, sides = [], []
    agreement = Agreement()
    tried: list[list[Tried]] = [[] for _ in classes]
    for examined in examine(scan, lungs, agreement):
        if examined.duplicate_of is not None and not allow_duplicates:
            fault = same_image(examined.source, examined.duplicate_of)
            raise InputError(f"{fault}{_more(root)}")
        case = _to_case(examined, root, size, len(classes), soft_masks=soft_masks)
        if not case.mask.any() and case.case_id not in negatives:
            raise InputError(str(vanished(examined.source, size)))
        cases.append(case)
        assert examined.image is not None
        assert examined.labels is not None
        sides.append(len(examined.image))
        found = try_classes(examined.labels, len(classes), size, soft=soft_masks)
        for own, of_case in zip(tried, found, strict=True):
            own += of_case
    faults = agreement.faults() if described is None else []
    unlabelled, of_unlabelled = [], Agreement()
    for examined in examine(scan.without_masks, lungs, of_unlabelled):
        if examined.duplicate_of is not None and not allow_duplicates:
            fault = same_image(examined.source, examined.duplicate_of)
            raise InputError(f"{fault}{_more(root)}")
        image = _without_faults(examined, root)
        made = UnlabelledImage(examined.source.case_id, _shrunk(image, size))
        unlabelled.append(made)
    # Whatever scale the labelled images have, these are read as they are.
    if faults := [*faults, *of_unlabelled.faults()]:
        raise InputError(f"{faults[0]}{_more(root, len(faults) - 1)}")
    resizing = summarize_classes(tried, sides, size)
    spacing_mm, why = _spacing_mm(described, sides, size)
    return Dataset(
        name=_short_name(root),
        layout=scan.layout,
        cases=tuple(cases),
        classes=classes,
        channels=described.channels if described else 1,
        table=table,
        spacing_mm=spacing_mm,
        resizing=resizing,
        notes=(
            *(str(note) for note in (*agreement.notes(), *of_unlabelled.notes())),
            *(resizing.sentences if resizing else ()),
            *why,
        ),
        target=target,
        unlabelled=tuple(unlabelled),
    )


def with_patients(dataset: Dataset, pattern: str) -> Dataset:
    """Find the patient of each case, and of each unlabelled image, in its name.

    Args:
        dataset: The cases.
        pattern: A regular expression, anywhere in the name. Its first group is the
            patient, or all of its match.

    Raises:
        InputError: It is none, or finds no patient in some case.
    """
    unlabelled = [each.case_id for each in dataset.unlabelled]
    case_ids = *dataset.case_ids, *unlabelled
    patients = {case_id: find_patient(case_id, pattern) for case_id in case_ids}
    made = CaseTable.of(patients, dataset.table.groups, {*unlabelled})
    table = dataclasses.replace(dataset.table, patients=made.patients)
    return dataclasses.replace(dataset, table=table)


def _spacing_mm(
    described: Description | None, sides: Sequence[int], size: int
) -> tuple[float | None, list[str]]:
    """Side of a pixel after resizing, if it is the same in all cases, or why not."""
    if described is None or described.spacing_mm is None:
        return None, []
    row, column = described.spacing_mm
    if not math.isclose(row, column, rel_tol=_MOST_ANISOTROPY):
        why = f"pixels are not square ({row:g} x {column:g} mm)"
    elif len(set(sides)) > 1:
        why = f"images have {min(sides)} to {max(sides)} px, so their pixels differ"
    else:
        return row * sides[0] / size, []
    return None, [f"{why}: distances are in px only"]


def load_phantoms(
    count: int,
    seed: int,
    lungs: Lungs,
    size: int,
    *,
    soft_masks: bool,
    target: str = "",
) -> Dataset:
    """Make the built-in phantoms of a seed; the other arguments: `load_directory`.

    They are drawn at 256 px, or at a larger `size`, so that none is enlarged.

    Raises:
        InputError: The target is stated to be something else than lungs.
    """
    if target not in ("", BOTH_LUNGS):
        raise InputError(
            f"--target {target}: the built-in phantoms show lungs: leave it out, or "
            "name a folder with --data"
        )
    cases = tuple(
        _downsample(raw, size, 1, soft_masks=soft_masks)
        for raw in make_phantoms(count, seed=seed, lungs=lungs, size=max(SIDE, size))
    )
    return Dataset(name="phantoms", layout="phantom", cases=cases)


def _to_case(
    examined: Examined, root: Path, size: int, n_classes: int, *, soft_masks: bool
) -> Case:
    """Resize a case to the size of the experiment; raise its first fault."""
    image = _without_faults(examined, root)
    assert examined.labels is not None
    raw = RawCase(examined.source.case_id, image, examined.labels)
    return _downsample(raw, size, n_classes, soft_masks=soft_masks)


def _downsample(raw: RawCase, size: int, n_classes: int, *, soft_masks: bool) -> Case:
    resize = resize_bilinear if soft_masks else resize_area
    return Case(
        case_id=raw.case_id,
        image=_shrunk(raw.image, size),
        coverage=np.clip(resize(one_hot(raw.labels, n_classes), size), 0, 1),
    )


def _without_faults(examined: Examined, root: Path) -> FloatArray:
    if examined.faults:
        raise InputError(f"{examined.faults[0]}{_more(root)}")
    assert examined.image is not None
    return examined.image


def _shrunk(image: FloatArray, size: int) -> FloatArray:
    # Averages in float32 can exceed the range by rounding.
    return np.clip(resize_area(image, size), 0, 255)


def _more(root: Path, n_others: int | None = None) -> str:
    """Say how to list all faults, and how many others there are if that is known."""
    if n_others == 0:
        return ""
    known = "" if n_others is None else f"and {n_others} more; "
    return f" ({known}check-data {printable(str(root))} lists all)"


def _short_name(root: Path) -> str:
    """Turn the name of a folder into a part of the name of a run folder."""
    name = re.sub(r"[^a-z0-9]+", "-", root.resolve().name.lower()).strip("-")
    return name or "data"
