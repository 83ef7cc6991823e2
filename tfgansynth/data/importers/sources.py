"""Where the files of a case lie, and how to read them."""

import dataclasses
import os
import unicodedata
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np

from tfgansynth.arrays import FloatArray, MaskArray
from tfgansynth.data.dataset import RawCase
from tfgansynth.data.importers.images import read_grey, read_jsrt_raw, read_mask
from tfgansynth.data.lungs import Lungs, select_lungs
from tfgansynth.errors import Fault, FileError

MAX_FILES = 50_000
"""A folder with more is not searched: it is hardly that of a data set."""

Layout = Literal["folder", "jsrt"]
"""How the files of a data set are arranged: see `folder` and `jsrt`."""


@dataclasses.dataclass(frozen=True, slots=True)
class Source:
    """The files of one case.

    Attributes:
        case_id: Stem of the image's file name, in Unicode normal form C.
        layout: The layout it was found in.
        image_path: The image.
        mask_paths: The masks by what they hold: `both` in the folder layout,
            `left` and `right` (at least one of them) in the JSRT layout.
    """

    case_id: str
    layout: Layout
    image_path: Path
    mask_paths: Mapping[Lungs, Path]

    @property
    def mask_path(self) -> Path:
        """The first mask: the file to name when the mask is at fault."""
        return next(iter(self.mask_paths.values()))


@dataclasses.dataclass(frozen=True, slots=True)
class Scan:
    """What a folder holds by its file names alone; nothing is read yet.

    Attributes:
        layout: The layout scanned for.
        sources: The cases that have an image and a mask, in order of their ids.
        faults: Everything wrong with names, pairs and links.
        ignored: Files that are not part of the layout.
    """

    layout: Layout
    sources: tuple[Source, ...]
    faults: tuple[Fault, ...]
    ignored: tuple[Path, ...] = ()


def read(source: Source, lungs: Lungs) -> RawCase:
    """Read the image and the mask of a case.

    Raises:
        InputError: A file cannot be read, or the mask of a lung is missing.
    """
    return RawCase(
        case_id=source.case_id,
        image=read_image(source),
        mask=read_lungs(source, lungs),
    )


def read_image(source: Source) -> FloatArray:
    """Read the image of a case: float32 (H, W), [0, 255], bones bright.

    Raises:
        InputError: The file cannot be read.
    """
    is_raw = source.image_path.suffix.lower() == ".img"
    return read_jsrt_raw(source.image_path) if is_raw else read_grey(source.image_path)


def read_lungs(source: Source, lungs: Lungs) -> MaskArray:
    """Read the mask of a case: bool (h, w), the lungs asked for.

    Raises:
        InputError: A file cannot be read, the mask of a lung is missing, or the
            masks of the two lungs differ in size.
    """
    if "both" in source.mask_paths:
        return select_lungs(read_mask(source.mask_paths["both"]), lungs)
    if lungs != "both":
        return read_mask(_organ_path(source, lungs))
    left = read_mask(_organ_path(source, "left"))
    right_path = _organ_path(source, "right")
    right = read_mask(right_path)
    if left.shape != right.shape:
        raise FileError(right_path, "differs in size from the mask of the left lung")
    return np.asarray(left | right)


def normal_stem(path: Path) -> str:
    """Return the stem of the file name in Unicode normal form C.

    Some systems store accents as separate characters; the same name must give
    the same case id everywhere.
    """
    return unicodedata.normalize("NFC", path.stem)


def id_problem(case_id: str) -> str | None:
    """Say why a case id would not be safe as a file name; None if it is."""
    odd = sorted({c for c in case_id if not (c.isalnum() or c in " ._-")})
    if odd:
        shown = " ".join(odd)
        return f"name holds {shown}; rename it with letters, digits, space . _ - only"
    if case_id != case_id.strip(" ."):
        return "name begins or ends with a space or dot; rename it"
    return None


def list_folder(folder: Path, faults: list[Fault]) -> list[Path]:
    """Return what a folder holds, in order of the names, without hidden files.

    A folder that cannot be read goes to `faults`.

    Raises:
        InputError: It holds more than 50000 files.
    """
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in islice(entries, MAX_FILES + 1)]
    except OSError as error:
        faults.append(Fault(folder, f"cannot be read: {error.strerror}"))
        return []
    if len(names) > MAX_FILES:
        raise too_many_files(folder)
    return [folder / name for name in sorted(names) if not name.startswith(".")]


def too_many_files(folder: Path) -> FileError:
    """Return the error for a folder that holds more than a data set would."""
    return FileError(
        folder, f"holds more than {MAX_FILES} files; name the data set's own folder"
    )


def leaves(path: Path, root: Path) -> bool:
    """Tell whether a path below `root` leads elsewhere by a link."""
    # Not Path.resolve, which raises where links go round in circles.
    real_root = os.path.realpath(root)
    return os.path.commonpath([os.path.realpath(path), real_root]) != real_root


def file_problem(path: Path, root: Path) -> str | None:
    """Say why a file found below `root` should not be opened; None if it may be."""
    # os.path says no where pathlib raises, as in a folder without permission.
    if os.path.islink(path):
        if not os.path.exists(path):
            return "is a link to nothing; put the file itself here"
        if leaves(path, root):
            return "is a link that leaves the data folder; put the file itself here"
    return None if os.path.isfile(path) else "is not a regular file, or out of reach"


def _organ_path(source: Source, lung: Lungs) -> Path:
    if lung not in source.mask_paths:
        raise FileError(
            source.image_path,
            f"has no {lung} lung mask (a file of this name in a folder '{lung} lung')",
        )
    return source.mask_paths[lung]
