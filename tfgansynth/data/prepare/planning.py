"""The first pass over the files of a data set: everything is decided here."""

import dataclasses
import re
import shlex
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from tfgansynth.data.lungs import BOTH_LUNGS, LUNG_TARGETS
from tfgansynth.data.prepare.files.layouts import Found
from tfgansynth.data.prepare.files.reading import Content, read
from tfgansynth.data.prepare.intensities import Range, Scale, measure, one_scale
from tfgansynth.data.prepare.masks import BACKGROUND, Rule, area_lines, understand
from tfgansynth.data.prepare.options import Options
from tfgansynth.data.prepare.values import Survey, survey
from tfgansynth.errors import FileError, InputError, name_few
from tfgansynth.ranges import NAME

Say = Callable[[str], None]
"""Takes a line for people."""

_UNNAMED = "target"
_SHOWN_SIZES = 4


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """How the cases of a data set are written.

    Attributes:
        found: The cases.
        rule: How the values of masks are read.
        scale: How the values of images are read.
        classes: Names of the classes, in the order of the indices from 1.
        tags: Index of the class by what the name of a mask file says; masks of other
            tags are left out. Empty if an image has one mask.
        target: What the masks show.
        left_out: Cases that are not written.
        negatives: Cases that are written with an empty mask.
    """

    found: Found
    rule: Rule
    scale: Scale
    classes: tuple[str, ...]
    tags: Mapping[str, int]
    target: str
    left_out: frozenset[str]
    negatives: tuple[str, ...]


@dataclasses.dataclass(slots=True)
class _Gathered:
    """What the files hold, one after the other."""

    labels: dict[str, int]
    masks: list[Survey] = dataclasses.field(default_factory=list)
    ranges: list[Range] = dataclasses.field(default_factory=list)
    masks_of: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    slices: set[str] = dataclasses.field(default_factory=set)
    sizes: Counter[tuple[int, int]] = dataclasses.field(default_factory=Counter)
    turned: int = 0
    halved: int = 0
    overlap: int = 0

    def add(self, case: str, name: str, content: Content) -> None:
        """Survey the files of a case."""
        for each in content.slices:
            self.masks_of[case + each.suffix] = [mask.name for mask in each.masks]
            self.masks += [survey(m.values, m.kind, m.name) for m in each.masks]
            height, width = each.pixels.shape[:2]
            self.sizes[width, height] += 1
            if each.suffix:
                self.slices.add(case + each.suffix)
        pixels = np.stack([each.pixels for each in content.slices])
        self.ranges.append(measure(pixels, content.image, name))
        self.turned += content.image.turned
        self.halved += content.image.halved
        self.overlap += content.overlap

    def name_values(self, path: Path, labels: Mapping[str, int]) -> None:
        """Take the names of values of a file, which must be those of all others."""
        names = {value: name for name, value in self.labels.items()}
        for name, value in labels.items():
            known = self.labels.setdefault(name, value), names.get(value, name)
            if known != (value, name):
                other = f"{name} is {known[0]}" if known[0] != value else known[1]
                raise FileError(
                    path,
                    f"the segment {value} is {name}, in files before {other}: number "
                    "and name segments alike in all files, or state what the numbers "
                    "are in all of them with --classes NAME=VALUE ...",
                )


def make_plan(root: Path, found: Found, options: Options, note: Say) -> Plan:
    """Look at all files and decide how to write them.

    Args:
        root: The folder of the data set.
        found: Its cases.
        options: What was stated.
        note: Takes what was understood.

    Raises:
        InputError: A file cannot be read, or something is ambiguous.
    """
    found, tags = _used(found, options, note)
    gathered = _gather(root, found, options)
    scale = one_scale(gathered.ranges, options)
    for line in (*scale.lines, *_size_lines(gathered, options)):
        note(f"images: {line}")
    by_file = found.several == "class" and options.foreground is None
    target = options.target or _default_target(found)
    spaced = _spaced(gathered.labels)
    rule, surveys = understand(
        gathered.masks,
        dataclasses.replace(options, classes=()) if by_file else options,
        {spaced[name]: value for name, value in gathered.labels.items()},
        target or _UNNAMED,
    )
    if found.several and len(rule.names) > 1:
        raise InputError(
            f"several masks an image, one for each {found.several}, and masks of "
            "several values do not go together: --foreground any takes all values"
        )
    classes = tuple(dict.fromkeys(tags.values())) if by_file else rule.names
    _require_names(classes)
    if found.several:
        note(f"masks: several an image, one for each {found.several}")
    for line in rule.lines:
        note(f"masks: {line}")
    if gathered.overlap:
        note(f"masks: segments overlap in {gathered.overlap} px, the later was taken")
    areas = {each.name: rule.area(each) for each in surveys}
    if not found.several and len(classes) == 1:
        for line in area_lines(areas):
            note(f"masks: {line}")
    empty = [
        case
        for case, names in gathered.masks_of.items()
        if not any(areas[name] for name in names)
    ]
    left_out, negatives = empty_cases(empty, gathered.slices, options, note)
    if len(left_out) + len(negatives) == len(gathered.masks_of):
        raise InputError("all masks are empty: nothing to learn")
    return Plan(
        found=found,
        rule=rule,
        scale=scale,
        classes=classes,
        tags={tag: classes.index(name) + 1 for tag, name in tags.items()},
        target=target or _name_of(classes),
        left_out=left_out,
        negatives=negatives,
    )


def first_of(problems: Sequence[str]) -> str:
    """Return the first of several problems, and how many more there are."""
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{problems[0]}{more}"


def _gather(root: Path, found: Found, options: Options) -> _Gathered:
    """Read every file; raise what is wrong with any, once all are read."""
    gathered = _Gathered(dict(found.labels))
    problems: list[str] = []
    for files in found.files:
        try:
            content = read(root, files, options, scales=found.is_jsrt)
            gathered.add(files.case, str(files.image), content)
            if found.several or options.classes or options.foreground:
                gathered.labels.update(content.labels)
            else:
                gathered.name_values(root / files.masks[0].path, content.labels)
        except InputError as fault:
            problems.append(str(fault))
    if problems:
        raise InputError(first_of(problems))
    return gathered


def _size_lines(gathered: _Gathered, options: Options) -> list[str]:
    common = gathered.sizes.most_common(_SHOWN_SIZES)
    more = len(gathered.sizes) - len(common)
    lines = [
        ", ".join(f"{width} x {height} px ({n})" for (width, height), n in common)
        + (f" and {more} more sizes" if more else "")
    ]
    n_odd = sum(n for (width, height), n in gathered.sizes.items() if width != height)
    if n_odd:
        lines.append(f"{n_odd} are not square: --fit {options.fit}")
    if gathered.turned:
        lines.append(
            f"{gathered.turned} have an orientation (EXIF), which was applied; masks "
            "must fit the upright image"
        )
    if gathered.halved:
        lines.append(f"{gathered.halved} have colors of 16 bits, the upper 8 are read")
    return lines


def empty_cases(
    empty: Sequence[str], slices: Collection[str], options: Options, note: Say
) -> tuple[frozenset[str], tuple[str, ...]]:
    """Decide on cases without target: which to leave out, and which to keep.

    Args:
        empty: The cases.
        slices: Those of them, and maybe others, that are slices.
        options: What was stated.
        note: Takes what was decided.

    Raises:
        InputError: It is not stated what to do with them.
    """
    left_out = {each for each in empty if each in slices}
    if options.slices == "all":
        left_out = set()
    if left_out:
        note(f"left out: {len(left_out)} slices without target (--slices all)")
    rest = [case for case in empty if case not in left_out]
    if not rest:
        return frozenset(left_out), ()
    found = f"{len(rest)} masks are empty ({name_few(rest)})"
    if options.negatives == "refuse":
        raise InputError(
            f"{found}: keep these images as negatives with --negatives keep, or leave "
            "them out with --negatives drop"
        )
    note(f"masks: {found}: --negatives {options.negatives}")
    if options.negatives == "drop":
        return frozenset({*left_out, *rest}), ()
    return frozenset(left_out), tuple(rest)


def _default_target(found: Found) -> str:
    return "lungs" if found.is_jsrt else ""


def _name_of(classes: Sequence[str]) -> str:
    """Name what the masks show by the classes, if these have one name."""
    if LUNG_TARGETS.keys() >= {*classes}:
        return classes[0] if len(classes) == 1 else BOTH_LUNGS
    name = " ".join(re.findall("[A-Za-z0-9]+", classes[0]))
    return name if len(classes) == 1 and name and name in NAME else _UNNAMED


def _require_names(classes: Sequence[str]) -> None:
    bad = next((name for name in classes if not name or name not in NAME), None)
    if bad is not None:
        plain = " ".join(re.findall("[A-Za-z0-9]+", bad)) or "lesion"
        example = shlex.quote(f"{plain if plain in NAME else 'lesion'}=VALUE")
        raise InputError(
            f"the class {bad}: expected {NAME}: name all classes with --classes "
            f"NAME=VALUE ..., for example {example}"
        )


def _used(found: Found, options: Options, note: Say) -> tuple[Found, dict[str, str]]:
    """Leave out masks of no class; return the others, and the class of each tag."""
    if found.several != "class":
        return found, {}
    named = _tags(found, options)
    tags = {tag: n for tag, n in named.items() if n.casefold() != BACKGROUND}
    if len(tags) < len(named):
        note(f"masks: {name_few([*(named.keys() - tags)])} is the background, left out")
    if not tags:
        raise InputError("the masks show the background alone: nothing to learn")
    files = tuple(
        dataclasses.replace(each, masks=tuple(m for m in each.masks if m.tag in tags))
        for each in found.files
    )
    found = dataclasses.replace(found, files=files)
    return found, {} if options.foreground else tags


def _spaced(names: Iterable[str]) -> dict[str, str]:
    """Write spaces for underscores, as in `left_lung`, where names stay different."""
    found = {name: " ".join(name.replace("_", " ").split()) for name in names}
    if len({*found.values()}) < len(found):
        return {name: name for name in found}
    return found


def _tags(found: Found, options: Options) -> dict[str, str]:
    """Name the class of each tag: as the files do, or as stated."""
    tags = sorted({mask.tag for files in found.files for mask in files.masks})
    if not options.classes or options.foreground:
        return _spaced(tags)
    known = {tag.casefold(): tag for tag in tags}
    named = {}
    for each in options.classes:
        name, _, listed = each.partition("=")
        for value in listed.split(","):
            tag = known.get(value.strip().casefold())
            if tag is None or not name.strip():
                raise InputError(
                    f"--classes {each}: expected NAME=VALUE with a VALUE of "
                    f"{', '.join(tags)}"
                )
            named[tag] = name.strip()
    return named
