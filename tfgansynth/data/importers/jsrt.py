"""Importer of the JSRT images and the SCR masks as their owners distribute them.

JSRT (Shiraishi et al., AJR 2000): 154 images with a nodule (`JPCLN001.IMG`) and 93
without (`JPCNN001.IMG`). SCR (van Ginneken et al., MedIA 2006): one mask per organ, in
folders named after the organ (`fold1/masks/left lung/JPCLN001.gif`). The two folds of
SCR are not used.
"""

import os
import re
from collections import defaultdict
from pathlib import Path
from typing import Literal

from tfgansynth.data.importers.images import EXTENSIONS
from tfgansynth.data.importers.sources import (
    Scan,
    Source,
    file_problem,
    list_folder,
    walk,
)
from tfgansynth.data.lungs import Lungs
from tfgansynth.errors import Fault

_Role = Literal["image", "left", "right", "other organ"]

_SIDES: tuple[Literal["left", "right"], ...] = ("left", "right")
_CASE_ID = re.compile(r"JPC(LN|NN)[0-9]{3}", re.IGNORECASE)
_IMAGE_EXTENSIONS = EXTENSIONS | {"img"}
_ORGANS: dict[str, _Role] = {
    "leftlung": "left",
    "rightlung": "right",
    "heart": "other organ",
    "leftclavicle": "other organ",
    "rightclavicle": "other organ",
}


def scan(root: Path) -> Scan:
    """Find the images and the lung masks anywhere below `root`.

    The names of organ folders may have any letter case, and a space, `_`, `-` or
    nothing between the words. Hidden files and files of other names are ignored. A case
    needs the mask of at least one lung. Whether the requested lungs exist is checked
    when the case is read.

    Args:
        root: A folder.

    Returns:
        The cases, and the faults that names and links reveal: an image without a
        mask, a mask without an image, a name used twice, and links that leave `root`.
    """
    faults: list[Fault] = []
    found: dict[_Role, dict[str, Path]] = defaultdict(dict)
    for path in walk(root, faults):
        role = _role(path.relative_to(root))
        case_id = path.stem.upper()
        if role is None or role == "other organ":
            continue
        if problem := file_problem(path, root):
            faults.append(Fault(path, problem))
        elif case_id in found[role]:
            faults.append(
                Fault(path, f"has the same name as {found[role][case_id]}; remove one")
            )
        else:
            found[role][case_id] = path
    images = found["image"]
    masks: dict[str, dict[Lungs, Path]] = defaultdict(dict)
    for side in _SIDES:
        for case_id, path in found[side].items():
            masks[case_id][side] = path
    faults += [
        Fault(images[case_id], "has no mask in a folder 'left lung' or 'right lung'")
        for case_id in sorted(images.keys() - masks.keys())
    ]
    faults += [
        Fault(path, f"has no image ({case_id}.IMG)")
        for case_id in sorted(masks.keys() - images.keys())
        for path in masks[case_id].values()
    ]
    sources = tuple(
        Source(case_id, images[case_id], masks[case_id])
        for case_id in sorted(images.keys() & masks.keys())
    )
    return Scan("jsrt", sources, tuple(faults))


def has_jsrt_names(root: Path) -> bool:
    """Whether any file below `root` is named like a JSRT image or mask."""
    return any(_role(path.relative_to(root)) for path in walk(root, []))


def has_organ_folder(folder: Path) -> bool:
    """Whether a folder directly in `folder` is named after an organ."""
    return any(
        _organ(path.name) for path in list_folder(folder, []) if os.path.isdir(path)
    )


def _role(relative: Path) -> _Role | None:
    """Return what a file is, by its name and folders; None if not part of JSRT."""
    extension = relative.suffix[1:].lower()
    if not _CASE_ID.fullmatch(relative.stem) or extension not in _IMAGE_EXTENSIONS:
        return None
    organs = [role for name in relative.parts[:-1] if (role := _organ(name))]
    return organs[-1] if organs else "image"


def _organ(folder_name: str) -> _Role | None:
    return _ORGANS.get(re.sub(r"[ _-]", "", folder_name).lower())
