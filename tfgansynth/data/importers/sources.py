"""The files of a case: where they are and how to read them."""

import dataclasses
import os
import unicodedata
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np

from tfgansynth.data.importers.canonical import Description, read_color, read_indices
from tfgansynth.data.importers.images import (
    Mask,
    Picture,
    read_jsrt_raw,
    read_mask,
    read_mask_file,
    read_picture,
)
from tfgansynth.data.lungs import Lungs, select_lungs
from tfgansynth.errors import Fault, FileError

MAX_FILES = 50_000
"""A folder with more files is not searched: it is probably not a data set."""

Layout = Literal["folder", "jsrt"]
"""The arrangement of the files of a data set; see `folder` and `jsrt`."""


@dataclasses.dataclass(frozen=True, slots=True)
class Source:
    """The files of one case.

    Attributes:
        case_id: Stem of the image's file name, in Unicode normal form C.
        image_path: The image.
        mask_paths: The masks by what they show: `both` in the folder layout, `left`
            and `right` (at least one of them) in the JSRT layout; none of an
            unlabelled image.
    """

    case_id: str
    image_path: Path
    mask_paths: Mapping[Lungs, Path]

    @property
    def mask_path(self) -> Path:
        """The first mask: the file to name if something is wrong with the mask."""
        return next(iter(self.mask_paths.values()))


@dataclasses.dataclass(frozen=True, slots=True)
class Scan:
    """The content of a folder by its file names; no file is read yet.

    Attributes:
        layout: The layout of the folder.
        sources: The cases that have an image and a mask, sorted by id.
        faults: Everything that is wrong with names, pairs and links.
        ignored: Files that are not part of the layout.
        described: What `dataset.json` says, where the data set is canonical.
        lone_images: Stems of images without a mask, in the folder layout.
        lone_masks: Stems of masks without an image.
        unlabelled: Images that are to have no mask, sorted by id, in the folder layout.
    """

    layout: Layout
    sources: tuple[Source, ...]
    faults: tuple[Fault, ...]
    ignored: tuple[Path, ...] = ()
    described: Description | None = None
    lone_images: tuple[str, ...] = ()
    lone_masks: tuple[str, ...] = ()
    unlabelled: tuple[Source, ...] = ()

    @property
    def without_masks(self) -> "Scan":
        """The same with the unlabelled images in the place of the cases."""
        return dataclasses.replace(self, sources=self.unlabelled)


def read_image(source: Source, channels: int = 1) -> Picture:
    """Read the image of a case, in color if it has 3 channels; bones bright.

    Raises:
        InputError: The file cannot be read.
    """
    if channels > 1:
        return Picture(read_color(source.image_path))
    if source.image_path.suffix.lower() == ".img":
        return Picture(read_jsrt_raw(source.image_path))
    return read_picture(source.image_path)


def read_labels(source: Source, lungs: Lungs, described: Description | None) -> Mask:
    """Read the mask of a case: the label map of a canonical data set, or one class.

    Raises:
        InputError: A file cannot be read, or see `read_lungs`.
    """
    if described is None:
        return read_lungs(source, lungs)
    labels = read_indices(source.mask_path, len(described.classes))
    # A choice between lungs is for one class only: see `target_of`.
    chosen = labels if lungs == "both" else select_lungs(labels > 0, lungs)
    return Mask(chosen)


def read_lungs(source: Source, lungs: Lungs) -> Mask:
    """Read the mask of a case: the requested lungs.

    Raises:
        InputError: A file cannot be read, the mask of a lung is missing, or the
            masks of the two lungs differ in size.
    """
    if "both" in source.mask_paths:
        mask = read_mask_file(source.mask_paths["both"])
        return Mask(select_lungs(mask.labels > 0, lungs), mask.level)
    if lungs != "both":
        return Mask(read_mask(_organ_path(source, lungs)))
    left = read_mask(_organ_path(source, "left"))
    right_path = _organ_path(source, "right")
    right = read_mask(right_path)
    if left.shape != right.shape:
        raise FileError(right_path, "differs in size from the mask of the left lung")
    return Mask(np.asarray(left | right))


def normal_stem(path: Path) -> str:
    """Return the stem of the file name in Unicode normal form C.

    Some systems store accents as separate characters; the same name must give
    the same case id everywhere.
    """
    return unicodedata.normalize("NFC", path.stem)


def id_problem(case_id: str) -> str | None:
    """Return why a case id is not safe as a file name; None if it is."""
    odd = sorted({c for c in case_id if not (c.isalnum() or c in " ._-")})
    if odd:
        shown = " ".join(odd)
        return f"name has {shown}; rename it with letters, digits, space . _ - only"
    if case_id != case_id.strip(" ."):
        return "name begins or ends with a space or dot; rename it"
    return None


def list_folder(folder: Path, faults: list[Fault]) -> list[Path]:
    """Return the content of a folder, sorted by name, without hidden files.

    If the folder cannot be read, `faults` is extended.

    Raises:
        InputError: It has more than 50000 files.
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


def walk(root: Path, faults: list[Fault]) -> Iterator[Path]:
    """Yield the files below `root` in order, without hidden ones.

    Unlike `os.walk`, it works at any depth.
    """
    folders = [root]
    n_files = 0
    while folders:
        paths = list_folder(folders.pop(), faults)
        n_files += len(paths)
        if n_files > MAX_FILES:
            raise too_many_files(root)
        subfolders = []
        for path in paths:
            if not os.path.isdir(path):
                yield path
            # Not followed: links may form a cycle.
            elif os.path.islink(path):
                faults.append(
                    Fault(path, "is a link to a folder; put the folder itself here")
                )
            else:
                subfolders.append(path)
        folders += reversed(subfolders)


def too_many_files(folder: Path) -> FileError:
    """Return the error for a folder that has too many files for a data set."""
    return FileError(
        folder,
        f"has more than {MAX_FILES} files; name the folder of the data set itself",
    )


def leaves(path: Path, root: Path) -> bool:
    """Whether a path below `root` leads out of it by a link."""
    # Path.resolve raises if links form a cycle.
    real_root = os.path.realpath(root)
    return os.path.commonpath([os.path.realpath(path), real_root]) != real_root


def file_problem(path: Path, root: Path) -> str | None:
    """Return why a file below `root` must not be opened; None if it may be."""
    # os.path returns False where pathlib raises, as in a folder without permission.
    if os.path.islink(path):
        if not os.path.exists(path):
            return "is a link to nothing; put the file itself here"
        if leaves(path, root):
            return "is a link that leaves the data folder; put the file itself here"
    return (
        None if os.path.isfile(path) else "is not a regular file, or is not accessible"
    )


def _organ_path(source: Source, lung: Lungs) -> Path:
    if lung not in source.mask_paths:
        raise FileError(
            source.image_path,
            f"has no {lung} lung mask (a file of this name in a folder '{lung} lung')",
        )
    return source.mask_paths[lung]
