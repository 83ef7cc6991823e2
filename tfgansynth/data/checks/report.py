"""Find every fault of a data set, by file, before anything is trained on it."""

import dataclasses
import itertools
import shlex
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from tfgansynth.arrays import ByteArray, FloatArray, luminance, resize_area
from tfgansynth.config import Config
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
from tfgansynth.data.checks.grouping import group_faults, likely_reasons
from tfgansynth.data.copies.duplicates import find_duplicates
from tfgansynth.data.copies.keypoints import SIDE
from tfgansynth.data.dataset import UNNAMED, CaseTable
from tfgansynth.data.importers import folder
from tfgansynth.data.importers.canonical import target_of
from tfgansynth.data.importers.sources import Layout
from tfgansynth.data.lungs import BOTH_LUNGS, Lungs, find_regions
from tfgansynth.data.prepare.agreement import Agreement
from tfgansynth.data.resizing import Tried, summarize_classes, try_classes
from tfgansynth.data.splits import describe_split, make_folds
from tfgansynth.errors import Fault, FileError, InputError, counted, name_few, printable
from tfgansynth.pictures import SHEET_CASES, case_tile

_NARROW_SPAN = 32
"""Images with fewer grey levels get a note."""


@dataclasses.dataclass(slots=True, kw_only=True)
class Report:
    """The result of `check`.

    Attributes:
        root: The folder checked.
        lungs: Which lungs were checked for.
        target: What the masks show.
        layout: The layout of the folder; None if it has none.
        n_cases: Cases that have an image and a mask.
        n_unlabelled: Images that are to have none.
        image_sizes: Sizes of the readable images, with the number of each.
        mask_sizes: The same for the masks.
        grey: Darkest and brightest value of all images, in [0, 255].
        mask_areas: Share of its image that each readable mask covers, in %.
        class_areas: The same by class, of the masks that show it.
        split: How run_table would split the cases, in lines.
        shortfall: Why there are too few cases for that; empty if there are enough.
        faults: What must be corrected before the data can be used.
        reasons: What many of the faults come from, as it seems.
        notes: What a person should look at.
        tiles: Pictures of the first cases, for a contact sheet.
    """

    root: Path
    lungs: Lungs
    target: str
    layout: Layout | None = None
    n_cases: int = 0
    n_unlabelled: int = 0
    image_sizes: Counter[Size] = dataclasses.field(default_factory=Counter)
    mask_sizes: Counter[Size] = dataclasses.field(default_factory=Counter)
    grey: tuple[float, float] | None = None
    mask_areas: tuple[float, ...] = ()
    class_areas: Mapping[str, Sequence[float]] = dataclasses.field(default_factory=dict)
    split: tuple[str, ...] = ()
    shortfall: str = ""
    faults: tuple[Fault, ...] = ()
    reasons: tuple[str, ...] = ()
    notes: tuple[Fault, ...] = ()
    tiles: Sequence[ByteArray] = ()

    @property
    def is_ready(self) -> bool:
        """Whether run_table takes the data."""
        return not self.faults and not self.shortfall

    def text(self, *, each_file: bool = False) -> str:
        """Return the report as plain text: what was read, findings, the verdict.

        Many equal findings are one line, unless `each_file`.
        """
        lines = [printable(f"{self.root}: {self._summary()}")]
        if self.image_sizes:
            lines.append(f"  images: {_sizes_text(self.image_sizes)}{self._values()}")
        if self.mask_sizes:
            lines.append(f"  masks:  {_sizes_text(self.mask_sizes)}")
        lines += [
            f"  class {index}, {name}: {self._area(areas)}"
            for index, (name, areas) in enumerate(self.class_areas.items(), start=1)
        ]
        lines += [f"  {line}" for line in self.split]
        lines += self._list("note", self.notes, each_file)
        lines += self._list("fault", self.faults, each_file)
        lines += [printable(f"Likely reason: {reason}") for reason in self.reasons]
        return "\n".join([*lines, printable(self._verdict())])

    def _summary(self) -> str:
        if self.layout is None:
            return "no data set"
        shown = f"target: {self.target}"
        if self.target == BOTH_LUNGS:
            shown = f"lungs: {self.lungs}"
        elif self.target == UNNAMED:
            shown = "target not named (--target NAME)"
        found = counted(self.n_cases, "case")
        if self.n_unlabelled:
            found += f" and {counted(self.n_unlabelled, 'unlabelled image')}"
        return f"{found} in the {self.layout} layout, {shown}"

    def _values(self) -> str:
        if self.grey is None:
            return ""
        return f", values {self.grey[0]:.0f} to {self.grey[1]:.0f} of 0 to 255"

    def _area(self, areas: Sequence[float]) -> str:
        found = f"in {len(areas)} of {len(self.mask_areas)} masks"
        if not areas:
            return found
        return (
            f"{found}, {min(areas):.1f} to {max(areas):.1f} % of the image, median "
            f"{statistics.median(areas):.1f} %"
        )

    def _verdict(self) -> str:
        shown = shlex.quote(str(self.root))
        if self.faults:
            again = (
                f"correct {'it' if len(self.faults) == 1 else 'them'} and check again"
            )
            return f"NOT READY: {counted(len(self.faults), 'fault')}: {again}"
        if self.shortfall:
            return f"NOT READY: no faults, but {self.shortfall}"
        return (
            "READY: no faults; next: tfgansynth run-table --preset fast --data "
            f"{shown} --dry-run"
        )

    def _list(
        self, noun: str, findings: Sequence[Fault], each_file: bool
    ) -> Iterator[str]:
        if not findings:
            return
        groups = [[each] for each in findings] if each_file else group_faults(findings)
        n_lines = f" in {len(groups)} lines" if 1 < len(groups) < len(findings) else ""
        more = " (--each-file names all)" if len(groups) < len(findings) else ""
        yield f"{counted(len(findings), noun)}{n_lines}{more}:"
        for first, *others in groups:
            shown = self._below_root(first)
            if others:
                shown = Fault(
                    Path(f"{shown.path} (and {len(others)} more)"), shown.problem
                )
            yield f"  {shown}"

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
    with_tiles: bool = False,
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
        with_tiles: Draw the first cases for a contact sheet.

    Raises:
        InputError: `lungs` and target do not go together.
        RunError: The image decoder fails for a reason other than the data.
    """
    try:
        scan = find_cases(root)
        target = target_of(root, scan.layout, lungs, target)
    except FileError as error:
        return Report(root=root, lungs=lungs, target=target, faults=(error.fault,))
    image_sizes: Counter[Size] = Counter()
    mask_sizes: Counter[Size] = Counter()
    mask_areas: list[float] = []
    faults = list(scan.faults)
    table = collect(partial(read_case_table, root, scan), faults)
    notes = [Fault(path, "is not an image file; ignored") for path in scan.ignored]
    if scan.described and scan.described.negatives:
        names = scan.described.negatives
        found = f"{counted(len(names), 'negative')}, with an empty mask on purpose"
        notes.append(Fault(root / folder.MASKS, f"has {found} ({name_few(names)})"))
    duplicates: list[Fault] = []
    small: dict[str, FloatArray] = {}
    agreement = Agreement()
    classes = scan.described.classes if scan.described else (target,)
    n_classes = len(classes)
    class_areas: dict[str, list[float]] = {name: [] for name in classes}
    tiles: list[ByteArray] = []
    lows, highs = [], []
    tried: list[list[Tried]] = [[] for _ in range(n_classes)]
    of_unlabelled, sides = Agreement(), []
    for case in itertools.chain(
        examine(scan, lungs, agreement),
        examine(scan.without_masks, lungs, of_unlabelled),
    ):
        faults += case.faults
        if case.duplicate_of is not None:
            duplicates.append(same_image(case.source, case.duplicate_of))
        elif case.image is not None:
            # All images at full size may not fit in memory.
            grey = luminance(case.image)
            small[case.source.case_id] = resize_area(grey, min(SIDE, *grey.shape))
        if case.image is not None:
            image_sizes[size_of(case.image)] += 1
            sides += [min(case.image.shape[:2])] if case.source.mask_paths else []
            lows.append(float(case.image.min()))
            highs.append(float(case.image.max()))
        if case.labels is not None:
            mask_sizes[size_of(case.labels)] += 1
            mask_areas.append(100 * float((case.labels > 0).mean()))
            for index, name in enumerate(classes, start=1):
                if area := 100 * float((case.labels == index).mean()):
                    class_areas[name].append(area)
            if with_tiles and case.image is not None and len(tiles) < SHEET_CASES:
                pixels = np.asarray(case.image, np.uint8)
                tiles.append(case_tile(case.source.case_id, pixels, case.labels))
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
    faults += of_unlabelled.faults()
    notes += [*agreement.notes(), *of_unlabelled.notes()]
    if size and (resizing := summarize_classes(tried, sides, size)):
        notes += [Fault(root, sentence) for sentence in resizing.sentences]
    both = *scan.sources, *scan.unlabelled
    sources = {source.case_id: source for source in both}
    duplicates += [
        Fault(
            sources[pair.second].image_path,
            f"is {pair.relation} {sources[pair.first].image_path.name}; remove one "
            "(run_table refuses them across its split without --allow-duplicates)",
        )
        for pair in find_duplicates(small)
    ]
    (notes if allow_duplicates else faults).extend(duplicates)
    case_ids = sorted(source.case_id for source in scan.sources)
    split, shortfall = _split(case_ids, table or CaseTable())
    return Report(
        root=root,
        lungs=lungs,
        target=target,
        layout=scan.layout,
        n_cases=len(scan.sources),
        n_unlabelled=len(scan.unlabelled),
        image_sizes=image_sizes,
        mask_sizes=mask_sizes,
        grey=(min(lows), max(highs)) if lows else None,
        mask_areas=tuple(mask_areas),
        class_areas=class_areas if mask_areas else {},
        split=split,
        shortfall=shortfall,
        faults=tuple(faults),
        reasons=tuple(likely_reasons(root, scan)),
        notes=tuple(notes),
        tiles=tiles,
    )


def _split(case_ids: Sequence[str], table: CaseTable) -> tuple[tuple[str, ...], str]:
    """Say how run_table would split the cases, and why it would not."""
    config = Config()
    try:
        folds = make_folds(case_ids, config, table)
    except InputError as fault:
        return (), str(fault)
    least, needed = min(len(f.training) for f in folds), config.data.n_reduced
    if least < needed:
        reduced = f"a fold has only {least} training cases, it takes {needed}"
    else:
        reduced = f"{needed} of a fold's {least} training cases or more"
    split = describe_split(folds, table, reduced=False)
    return (f"split: {split}", f"with --reduced: {reduced}"), ""


def _oddities(case: Examined, *, is_pair: bool) -> list[Fault]:
    """Return what a person should look at in a case without faults, perhaps a pair."""
    notes = []
    assert case.image is not None
    span = float(case.image.max() - case.image.min())
    if span < _NARROW_SPAN:
        notes.append(
            Fault(
                case.source.image_path,
                f"uses {span:.0f} of 255 grey levels",
            )
        )
    if is_pair and case.labels is not None and len(find_regions(case.labels > 0)) == 1:
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
