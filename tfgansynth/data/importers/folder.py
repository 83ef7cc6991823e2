"""The plain layout: `DIR/images/STEM.ext` beside `DIR/masks/STEM.ext`."""

from collections import defaultdict
from collections.abc import Mapping
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


def scan(root: Path) -> Scan:
    """Pair the images with the masks by equal stems.

    The extensions may differ; hidden files are passed over in silence. A mask
    holds both lungs.

    Args:
        root: A folder that holds `images/` and `masks/`.

    Returns:
        The cases; the faults are those that names and links tell: a mask or an
        image without its partner, a name used twice (also where only letter case
        or Unicode normal form differ), a name unsafe as a case id, and links
        that leave `root`.
    """
    faults: list[Fault] = []
    ignored: list[Path] = []
    images = _files_by_stem(root / IMAGES, root, faults, ignored)
    masks = _files_by_stem(root / MASKS, root, faults, ignored)
    faults += [
        Fault(images[stem], "has no mask" + _expected(stem, MASKS, masks))
        for stem in sorted(images.keys() - masks.keys())
    ]
    faults += [
        Fault(masks[stem], "has no image" + _expected(stem, IMAGES, images))
        for stem in sorted(masks.keys() - images.keys())
    ]
    sources = tuple(
        Source(stem, "folder", images[stem], {"both": masks[stem]})
        for stem in sorted(images.keys() & masks.keys())
    )
    for source in sources:
        problem = id_problem(source.case_id)
        if problem:
            faults.append(Fault(source.image_path, problem))
    return Scan("folder", sources, tuple(faults), tuple(ignored))


def _files_by_stem(
    folder: Path, root: Path, faults: list[Fault], ignored: list[Path]
) -> dict[str, Path]:
    """Return the files of one folder by stem; add to `faults` and `ignored`."""
    # One line for the folder, not one for each file behind it.
    if leaves(folder, root):
        faults.append(Fault(folder, "is a link that leaves the data folder"))
        return {}
    alike: dict[str, list[Path]] = defaultdict(list)
    for path in list_folder(folder, faults):
        if path.suffix[1:].lower() not in EXTENSIONS:
            ignored.append(path)
        elif problem := file_problem(path, root):
            faults.append(Fault(path, problem))
        else:
            alike[normal_stem(path).casefold()].append(path)
    faults += [
        Fault(path, f"has the same name as {first.name}; rename or remove one")
        for first, *others in alike.values()
        for path in others
    ]
    # The first of a name stands for all, so that its content is checked as well.
    return {normal_stem(path): path for group in alike.values() for path in group[::-1]}


def _expected(stem: str, folder: str, others: Mapping[str, Path]) -> str:
    """Complete "has no mask": where it should be, or what is nearly it."""
    for other, path in others.items():
        if other.casefold() == stem.casefold():
            return f": {folder}/{path.name} differs in letter case; rename it"
    return f" ({folder}/{stem}.*)"
