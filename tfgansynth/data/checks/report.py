"""Find every fault of a data set, by file, before anything is trained on it."""

import dataclasses
import statistics
from collections import Counter
from functools import partial
from pathlib import Path

from tfgansynth.arrays import FloatArray, luminance, resize_area
from tfgansynth.data.checks.examining import (
    Examined,
    Size,
    collect,
    examine,
    find_cases,
    read_case_table,
    same_image,
    size_of,
    size_text,
    vanished,
)
from tfgansynth.data.copies.duplicates import find_duplicates
from tfgansynth.data.copies.keypoints import SIDE
from tfgansynth.data.dataset import UNNAMED
from tfgansynth.data.importers import folder
from tfgansynth.data.importers.canonical import (
    target_of,
)
from tfgansynth.data.importers.sources import (
    Layout,
)
from tfgansynth.data.lungs import BOTH_LUNGS, Lungs, find_regions
from tfgansynth.data.prepare.agreement import Agreement
from tfgansynth.data.resizing import Tried, summarize_classes, try_classes
from tfgansynth.errors import Fault, FileError, name_few, printable

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
    collect(partial(read_case_table, root, scan), faults)
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
            image_sizes[size_of(case.image)] += 1
        if case.labels is not None:
            mask_sizes[size_of(case.labels)] += 1
            mask_areas.append(100 * float((case.labels > 0).mean()))
        if size and case.labels is not None:
            of_case = try_classes(case.labels, n_classes, size)
            for own, each in zip(tried, of_case, strict=True):
                own += each
            shown = [each[size].area for own in of_case for each in own]
            if shown and not any(shown):
                faults.append(vanished(case.source, size))
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


def _sizes_text(sizes: Counter[Size]) -> str:
    return ", ".join(
        f"{size_text(size)} px ({count})" for size, count in sizes.most_common()
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
