"""Is a data set fit to be learned from? Every fault, named by file."""

import dataclasses
import hashlib
import os
import statistics
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tfgansynth.arrays import FloatArray, MaskArray, resize_area
from tfgansynth.data.duplicates import find_duplicates
from tfgansynth.data.importers import folder, jsrt
from tfgansynth.data.importers.sources import (
    Layout,
    Scan,
    Source,
    read_image,
    read_lungs,
)
from tfgansynth.data.lungs import Lungs, find_regions
from tfgansynth.data.similarity import SIDE
from tfgansynth.errors import Fault, FileError, printable

Size = tuple[int, int]
"""Width and height in pixels, as users name them."""

_Plane = TypeVar("_Plane", bound=NDArray[np.generic])

_NARROW_SPAN = 32
"""Fewer grey levels of 255 are worth a note: 12 bits kept in 16 span 16."""


@dataclasses.dataclass(frozen=True, slots=True)
class Report:
    """What `check` found.

    Attributes:
        root: The folder checked.
        lungs: The target checked for.
        layout: The layout found; None if there is none.
        n_cases: Cases that have an image and a mask.
        image_sizes: Sizes of the readable images, with how many have each.
        mask_sizes: The same for the masks.
        mask_areas: Share of its image that each readable mask covers, in %.
        faults: What has to be mended before the data can be used.
        notes: What is worth a look.
    """

    root: Path
    lungs: Lungs
    layout: Layout | None
    n_cases: int
    image_sizes: Counter[Size]
    mask_sizes: Counter[Size]
    mask_areas: tuple[float, ...]
    faults: tuple[Fault, ...]
    notes: tuple[Fault, ...]

    def text(self) -> str:
        """Return the report as plain text: counts, then a line for each finding."""
        lines = [printable(f"{self.root}: {self._summary()}")]
        if self.image_sizes:
            lines.append(f"  images: {_sizes_text(self.image_sizes)}")
        if self.mask_sizes:
            lines.append(f"  masks:  {_sizes_text(self.mask_sizes)}")
        if self.mask_areas:
            lines.append(
                f"  mask area: {min(self.mask_areas):.1f} to "
                f"{max(self.mask_areas):.1f} % of the image, "
                f"median {statistics.median(self.mask_areas):.1f} %"
            )
        lines += self._list("note", self.notes)
        lines += self._list("fault", self.faults) or ["no faults"]
        return "\n".join(lines)

    def _summary(self) -> str:
        if self.layout is None:
            return "no data set"
        return (
            f"{_count(self.n_cases, 'case')} in the {self.layout} layout, "
            f"lungs: {self.lungs}"
        )

    def _list(self, noun: str, findings: tuple[Fault, ...]) -> list[str]:
        if not findings:
            return []
        return [
            f"{_count(len(findings), noun)}:",
            *(f"  {self._below_root(finding)}" for finding in findings),
        ]

    def _below_root(self, finding: Fault) -> Fault:
        """Shorten the path: the report names the root at its head."""
        if finding.path == self.root or not finding.path.is_relative_to(self.root):
            return finding
        return Fault(finding.path.relative_to(self.root), finding.problem)


@dataclasses.dataclass(frozen=True, slots=True)
class Examined:
    """One case as `examine` read it.

    Attributes:
        source: Its files.
        image: float32 (H, W), [0, 255]; None if it cannot be read.
        mask: bool (h, w); None if it cannot be read.
        faults: Everything wrong with it.
        twin: The first case that has the same image, pixel by pixel, if any.
    """

    source: Source
    image: FloatArray | None
    mask: MaskArray | None
    faults: tuple[Fault, ...]
    twin: Source | None = None


def check(root: Path, lungs: Lungs, *, allow_duplicates: bool = False) -> Report:
    """Read every file of a data set and collect every fault.

    Nothing is raised for bad data: a missing folder, too, is a fault in the
    report.

    Args:
        root: The folder of the data set.
        lungs: The target to check for.
        allow_duplicates: Note images that are there twice, altered or not, and do
            not count them as faults.
    """
    try:
        scan = find_cases(root)
    except FileError as error:
        nothing: Counter[Size] = Counter()
        return Report(root, lungs, None, 0, nothing, nothing, (), (error.fault,), ())
    image_sizes: Counter[Size] = Counter()
    mask_sizes: Counter[Size] = Counter()
    mask_areas: list[float] = []
    faults = list(scan.faults)
    notes = [Fault(path, "is no image file; ignored") for path in scan.ignored]
    duplicates: list[Fault] = []
    small: dict[str, FloatArray] = {}
    for case in examine(scan, lungs):
        faults += case.faults
        if case.twin is not None:
            duplicates.append(same_image(case.source, case.twin))
        elif case.image is not None:
            # Memory may not hold all of them at full size.
            side = min(SIDE, *case.image.shape)
            small[case.source.case_id] = resize_area(case.image, side)
        if case.image is not None:
            image_sizes[_size(case.image)] += 1
        if case.mask is not None:
            mask_sizes[_size(case.mask)] += 1
            mask_areas.append(100 * float(case.mask.mean()))
        if not case.faults:
            notes += _oddities(case, lungs)
    duplicates += _near_duplicates(scan, small)
    (notes if allow_duplicates else faults).extend(duplicates)
    return Report(
        root=root,
        lungs=lungs,
        layout=scan.layout,
        n_cases=len(scan.sources),
        image_sizes=image_sizes,
        mask_sizes=mask_sizes,
        mask_areas=tuple(mask_areas),
        faults=tuple(faults),
        notes=tuple(notes),
    )


def find_cases(root: Path) -> Scan:
    """Tell the layout of a folder and scan it.

    `images/` beside `masks/` is the folder layout, unless `masks/` holds folders
    named for organs; else files named as in JSRT make the JSRT layout.

    Raises:
        InputError: `root` is missing, no folder, or in neither layout, or holds
            no case.
    """
    if not os.path.exists(root):
        raise FileError(root, "no such folder")
    if not os.path.isdir(root):
        raise FileError(root, "is not a folder")
    if not os.access(root, os.R_OK | os.X_OK):
        raise FileError(root, "cannot be read: permission denied")
    masks = root / folder.MASKS
    # os.path says no where pathlib raises, as for a link into a closed folder.
    if os.path.isdir(root / folder.IMAGES) and os.path.isdir(masks):
        is_plain = not jsrt.has_organ_folder(masks)
    else:
        is_plain = False
    if is_plain:
        scan = folder.scan(root)
    elif jsrt.has_jsrt_names(root):
        scan = jsrt.scan(root)
    else:
        raise FileError(
            root,
            "holds no data set in a known layout: neither images/NAME.png beside "
            "masks/NAME.png (also jpg, gif, tif, bmp) nor JSRT images (JPCLN001.IMG) "
            "with SCR masks (left lung/JPCLN001.gif)",
        )
    if not scan.sources and not scan.faults:
        raise FileError(
            root, "holds no cases: images/ and masks/ have no image files in them"
        )
    return scan


def examine(scan: Scan, lungs: Lungs) -> Iterator[Examined]:
    """Read and judge the cases of a scan, one after the other.

    An image that another case has already makes the later case its twin, which is
    the caller's to judge.
    """
    first_with: dict[bytes, Source] = {}
    for source in scan.sources:
        faults: list[Fault] = []
        image = _collect(partial(read_image, source), faults)
        mask = _collect(partial(read_lungs, source, lungs), faults)
        first = source
        if image is not None:
            faults += judge_image(image, source)
            first = first_with.setdefault(_fingerprint(image), source)
        if mask is not None:
            faults += judge_mask(mask, source, lungs)
        if image is not None and mask is not None:
            faults += judge_sizes(image, mask, source)
        twin = None if first is source else first
        yield Examined(source, image, mask, tuple(faults), twin)


def judge_image(image: FloatArray, source: Source) -> list[Fault]:
    """Judge an image by itself: float32 (H, W), [0, 255]."""
    faults = []
    if image.min() == image.max():
        faults.append(Fault(source.image_path, "has the same value in every pixel"))
    if image.shape[0] != image.shape[1]:
        faults.append(
            Fault(
                source.image_path,
                f"is {_size_text(_size(image))} px, images must be square; "
                "crop or pad it (and its mask) first",
            )
        )
    return faults


def judge_mask(mask: MaskArray, source: Source, lungs: Lungs) -> list[Fault]:
    """Judge a mask by itself: bool (h, w), the lungs asked for."""
    if not mask.any():
        missing = "" if lungs == "both" else f" (no {lungs} lung in it)"
        return [Fault(source.mask_path, f"is an empty mask{missing}")]
    if mask.all():
        return [Fault(source.mask_path, "is a mask that covers the whole image")]
    return []


def judge_sizes(image: FloatArray, mask: MaskArray, source: Source) -> list[Fault]:
    """Judge whether a mask fits its image.

    In the folder layout the sizes must be equal; in the JSRT layout one may be
    the other times a whole number (images of 2048 px, masks of 1024 px).
    """
    if image.shape == mask.shape:
        return []
    if source.layout == "jsrt" and _whole_factor(image.shape, mask.shape):
        return []
    return [
        Fault(
            source.mask_path,
            f"is {_size_text(_size(mask))} px, its image {source.image_path.name} is "
            f"{_size_text(_size(image))} px; make them the same size",
        )
    ]


def same_image(source: Source, twin: Source) -> Fault:
    """Say that a case has the image of an earlier one."""
    return Fault(
        source.image_path,
        f"is the same image as {twin.image_path.name}; remove one (or go on with "
        "--allow-duplicates)",
    )


def _collect(read: Callable[[], _Plane], faults: list[Fault]) -> _Plane | None:
    try:
        return read()
    except FileError as error:
        faults.append(error.fault)
        return None


def _fingerprint(image: FloatArray) -> bytes:
    return hashlib.sha256(str(image.shape).encode() + image.tobytes()).digest()


def _near_duplicates(scan: Scan, small: dict[str, FloatArray]) -> list[Fault]:
    """Find altered copies among small versions of images, by case id."""
    sources = {source.case_id: source for source in scan.sources}
    return [
        Fault(
            sources[pair.second].image_path,
            f"is {pair.relation} {sources[pair.first].image_path.name}; remove one "
            "(run_table refuses them across its split, unless with --allow-duplicates)",
        )
        for pair in find_duplicates(small)
    ]


def _oddities(case: Examined, lungs: Lungs) -> list[Fault]:
    """Return what is worth a look in a case without faults."""
    notes = []
    assert case.image is not None
    assert case.mask is not None
    span = float(case.image.max() - case.image.min())
    if span < _NARROW_SPAN:
        notes.append(
            Fault(
                case.source.image_path,
                f"uses {span:.0f} of 255 grey levels; if it holds 12-bit values in "
                "16 bits, stretch them first",
            )
        )
    if lungs == "both" and len(find_regions(case.mask)) == 1:
        notes.append(
            Fault(
                case.source.mask_path,
                "is a single region: do the lungs touch, or is one missing?",
            )
        )
    return notes


def _whole_factor(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Tell whether the larger shape is the smaller one times a whole number."""
    small, large = sorted((one, other))
    factor = large[0] // small[0]
    return large == tuple(factor * side for side in small)


def _size(plane: NDArray[np.generic]) -> Size:
    height, width = plane.shape
    return width, height


def _size_text(size: Size) -> str:
    return f"{size[0]} x {size[1]}"


def _sizes_text(sizes: Counter[Size]) -> str:
    return ", ".join(
        f"{_size_text(size)} px ({count})" for size, count in sizes.most_common()
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
