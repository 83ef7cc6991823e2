"""Find the cases of a folder and read each, with all that is wrong with it."""

import dataclasses
import os
import shlex
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tfgansynth.arrays import FloatArray, Labels, MaskArray
from tfgansynth.data.copies.duplicates import content_key
from tfgansynth.data.dataset import CaseTable
from tfgansynth.data.importers import folder, jsrt
from tfgansynth.data.importers.canonical import CASES_NAME, altered, read_description
from tfgansynth.data.importers.sources import (
    Layout,
    Scan,
    Source,
    file_problem,
    read_image,
    read_labels,
    walk,
)
from tfgansynth.data.lungs import Lungs
from tfgansynth.data.prepare.agreement import Agreement
from tfgansynth.data.prepare.files.layouts import Found, find
from tfgansynth.data.prepare.files.tables import read_cases
from tfgansynth.data.prepare.options import Options
from tfgansynth.errors import Fault, FileError, InputError

Size = tuple[int, int]
"""Width and height in pixels, in the order in which users name them."""

_Content = TypeVar("_Content")


@dataclasses.dataclass(frozen=True, slots=True)
class Examined:
    """One case as `examine` reads it.

    Attributes:
        source: Its files.
        image: float32 (H, W) or (H, W, 3), [0, 255]; None if it cannot be read.
        labels: uint8 (h, w), or bool of one class; None if it cannot be read, or is to
            have none.
        faults: Everything that is wrong with it.
        duplicate_of: The first case with exactly the same image, if there is one.
    """

    source: Source
    image: FloatArray | None
    labels: Labels | MaskArray | None
    faults: tuple[Fault, ...]
    duplicate_of: Source | None = None


def find_cases(root: Path) -> Scan:
    """Determine the layout of a folder and scan it.

    `images/` beside `masks/` is the folder layout, unless `masks/` has folders named
    after organs. Otherwise files named as in JSRT are the JSRT layout.

    Raises:
        InputError: `root` is missing, is not a folder, has neither layout, or has no
            case.
    """
    if not os.path.exists(root):
        raise FileError(root, "no such folder")
    if not os.path.isdir(root):
        raise FileError(root, "is not a folder")
    if not os.access(root, os.R_OK | os.X_OK):
        raise FileError(root, "cannot be read: permission denied")
    masks = root / folder.MASKS
    # os.path returns False where pathlib raises, as for a link into a closed folder.
    has_both = os.path.isdir(root / folder.IMAGES) and os.path.isdir(masks)
    if has_both and not jsrt.has_organ_folder(masks):
        scan = _with_description(root, folder.scan(root))
    elif jsrt.has_jsrt_names(root):
        scan = jsrt.scan(root)
    else:
        raise FileError(root, _other_layout(root))
    if not scan.sources and isinstance(_importable(root), Found):
        # As of DICOM images, or names that differ.
        raise FileError(root, _other_layout(root))
    if not scan.sources and not scan.faults:
        raise FileError(root, "has no cases: images/ and masks/ have no image files")
    return scan


def read_case_table(root: Path, scan: Scan) -> CaseTable:
    """Read patients and groups of all cases from `cases.csv`, if there is one.

    Raises:
        InputError: It cannot be read, or is without one of them.
    """
    path = root / CASES_NAME
    if not os.path.lexists(path):
        return CaseTable()
    if problem := file_problem(path, root):
        raise FileError(path, problem)
    cases, unlabelled = (
        [source.case_id for source in part] for part in (scan.sources, scan.unlabelled)
    )
    return read_cases(path, cases, unlabelled)


def _with_description(root: Path, scan: Scan) -> Scan:
    """Add what `dataset.json` says of a folder, and what is no longer so."""
    described = read_description(root)
    if described is None:
        return scan
    paths = [
        path
        for source in scan.sources
        for path in (source.image_path, *source.mask_paths.values())
    ]
    faults = (*scan.faults, *altered(root, described, paths))
    return dataclasses.replace(scan, faults=faults, described=described)


def _other_layout(root: Path) -> str:
    """Say how to import what is neither of the two layouts."""
    shown = shlex.quote(str(root))
    command = f"tfgansynth prepare-data {shown} {shown.rstrip('/')}-prepared"
    found = _importable(root)
    if isinstance(found, Found):
        return f"has {found.layout} ({len(found.files)} images); import it: {command}"
    return (
        "has no data set in a known layout: images/NAME.png beside masks/NAME.png, or "
        "JSRT images (JPCLN001.IMG) with SCR masks (left lung/JPCLN001.gif); "
        f"{command} imports others, but {found}"
    )


def _importable(root: Path) -> Found | InputError:
    """Return what `prepare-data` finds in a folder, or why it finds nothing."""
    paths = [PurePosixPath(path.relative_to(root)) for path in walk(root, [])]
    try:
        return find(paths, Options())
    except InputError as fault:
        return fault


def examine(scan: Scan, lungs: Lungs, agreement: Agreement) -> Iterator[Examined]:
    """Read and check the cases of a scan, one after the other.

    Of `scan.without_masks`, these are the unlabelled images.
    A case that has the image of an earlier case names it in `duplicate_of`. Whether
    that is a fault is up to the caller. `agreement` takes note of all files.
    """
    first_with: dict[bytes, Source] = {}
    described = scan.described
    channels = described.channels if described else 1
    for source in scan.sources:
        faults: list[Fault] = []
        picture = collect(partial(read_image, source, channels), faults)
        mask = None
        if source.mask_paths:
            mask = collect(partial(read_labels, source, lungs, described), faults)
        if picture is not None:
            agreement.add_image(source.image_path, picture)
        if mask is not None and (described is None or len(described.classes) == 1):
            agreement.add_mask(source.mask_path, mask)
        image = picture.pixels if picture else None
        labels = mask.labels if mask else None
        is_negative = described is not None and source.case_id in described.negatives
        faults += _faults(source, image, None if is_negative else labels, lungs)
        if image is not None and labels is not None:
            faults += _size_faults(source, image, labels, scan.layout)
        first = source
        if image is not None:
            first = first_with.setdefault(content_key(image), source)
        earlier = None if first is source else first
        yield Examined(source, image, labels, tuple(faults), earlier)


def _faults(
    source: Source,
    image: FloatArray | None,
    mask: Labels | MaskArray | None,
    lungs: Lungs,
) -> Iterator[Fault]:
    """Yield what is wrong with an image and with a mask."""
    if image is not None and image.min() == image.max():
        yield Fault(source.image_path, "has the same value in every pixel")
    if image is not None and image.shape[0] != image.shape[1]:
        yield Fault(
            source.image_path,
            f"is {size_text(size_of(image))} px, images must be square; "
            "crop or pad it and its mask, as prepare-data does with --fit",
        )
    if mask is not None and not mask.any():
        missing = "" if lungs == "both" else f" (no {lungs} lung in it)"
        yield Fault(source.mask_path, f"is an empty mask{missing}")
    elif mask is not None and (mask == mask[0, 0]).all():
        yield Fault(source.mask_path, "is a mask that covers the whole image")


def _size_faults(
    source: Source, image: FloatArray, mask: Labels | MaskArray, layout: Layout
) -> Iterator[Fault]:
    """Yield a fault if a mask does not fit its image.

    In the folder layout the sizes must be equal. In the JSRT layout one may be the
    other times a whole number (images of 2048 px, masks of 1024 px).
    """
    small, large = sorted((image.shape[:2], mask.shape))
    factor = large[0] // small[0] if layout == "jsrt" else 1
    if large != tuple(factor * side for side in small):
        yield Fault(
            source.mask_path,
            f"is {size_text(size_of(mask))} px, its image {source.image_path.name} is "
            f"{size_text(size_of(image))} px; make them the same size",
        )


def same_image(source: Source, earlier: Source) -> Fault:
    """Return the fault that a case has the image of an earlier one."""
    return Fault(
        source.image_path,
        f"is the same image as {earlier.image_path.name}; remove one (or use "
        "--allow-duplicates)",
    )


def vanished(source: Source, size: int) -> Fault:
    """Return the fault that nothing of a mask is left at the side of an experiment."""
    return Fault(
        source.mask_path,
        f"is a mask so small that it vanishes at {size} x {size} px; remove the case "
        "or raise --data.size",
    )


def collect(read: Callable[[], _Content], faults: list[Fault]) -> _Content | None:
    """Read something, or add its fault to those found so far."""
    try:
        return read()
    except FileError as error:
        faults.append(error.fault)
        return None


def size_of(plane: NDArray[np.generic]) -> Size:
    """Width and height of a plane, or of an image in color."""
    height, width = plane.shape[:2]
    return width, height


def size_text(size: Size) -> str:
    """Render a size: `640 x 480`."""
    return f"{size[0]} x {size[1]}"
