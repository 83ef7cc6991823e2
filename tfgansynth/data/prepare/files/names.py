"""What file names say: image or mask, of which case, of which class."""

import dataclasses
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile
from pathlib import PurePosixPath

from tfgansynth.data.importers.stored import EXTENSIONS
from tfgansynth.errors import InputError

Key = tuple[str, ...]
"""Folders, without those that only say image or mask, and the case's own name."""

_IMAGE = (
    "images?|imagestr|imgs?|im|originals?|pictures?|photos?|scans?|inputs?|raw|"
    "jpegimages|xrays?|radiographs?"
)
_MASK = (
    "masks?|labels?|labelstr|labelmaps?|segs?|segmentations?|segmentationclass|gts?|"
    "ground_?truths?|annotations?|manual|truth|targets?|lesions?"
)
_SPLITS = re.compile("train|training|val|valid|validation|test|testing|data")
_ONLY = "volume"
_VOLUMES = (".nii", ".nii.gz")
_BETWEEN = r"[ _.-]"
_WORD = f"{_IMAGE}|{_MASK}"
_AT_END = re.compile(
    rf"(?P<base>.*\S){_BETWEEN}(?P<word>{_WORD})(?:{_BETWEEN}?(?P<tag>[0-9]+)"
    rf"|{_BETWEEN}(?P<name>[a-z0-9]+))?",
    re.IGNORECASE,
)
_AT_START = re.compile(
    rf"(?P<word>{_WORD})(?:{_BETWEEN}?(?P<tag>[0-9]+)|{_BETWEEN}(?P<name>.+))?",
    re.IGNORECASE,
)
_CHANNEL = re.compile(r"(?P<base>.+)_(?P<channel>[0-9]{4})")


def find_patient(case: str, pattern: str) -> str:
    """Find the patient in a case's name: the first group, or all of the match.

    Raises:
        InputError: The pattern is no regular expression, or finds none.
    """
    try:
        match = re.search(pattern, case)
    except re.error as fault:
        raise InputError(
            f"--patient-pattern {pattern}: is no regular expression ({fault})"
        ) from fault
    found = match and match[min(1, match.re.groups)]
    if not found:
        raise InputError(
            f"--patient-pattern {pattern}: finds no patient in the case {case}"
        )
    return found


@dataclasses.dataclass(frozen=True, slots=True)
class Name:
    """A file, by its name alone.

    Attributes:
        path: Below the folder that was listed.
        is_mask: Whether it is a mask.
        folders: The folders above it, without the one that says image or mask.
        below: Index in `folders` of the first one below that folder.
        stem: Its name without the extension.
        base: The same without the word that says image or mask.
        tag: What follows that word: a number, or a class.
    """

    path: PurePosixPath
    is_mask: bool
    folders: Key
    below: int
    stem: str
    base: str
    tag: str = ""

    @property
    def is_dicom(self) -> bool:
        """Whether it is a DICOM file."""
        name = self.path.name.lower()
        return name.endswith((".dcm", ".dicom")) or not name.endswith(EXTENSIONS)

    @property
    def is_in_folder(self) -> bool:
        """Whether a folder says that it is an image or a mask."""
        return len(self.folders) < len(self.path.parts) - 1

    @property
    def keys(self) -> Iterator[tuple[Key, str]]:
        """The cases it may belong to, with the tag that remains; best first."""
        yield (*self.folders, self.stem), ""
        if not self.base:
            yield (*self.folders, self.tag), ""
        yield (*self.folders, self.base), self.tag
        if self.is_mask and self.below < len(self.folders):
            tag = self.folders[self.below]
            folders = (*self.folders[: self.below], *self.folders[self.below + 1 :])
            yield (*folders, self.stem), tag
            yield (*folders, self.base), tag


def parse(path: PurePosixPath, *, nnunet: bool) -> Name | None:
    """Read a path; None if it is not a file that may be an image.

    Args:
        path: Below the folder that was listed.
        nnunet: Whether image names end in the number of a channel.
    """
    stem = _stem(path)
    if stem is None:
        return None
    folders = path.parts[:-1]
    role, below = None, len(folders)
    for index, folder in enumerate(folders):
        if (found := role_of(folder)) is not None:
            role, below = found, index
    if role is not None:
        folders = (*folders[:below], *folders[below + 1 :])
    base, tag = stem, ""
    if nnunet and role == "image" and (match := _CHANNEL.fullmatch(stem)):
        base, tag = match["base"], "" if match["channel"] == "0000" else match[2]
    elif match := _AT_END.fullmatch(stem):
        word_role = role_of(match["word"])
        if role in (None, word_role):
            role, base = word_role, match["base"]
            tag = match["tag"] or match["name"] or ""
    elif match := _AT_START.fullmatch(stem):
        word_role = role_of(match["word"])
        if role in (None, word_role):
            role, base, tag = word_role, "", match["tag"] or match["name"] or ""
    return Name(path, role == "mask", folders, below, stem, base, tag)


@dataclasses.dataclass(frozen=True, slots=True)
class Series:
    """Images that are the slices of one volume, and its masks."""

    slices: tuple[Name, ...]
    masks: tuple[Name, ...]

    @property
    def name(self) -> Name:
        """The folder in place of an image."""
        first = self.slices[0]
        stem = first.folders[-1] if first.folders else _ONLY
        folder = first.path.parent
        return Name(folder, False, first.folders[:-1], first.below, stem, stem)

    @property
    def paths(self) -> tuple[PurePosixPath, ...]:
        """The files of the slices."""
        return tuple(each.path for each in self.slices)


def find_series(images: Iterable[Name], masks: Iterable[Name]) -> dict[Key, Series]:
    """Find folders of DICOM images of which one mask, or one a class, is for all."""
    slices: dict[Key, list[Name]] = defaultdict(list)
    for image in images:
        slices[image.folders].append(image)
    single = {(*i.folders, i.stem): i.folders for each in slices.values() for i in each}
    own: Counter[Key] = Counter()
    found: dict[Key, list[Name]] = defaultdict(list)
    for mask in masks:
        of_slice = [key for key, _ in mask.keys if key in single]
        for key in of_slice[:1]:
            # The first file of a mask and of a series are both called 1.
            own[single[key]] += 1 if re.fullmatch(r"[\W\d_]+", key[-1]) else 2
        if not mask.is_dicom and not mask.path.name.lower().endswith(_VOLUMES):
            continue
        below = [key for key in slices if key[: len(mask.folders)] == mask.folders]
        candidates = [
            *(single[key] for key in of_slice),
            *(key for key, _ in mask.keys),
            mask.folders,
            *(below if len(below) == 1 else ()),
        ]
        of = next((key for key in candidates if key in slices), None)
        if of is not None:
            found[of].append(mask)
    return {
        folder or (_ONLY,): Series(tuple(slices[folder]), tuple(listed))
        for folder, listed in found.items()
        # Where images have a mask of the same name, each has its own.
        if own[folder] < 2 <= len(slices[folder])
        and all(image.is_dicom for image in slices[folder])
        and (folder or len(listed) == 1)
    }


def role_of(word: str) -> str | None:
    """Whether a folder or a part of a name says `image` or `mask`; else None."""
    plain = re.sub(r"[ _-]", "", word).lower()
    if re.fullmatch(_IMAGE, plain):
        return "image"
    if re.fullmatch(_MASK, plain):
        return "mask"
    parts = re.split(r"[ _-]", word.lower())
    # As `segmentation_masks` and `mask_images`.
    if all(re.fullmatch(_WORD, part) for part in parts):
        return "mask" if any(re.fullmatch(_MASK, part) for part in parts) else "image"
    return None


def differing(names: Sequence[Name]) -> dict[Key, Name]:
    """Index names by what they do not share; empty if two have that in common.

    `1_ct`, `2_ct` and `10_ct` in one folder differ by 1, 2 and 10.
    """
    parts = [(*name.folders, name.stem) for name in names]
    n_shared = _shared([each[:-1] for each in parts])
    stems = [each[-1] for each in parts]
    # Not within a number: 1 and 10 differ by 1 and 10.
    before = re.sub(r"[0-9]+$", "", stems[0][: _shared(stems)])
    rest = [stem[len(before) :][::-1] for stem in stems]
    after = re.sub(r"[0-9]+$", "", rest[0][: _shared(rest)])
    found = {
        (*each[n_shared:-1], stem[len(before) : len(stem) - len(after)]): name
        for name, each, stem in zip(names, parts, stems, strict=True)
    }
    return found if len(found) == len(names) else {}


def _shared(sequences: Sequence[Sequence[str]]) -> int:
    """Count what is the same at the beginning of all."""
    columns = zip(*sequences, strict=False)
    return sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, columns))


def is_split(folder: str) -> bool:
    """Whether a folder's name says a part of a data set, and no patient."""
    return bool(_SPLITS.fullmatch(folder.lower()))


def _stem(path: PurePosixPath) -> str | None:
    name = path.name.lower()
    for extension in EXTENSIONS:
        if name.endswith(extension) and len(name) > len(extension):
            return path.name[: -len(extension)]
    # DICOM files often have no extension: IM000001, 1.2.840.113619.2.
    return path.name if re.fullmatch(r"(i|im|img)?[0-9][0-9._-]*", name) else None


def natural(text: str) -> list[tuple[int, int, str]]:
    """Sort key that has 2 before 10."""
    return [
        (0, int(part), "") if part.isdecimal() else (1, 0, part.casefold())
        for part in re.split(r"([0-9]{1,18})", text)
        if part
    ]
