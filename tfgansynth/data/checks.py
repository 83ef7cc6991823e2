"""Find every fault of a data set, by file, before anything is trained on it."""

import dataclasses
import os
import shlex
import statistics
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tfgansynth.arrays import FloatArray, Labels, MaskArray, luminance, resize_area
from tfgansynth.data.copies.duplicates import content_key, find_duplicates
from tfgansynth.data.copies.keypoints import SIDE
from tfgansynth.data.dataset import UNNAMED, CaseTable
from tfgansynth.data.importers import folder, jsrt
from tfgansynth.data.importers.canonical import (
    CASES_NAME,
    altered,
    read_description,
    target_of,
)
from tfgansynth.data.importers.sources import (
    Layout,
    Scan,
    Source,
    file_problem,
    read_image,
    read_labels,
    walk,
)
from tfgansynth.data.lungs import BOTH_LUNGS, Lungs, find_regions
from tfgansynth.data.prepare.agreement import Agreement
from tfgansynth.data.prepare.files.layouts import Found, find
from tfgansynth.data.prepare.files.tables import read_cases
from tfgansynth.data.prepare.options import Options
from tfgansynth.data.resizing import Tried, summarize_classes, try_classes
from tfgansynth.errors import Fault, FileError, InputError, name_few, printable

Size = tuple[int, int]
"""Width and height in pixels, in the order in which users name them."""

_Content = TypeVar("_Content")

_NARROW_SPAN = 32
"""Images with fewer grey levels get a note."""


@dataclasses.dataclass(frozen=True, slots=True)
class Report:
    """The result of `check`.

    Attributes:
        root: The folder checked.
        lungs: Which lungs were checked for.
        target: What the masks show.
        layout: The layout of the folder; None if it has none.
        n_cases: Cases that have an image and a mask.
        image_sizes: Sizes of the readable images, with the number of each.
        mask_sizes: The same for the masks.
        mask_areas: Share of its image that each readable mask covers, in %.
        faults: What must be corrected before the data can be used.
        notes: What a person should look at.
    """

    root: Path
    lungs: Lungs
    target: str
    layout: Layout | None
    n_cases: int
    image_sizes: Counter[Size]
    mask_sizes: Counter[Size]
    mask_areas: tuple[float, ...]
    faults: tuple[Fault, ...]
    notes: tuple[Fault, ...]

    def text(self) -> str:
        """Return the report as plain text: counts, then one line for each finding."""
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
        shown = f"target: {self.target}"
        if self.target == BOTH_LUNGS:
            shown = f"lungs: {self.lungs}"
        elif self.target == UNNAMED:
            shown = "target not named (--target NAME)"
        return f"{_count(self.n_cases, 'case')} in the {self.layout} layout, {shown}"

    def _list(self, noun: str, findings: tuple[Fault, ...]) -> list[str]:
        if not findings:
            return []
        return [
            f"{_count(len(findings), noun)}:",
            *(f"  {self._below_root(finding)}" for finding in findings),
        ]

    def _below_root(self, finding: Fault) -> Fault:
        """Shorten the path, because the first line of the report names the root."""
        if finding.path == self.root or not finding.path.is_relative_to(self.root):
            return finding
        return Fault(finding.path.relative_to(self.root), finding.problem)


@dataclasses.dataclass(frozen=True, slots=True)
class Examined:
    """One case as `examine` reads it.

    Attributes:
        source: Its files.
        image: float32 (H, W) or (H, W, 3), [0, 255]; None if it cannot be read.
        labels: uint8 (h, w), or bool of one class; None if it cannot be read.
        faults: Everything that is wrong with it.
        duplicate_of: The first case with exactly the same image, if there is one.
    """

    source: Source
    image: FloatArray | None
    labels: Labels | MaskArray | None
    faults: tuple[Fault, ...]
    duplicate_of: Source | None = None


def check(
    root: Path,
    lungs: Lungs,
    *,
    target: str = "",
    size: int | None = None,
    allow_duplicates: bool = False,
) -> Report:
    """Read every file of a data set and collect every fault.

    Bad data raises nothing. Even a missing folder is a fault in the report.

    Args:
        root: The folder of the data set.
        lungs: Which lungs to check for, where the target is lungs.
        target: What the masks show; empty to take it from `dataset.json`.
        size: Side in pixels that cases are to have; note what that changes.
        allow_duplicates: Report images that occur twice, altered or not, as notes
            instead of faults.

    Raises:
        InputError: `lungs` and target do not go together.
        RunError: The image decoder fails for a reason other than the data.
    """
    try:
        scan = find_cases(root)
        target = target_of(root, scan.layout, lungs, target)
    except FileError as error:
        return Report(
            root, lungs, target, None, 0, Counter(), Counter(), (), (error.fault,), ()
        )
    image_sizes: Counter[Size] = Counter()
    mask_sizes: Counter[Size] = Counter()
    mask_areas: list[float] = []
    faults = list(scan.faults)
    _collect(partial(read_case_table, root, scan), faults)
    notes = [Fault(path, "is not an image file; ignored") for path in scan.ignored]
    if scan.described and scan.described.negatives:
        names = scan.described.negatives
        found = f"{_count(len(names), 'negative')}, with an empty mask on purpose"
        notes.append(Fault(root / folder.MASKS, f"has {found} ({name_few(names)})"))
    duplicates: list[Fault] = []
    small: dict[str, FloatArray] = {}
    agreement = Agreement()
    n_classes = len(scan.described.classes) if scan.described else 1
    tried: list[list[Tried]] = [[] for _ in range(n_classes)]
    for case in examine(scan, lungs, agreement):
        faults += case.faults
        if case.duplicate_of is not None:
            duplicates.append(same_image(case.source, case.duplicate_of))
        elif case.image is not None:
            # All images at full size may not fit in memory.
            grey = luminance(case.image)
            small[case.source.case_id] = resize_area(grey, min(SIDE, *grey.shape))
        if case.image is not None:
            image_sizes[_size(case.image)] += 1
        if case.labels is not None:
            mask_sizes[_size(case.labels)] += 1
            mask_areas.append(100 * float((case.labels > 0).mean()))
        if size and case.labels is not None:
            of_case = try_classes(case.labels, n_classes, size)
            for own, each in zip(tried, of_case, strict=True):
                own += each
        if not case.faults:
            notes += _oddities(case, is_pair=target == BOTH_LUNGS and lungs == "both")
    if scan.described is None:
        faults += agreement.faults()
    notes += agreement.notes()
    sides = [min(each) for each, count in image_sizes.items() for _ in range(count)]
    if size and (resizing := summarize_classes(tried, sides, size)):
        notes += [Fault(root, sentence) for sentence in resizing.sentences]
    sources = {source.case_id: source for source in scan.sources}
    duplicates += [
        Fault(
            sources[pair.second].image_path,
            f"is {pair.relation} {sources[pair.first].image_path.name}; remove one "
            "(run_table refuses them across its split without --allow-duplicates)",
        )
        for pair in find_duplicates(small)
    ]
    (notes if allow_duplicates else faults).extend(duplicates)
    return Report(
        root=root,
        lungs=lungs,
        target=target,
        layout=scan.layout,
        n_cases=len(scan.sources),
        image_sizes=image_sizes,
        mask_sizes=mask_sizes,
        mask_areas=tuple(mask_areas),
        faults=tuple(faults),
        notes=tuple(notes),
    )


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
    """Read patients and groups of the cases from `cases.csv`, if there is one.

    Raises:
        InputError: It cannot be read, or is without one of the cases.
    """
    path = root / CASES_NAME
    if not os.path.lexists(path):
        return CaseTable()
    if problem := file_problem(path, root):
        raise FileError(path, problem)
    return read_cases(path, [source.case_id for source in scan.sources])


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

    A case that has the image of an earlier case names it in `duplicate_of`. Whether
    that is a fault is up to the caller. `agreement` takes note of all files.
    """
    first_with: dict[bytes, Source] = {}
    described = scan.described
    channels = described.channels if described else 1
    for source in scan.sources:
        faults: list[Fault] = []
        picture = _collect(partial(read_image, source, channels), faults)
        mask = _collect(partial(read_labels, source, lungs, described), faults)
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
            f"is {_size_text(_size(image))} px, images must be square; "
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
            f"is {_size_text(_size(mask))} px, its image {source.image_path.name} is "
            f"{_size_text(_size(image))} px; make them the same size",
        )


def same_image(source: Source, earlier: Source) -> Fault:
    """Return the fault that a case has the image of an earlier one."""
    return Fault(
        source.image_path,
        f"is the same image as {earlier.image_path.name}; remove one (or use "
        "--allow-duplicates)",
    )


def _collect(read: Callable[[], _Content], faults: list[Fault]) -> _Content | None:
    try:
        return read()
    except FileError as error:
        faults.append(error.fault)
        return None


def _oddities(case: Examined, *, is_pair: bool) -> list[Fault]:
    """Return what a person should look at in a case without faults, perhaps a pair."""
    notes = []
    assert case.image is not None
    assert case.labels is not None
    span = float(case.image.max() - case.image.min())
    if span < _NARROW_SPAN:
        notes.append(
            Fault(
                case.source.image_path,
                f"uses {span:.0f} of 255 grey levels",
            )
        )
    if is_pair and len(find_regions(case.labels > 0)) == 1:
        notes.append(
            Fault(
                case.source.mask_path,
                "is a single region: check whether the lungs touch or one is missing",
            )
        )
    return notes


def _size(plane: NDArray[np.generic]) -> Size:
    height, width = plane.shape[:2]
    return width, height


def _size_text(size: Size) -> str:
    return f"{size[0]} x {size[1]}"


def _sizes_text(sizes: Counter[Size]) -> str:
    return ", ".join(
        f"{_size_text(size)} px ({count})" for size, count in sizes.most_common()
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
