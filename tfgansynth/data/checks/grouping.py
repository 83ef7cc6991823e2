"""Put equal faults together, and say why files have no partner."""

import contextlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tfgansynth.data.importers.folder import IMAGES, MASKS
from tfgansynth.data.importers.images import EXTENSIONS
from tfgansynth.data.importers.sources import Scan, leaves, walk
from tfgansynth.errors import Fault, FileError

_FEW = 3
"""Equal faults that are listed one by one."""
_IMAGE_STEM = re.compile(
    rf"(?<![^\s/(])[^\s/(]+(?=\.(\*|({'|'.join(sorted(EXTENSIONS))})\b))", re.IGNORECASE
)


def group_faults(faults: Iterable[Fault]) -> list[list[Fault]]:
    """Put faults of one kind in one folder together where they are many.

    Faults are of one kind if their sentences are the same, apart from names of images
    and numbers. Groups are in the order of their first faults.
    """
    groups: dict[tuple[Path, str], list[Fault]] = defaultdict(list)
    for fault in faults:
        kind = re.sub("[0-9]+", "0", _IMAGE_STEM.sub("NAME", fault.problem))
        groups[fault.path.parent, kind].append(fault)
    found: list[list[Fault]] = []
    for group in groups.values():
        found += [group] if len(group) > _FEW else [[fault] for fault in group]
    return found


def likely_reasons(root: Path, scan: Scan) -> Iterator[str]:
    """Say why many images have no mask, or many masks no image, if names show it."""
    for folder, missing in ((MASKS, scan.lone_images), (IMAGES, scan.lone_masks)):
        if len(missing) > _FEW and not leaves(root / folder, root):
            with contextlib.suppress(FileError):
                yield from _elsewhere(root / folder, missing)
    if min(len(scan.lone_images), len(scan.lone_masks)) > _FEW:
        yield from _added(scan.lone_images, scan.lone_masks)


def _elsewhere(folder: Path, missing: Sequence[str]) -> Iterator[str]:
    """Say where the missing files of a folder are: deeper, or in another format."""
    wanted = {*missing}
    deeper: Counter[str] = Counter()
    formats: Counter[str] = Counter()
    for path in walk(folder, []):
        is_image = path.suffix[1:].lower() in EXTENSIONS
        stem, _, extension = path.name.partition(".")
        if is_image and path.parent != folder:
            deeper[path.parent.relative_to(folder).as_posix()] += path.stem in wanted
        elif not is_image and stem in wanted:
            formats[extension] += 1
    for name, count in deeper.most_common(1):
        if count > _FEW:
            yield (
                f"{count} of them are deeper, in {folder.name}/{name}/: move them to "
                f"{folder.name}/"
            )
    for name, count in formats.most_common(1):
        if count > _FEW:
            yield (
                f"{folder.name}/ has {count} files NAME.{name}, which training does "
                "not read: tfgansynth prepare-data may"
            )


def _added(images: Sequence[str], masks: Sequence[str]) -> Iterator[str]:
    """Say what names of masks have beside those of images, or the other way round."""
    for longer, shorter, long, short in (
        ("masks", "images", masks, images),
        ("images", "masks", images, masks),
    ):
        names = {*short}
        around = Counter(
            (before, after)
            for name in long
            for before, part, after in _parts(name)
            if part in names
        )
        for (before, after), count in around.most_common(1):
            if count > _FEW:
                yield (
                    f"names of {count} {longer} are {before}NAME{after} where those of "
                    f"their {shorter} are NAME: give both the same"
                )


def _parts(name: str) -> Iterator[tuple[str, str, str]]:
    """Cut a name at its marks: what is before a part, the part, what is after."""
    cuts = [0, *(m.end() for m in re.finditer(r"[ _.-]", name))]
    ends = [*(m.start() for m in re.finditer(r"[ _.-]", name)), len(name)]
    for start in cuts:
        for end in ends:
            if start < end:
                yield name[:start], name[start:end], name[end:]
