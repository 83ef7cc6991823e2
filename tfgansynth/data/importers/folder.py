"""Importer of the folder layout: `images/STEM.ext` beside `masks/STEM.ext`.

Images without masks may stand beside them, in `unlabelled/`.
"""

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from tfgansynth.data.importers.images import EXTENSIONS
from tfgansynth.data.importers.sources import (
    Scan,
    Source,
    file_problem,
    id_problem,
    leaves,
    list_folder,
    normal_stem,
)
from tfgansynth.errors import Fault

IMAGES = "images"
MASKS = "masks"
UNLABELLED = "unlabelled"


def scan(root: Path) -> Scan:
    """Pair images with masks of the same stem.

    The extensions may differ. Hidden files are ignored. A mask shows all of the target.

    Args:
        root: A folder with `images/` and `masks/`.

    Returns:
        The cases, and the faults that names and links reveal: an image or a mask
        without its partner, a name used twice (even if letter case or Unicode normal
        form differ, and by an unlabelled image too), a name unsafe as a case id, and
        links that leave `root`.
    """
    faults: list[Fault] = []
    ignored: list[Path] = []
    images = _files_by_stem(root / IMAGES, root, faults, ignored)
    masks = _files_by_stem(root / MASKS, root, faults, ignored)
    lone_images = sorted(images.keys() - masks.keys())
    lone_masks = sorted(masks.keys() - images.keys())
    faults += [
        Fault(images[stem], "has no mask" + _expected(stem, MASKS, masks))
        for stem in lone_images
    ]
    faults += [
        Fault(masks[stem], "has no image" + _expected(stem, IMAGES, images))
        for stem in lone_masks
    ]
    sources = tuple(
        Source(stem, images[stem], {"both": masks[stem]})
        for stem in sorted(images.keys() & masks.keys())
    )
    unlabelled = _unlabelled(root, images.values(), faults, ignored)
    faults += [
        Fault(source.image_path, problem)
        for source in (*sources, *unlabelled)
        if (problem := id_problem(source.case_id))
    ]
    return Scan(
        "folder",
        sources,
        tuple(faults),
        tuple(ignored),
        lone_images=tuple(lone_images),
        lone_masks=tuple(lone_masks),
        unlabelled=unlabelled,
    )


def _unlabelled(
    root: Path, images: Iterable[Path], faults: list[Fault], ignored: list[Path]
) -> tuple[Source, ...]:
    """Find the images without masks, if there is a folder for them."""
    if not os.path.lexists(root / UNLABELLED):
        return ()
    found = _files_by_stem(root / UNLABELLED, root, faults, ignored)
    taken = {normal_stem(path).casefold(): path for path in images}
    faults += [
        Fault(path, f"has the same name as {IMAGES}/{taken[name].name}; rename it")
        for stem, path in sorted(found.items())
        if (name := stem.casefold()) in taken
    ]
    return tuple(Source(stem, found[stem], {}) for stem in sorted(found))


def _files_by_stem(
    folder: Path, root: Path, faults: list[Fault], ignored: list[Path]
) -> dict[str, Path]:
    """Return the files of one folder by stem; extend `faults` and `ignored`."""
    # One fault for the folder instead of one for each file in it.
    if leaves(folder, root):
        faults.append(Fault(folder, "is a link that leaves the data folder"))
        return {}
    by_name: dict[str, list[Path]] = defaultdict(list)
    for path in list_folder(folder, faults):
        if path.suffix[1:].lower() not in EXTENSIONS:
            ignored.append(path)
        elif problem := file_problem(path, root):
            faults.append(Fault(path, problem))
        else:
            by_name[normal_stem(path).casefold()].append(path)
    faults += [
        Fault(path, f"has the same name as {first.name}; rename or remove one")
        for first, *others in by_name.values()
        for path in others
    ]
    # Keep the first file of each name, so that its content is checked as well.
    return {
        normal_stem(path): path for group in by_name.values() for path in group[::-1]
    }


def _expected(stem: str, folder: str, others: Mapping[str, Path]) -> str:
    """Complete "has no mask": where the file should be, or which is nearly right."""
    for other, path in others.items():
        if other.casefold() == stem.casefold():
            return f": {folder}/{path.name} differs in letter case; rename it"
    return f" ({folder}/{stem}.*)"
