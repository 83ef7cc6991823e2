"""The second pass over the files: the canonical data set is written."""

import csv
import dataclasses
import io
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from tfgansynth.arrays import ByteArray
from tfgansynth.data.importers.canonical import CASES_NAME, CONTACT_SHEET
from tfgansynth.data.prepare.files.layouts import Files
from tfgansynth.data.prepare.files.names import find_patient
from tfgansynth.data.prepare.files.reading import Content, Slice, read
from tfgansynth.data.prepare.intensities import squared
from tfgansynth.data.prepare.options import Options
from tfgansynth.data.prepare.planning import Plan
from tfgansynth.errors import FileError, InputError
from tfgansynth.pictures import SHEET_CASES, case_tile, contact_sheet
from tfgansynth.runtime.storage import encode_png

Spacing = tuple[float, float]

_OWN_COLUMNS = ("case", "patient", "group", "image", "row_mm", "column_mm")


@dataclasses.dataclass(slots=True)
class Written:
    """What was written.

    Attributes:
        rows: Those of the table of cases.
        pixels: Number of pixels of each class, by case.
        spacings: Distances of rows and columns that occur.
        empty: Cases that have lost their target, as by `--fit crop`.
        empty_slices: Those of them that are slices.
    """

    rows: list[dict[str, str]] = dataclasses.field(default_factory=list)
    pixels: dict[str, Counter[int]] = dataclasses.field(default_factory=dict)
    spacings: set[Spacing | None] = dataclasses.field(default_factory=set)
    empty: list[str] = dataclasses.field(default_factory=list)
    empty_slices: set[str] = dataclasses.field(default_factory=set)

    def lines(self, classes: Sequence[str]) -> Iterator[str]:
        """Say how often and how large each class is."""
        for index, name in enumerate(classes, start=1):
            shares = [
                100 * counts[index] / sum(counts.values())
                for counts in self.pixels.values()
                if counts[index]
            ]
            median = statistics.median(shares) if shares else 0
            yield (
                f"class {index}, {name}: in {len(shares)} of {len(self.pixels)} cases, "
                f"{sum(counts[index] for counts in self.pixels.values())} px; where it "
                f"is, {median:.1f} % of the image (median)"
            )
        for noun in ("patient", "group"):
            found = {row[noun] for row in self.rows if row[noun]}
            if found:
                yield f"{len(found)} {noun}s"


def write(folder: Path, root: Path, plan: Plan, options: Options) -> Written:
    """Write images, masks, the table of cases and the contact sheet.

    Args:
        folder: An empty folder.
        root: The folder of the source.
        plan: How the cases are written.
        options: What was stated.

    Raises:
        InputError: Classes overlap, a case has no patient where a pattern was stated,
            or a file has changed.
    """
    written = Written()
    tiles: list[ByteArray] = []
    patients: dict[str, str] = {}
    overlap = 0
    for part in ("images", "masks"):
        (folder / part).mkdir()
    for files, content, each in _slices(root, plan, options):
        case = files.case + each.suffix
        labels, doubly = _labels(each, plan)
        overlap += doubly
        image = plan.scale.apply(each.pixels, inverted=content.image.inverted)
        spacing = _spacing(each, root / files.image, options)
        image = squared(image, options.fit, is_mask=False)
        labels = squared(labels, options.fit, is_mask=True)
        if case not in plan.negatives and not labels.any():
            written.empty.append(case)
            if each.suffix:
                written.empty_slices.add(case)
            if options.negatives == "drop" or (each.suffix and options.slices != "all"):
                continue
        for part, pixels in (("images", image), ("masks", labels)):
            (folder / part / f"{case}.png").write_bytes(encode_png(pixels))
        values, counts = np.unique(labels, return_counts=True)
        written.pixels[case] = Counter(
            dict(zip(values.tolist(), counts.tolist(), strict=True))
        )
        written.spacings.add(spacing)
        patient = _patient(files, content, each, patients, options)
        written.rows.append(_row(case, patient, files, spacing))
        if len(tiles) < SHEET_CASES:
            shown = (image >> (8 * image.dtype.itemsize - 8)).astype(np.uint8)
            tiles.append(case_tile(case, shown, labels))
    if overlap:
        raise InputError(
            f"masks of different classes overlap in {overlap} px: name classes that do "
            "not with --classes NAME=VALUE ..., or take all as one with --foreground "
            "any"
        )
    if written.pixels.keys() <= {*plan.negatives, *written.empty}:
        raise InputError("all masks are empty as they are written: nothing to learn")
    (folder / CASES_NAME).write_bytes(_table(written.rows))
    (folder / CONTACT_SHEET).write_bytes(encode_png(contact_sheet(tiles)))
    return written


def _slices(
    root: Path, plan: Plan, options: Options
) -> Iterator[tuple[Files, Content, Slice]]:
    for files in plan.found.files:
        content = read(root, files, options, scales=plan.found.is_jsrt)
        for each in content.slices:
            if files.case + each.suffix not in plan.left_out:
                yield files, content, each


def _labels(each: Slice, plan: Plan) -> tuple[ByteArray, int]:
    """Return class indices of a slice, and how many pixels have two classes."""
    masks = [plan.rule.labels(mask.values, mask.kind) for mask in each.masks]
    if len(masks) == 1 and not plan.tags:
        return masks[0], 0
    labels = np.zeros(each.pixels.shape[:2], np.uint8)
    overlap = 0
    for values, mask in zip(masks, each.masks, strict=True):
        inside = values > 0
        index = plan.tags.get(mask.tag, 1)
        taken = labels[inside]
        overlap += int(np.count_nonzero((taken > 0) & (taken != index)))
        labels[inside] = index
    return labels, overlap


def _spacing(each: Slice, path: Path, options: Options) -> Spacing | None:
    stated, found = options.spacing, each.spacing
    if stated and found and not np.allclose(stated, found, rtol=0.01):
        raise FileError(
            path,
            f"has a spacing of {found[0]:g} and {found[1]:g} mm, other than --spacing: "
            "leave it out",
        )
    spacing = found or stated
    if spacing is None or options.fit != "stretch":
        return spacing
    height, width = each.pixels.shape[:2]
    side = max(height, width)
    return spacing[0] * height / side, spacing[1] * width / side


def _patient(
    files: Files,
    content: Content,
    each: Slice,
    patients: dict[str, str],
    options: Options,
) -> str:
    """Return whose image it is. Ids of DICOM files are replaced by numbers."""
    if options.patient_pattern is not None:
        return find_patient(files.case, options.patient_pattern)
    if content.image.patient and (files.is_guess or not files.patient):
        number = f"patient-{len(patients) + 1:03d}"
        return patients.setdefault(content.image.patient, number)
    return files.patient or (files.case if each.suffix else "")


def _row(
    case: str, patient: str, files: Files, spacing: Spacing | None
) -> dict[str, str]:
    own = {
        "case": case,
        "patient": patient,
        "group": files.group,
        "image": str(files.image),
        "row_mm": f"{spacing[0]:.6g}" if spacing else "",
        "column_mm": f"{spacing[1]:.6g}" if spacing else "",
    }
    return {**own, **{n: v for n, v in files.columns.items() if n not in own}}


def _table(rows: Sequence[Mapping[str, str]]) -> bytes:
    """Render the table of cases; columns without any value are left out."""
    names = dict.fromkeys(name for row in rows for name in row)
    used = [name for name in names if any(row.get(name) for row in rows)]
    text = io.StringIO()
    writer = csv.DictWriter(text, used, restval="", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()
