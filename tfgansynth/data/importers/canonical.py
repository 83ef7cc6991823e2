"""The description of a canonical data set: its file `dataset.json`.

A canonical data set has PNG files of equal names in `images/` (8 or 16 bits, grey or
RGB) and `masks/` (class indices, 0 is the background). `prepare` writes it.
"""

import dataclasses
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tfgansynth.arrays import FloatArray, Labels
from tfgansynth.data.dataset import UNNAMED, Layout
from tfgansynth.data.importers.stored import read_stored
from tfgansynth.data.lungs import BOTH_LUNGS, LUNG_TARGETS, Lungs
from tfgansynth.errors import Fault, FileError, InputError, name_few, printable
from tfgansynth.ranges import NAME
from tfgansynth.runtime.storage import (
    MOST_JSON_BYTES,
    hash_file,
    parse_json,
    read_bytes,
)

FILE_NAME = "dataset.json"
CASES_NAME = "cases.csv"
CONTACT_SHEET = "contact-sheet.png"
FORMAT = "tfgansynth-dataset"
VERSION = 1

_AGAIN = "undo that, or make a new data set of this folder with prepare-data"


@dataclasses.dataclass(frozen=True, slots=True)
class Description:
    """What `dataset.json` says.

    Attributes:
        target: What the masks show, in a word or two.
        classes: Their names, in the order of the indices from 1.
        channels: Of the images: 1 for grey, 3 for RGB.
        spacing_mm: Distances of rows and columns, if they are the same in all images.
        negatives: Cases whose mask is empty, on purpose.
        made: How it was made: source, layout, options, what was understood.
        files: SHA-256 by relative path.
    """

    target: str
    classes: tuple[str, ...]
    channels: Literal[1, 3]
    spacing_mm: tuple[float, float] | None
    negatives: tuple[str, ...]
    made: Mapping[str, Any]
    files: Mapping[str, str]

    def record(self) -> dict[str, Any]:
        """Render as plain values for JSON."""
        classes = {"background": 0} | {n: i + 1 for i, n in enumerate(self.classes)}
        return {
            "format": FORMAT,
            "version": VERSION,
            **dataclasses.asdict(self),
            "classes": classes,
        }


def read_description(root: Path) -> Description | None:
    """Read the description of a data set; None if it is not a canonical one.

    Raises:
        InputError: It cannot be read, or is not one that this version writes.
    """
    path = root / FILE_NAME
    if not path.is_file():
        return None
    try:
        content = parse_json(read_bytes(path, MOST_JSON_BYTES))
    except ValueError as fault:
        raise FileError(path, f"cannot be read as JSON ({fault})") from fault
    if content.get("format") != FORMAT:
        return None
    if content.get("version") != VERSION:
        raise FileError(
            path,
            f"has version {content.get('version')!r}, this program reads {VERSION}; "
            "run prepare-data again",
        )
    try:
        return _description(content)
    except (LookupError, TypeError, ValueError, AttributeError) as fault:
        raise FileError(
            path, f"was altered ({fault}); run prepare-data again"
        ) from fault


def altered(
    root: Path, described: Description, paths: Iterable[Path]
) -> Iterator[Fault]:
    """Yield what is no longer as `dataset.json` says.

    Args:
        root: The folder of the data set.
        described: What its `dataset.json` says.
        paths: Its images and masks, which are safe to open.
    """
    found = {path.relative_to(root).as_posix(): path for path in paths}
    table = root / CASES_NAME
    if table.is_file() and not table.is_symlink():
        found[CASES_NAME] = table
    for name, path in sorted(found.items()):
        try:
            if name not in described.files:
                yield Fault(path, f"is not in {FILE_NAME}; {_AGAIN}")
            elif hash_file(path) != described.files[name]:
                yield Fault(path, f"was changed since {FILE_NAME}; {_AGAIN}")
        except OSError as error:
            yield Fault(path, f"cannot be read: {error.strerror}")
    for name in sorted(described.files.keys() - found.keys() - {CONTACT_SHEET}):
        # Others than these are faults by their names or kinds.
        if not os.path.lexists(root / name):
            yield Fault(root / name, f"is missing, {FILE_NAME} has it; {_AGAIN}")


def target_of(root: Path, layout: Layout, lungs: Lungs, stated: str = "") -> str:
    """Say what the masks of a data set show.

    Args:
        root: The folder of the data set.
        layout: Its layout. The masks of JSRT show lungs.
        lungs: Which lungs are chosen.
        stated: What is stated; without, as `dataset.json` says, else `target`.

    Raises:
        InputError: Lungs are chosen in masks of something else, lungs are stated to be
            something else, or `dataset.json` has no possible name.
    """
    if layout == "jsrt":
        if stated not in ("", BOTH_LUNGS):
            raise InputError(
                f"--target {stated}: {printable(str(root))} has the lung masks of "
                "JSRT/SCR: leave it out"
            )
        return BOTH_LUNGS
    described = read_description(root)
    target = stated or (described.target if described else UNNAMED)
    if target not in NAME:
        raise FileError(
            root / FILE_NAME,
            f"has the target {printable(target)}, expected {NAME}: name it with "
            "--target NAME",
        )
    classes = {*described.classes} if described else {target}
    if not stated and target == UNNAMED and LUNG_TARGETS.keys() >= classes:
        target = BOTH_LUNGS
    if lungs != "both" and described and len(described.classes) > 1:
        raise InputError(
            f"--lungs {lungs}: {printable(str(root))} has several classes "
            f"({name_few(described.classes)}): leave it out"
        )
    if lungs != "both" and target != BOTH_LUNGS:
        raise InputError(
            f"--lungs {lungs}: the masks of {printable(str(root))} show another target "
            f"({target}): leave it out, or add --target {BOTH_LUNGS}"
        )
    return target


def _description(content: Mapping[str, Any]) -> Description:
    spacing = content["spacing_mm"]
    classes = content["classes"]
    names = list(classes)
    if list(classes.values()) != list(range(len(names))) or len(names) < 2:
        raise ValueError("classes")
    for name in (content["target"], *names, *content["negatives"]):
        if not isinstance(name, str) or not name:
            raise TypeError("a name is no text")
    bad = next((name for name in names[1:] if name not in NAME), None)
    if bad is not None:
        raise ValueError(f"the class {printable(bad)}: expected {NAME}")
    if content["channels"] not in (1, 3):
        raise ValueError("channels")
    files = dict(content["files"])
    for name, digest in files.items():
        if not isinstance(digest, str) or not re.fullmatch(r"(\w+/)?[^/\0]+", name):
            raise ValueError("files")
    if spacing is not None and not all(0 < mm < math.inf for mm in spacing):
        raise ValueError("spacing_mm")
    return Description(
        target=content["target"],
        classes=tuple(names[1:]),
        channels=content["channels"],
        spacing_mm=None if spacing is None else (float(spacing[0]), float(spacing[1])),
        negatives=tuple(content["negatives"]),
        made=dict(content["made"]),
        files=files,
    )


def read_color(path: Path) -> FloatArray:
    """Read an image of a canonical data set in color: float32 (H, W, 3), [0, 255].

    Raises:
        InputError: It cannot be read, or is not in color.
    """
    stored = read_stored(path)
    if stored.kind != "color" or stored.pixels.ndim != 3:
        raise FileError(path, "is not in color, as dataset.json says")
    most = np.float32(np.iinfo(stored.pixels.dtype).max / 255)
    return np.asarray(stored.pixels, np.float32) / most


def read_indices(path: Path, n_classes: int) -> Labels:
    """Read a mask of a canonical data set: uint8 (H, W), 0 to `n_classes`.

    Raises:
        InputError: It cannot be read, or has other values.
    """
    pixels = read_stored(path).pixels
    if pixels.ndim != 2 or pixels.min() < 0 or pixels.max() > n_classes:
        raise FileError(
            path,
            f"has other values than the classes of dataset.json, 0 to {n_classes}; run "
            "prepare-data again",
        )
    return np.asarray(pixels, np.uint8)
