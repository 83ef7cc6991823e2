"""Which files belong to a case, from the names of all files. No file is read."""

import dataclasses
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath

from tfgansynth.data.prepare.files.names import (
    Key,
    Name,
    differing,
    find_series,
    is_split,
    natural,
    parse,
)
from tfgansynth.data.prepare.options import Options
from tfgansynth.errors import InputError, name_few

_JSRT = re.compile(r"JPC(LN|NN)[0-9]{3}", re.IGNORECASE)
_JSRT_ORGANS = {
    "leftlung": "left lung",
    "rightlung": "right lung",
    "heart": "heart",
    "leftclavicle": "left clavicle",
    "rightclavicle": "right clavicle",
}
_MOST_CLASSES = 16
_LEAST_PATIENTS = 3
_MOST_IMAGES_A_PATIENT = 20


@dataclasses.dataclass(frozen=True, slots=True)
class Mask:
    """A mask file, and what its name says beside its case: a class, or a number."""

    path: PurePosixPath
    tag: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Files:
    """The files of one case, or of one volume.

    Attributes:
        case: Its name, unique whatever the letter case; safe as a file name.
        image: The image, or the folder of a series of DICOM images.
        masks: One mask, or one for each object or class.
        patient: Whose image it is; empty if that is not known.
        is_guess: Whether the patient is a folder that nobody stated to be one.
        group: What it belongs to; empty if that is not known.
        columns: More that a table says of it.
        series: The images that are the slices of one volume, if they are.
    """

    case: str
    image: PurePosixPath
    masks: tuple[Mask, ...]
    patient: str = ""
    group: str = ""
    columns: Mapping[str, str] = dataclasses.field(default_factory=dict)
    series: tuple[PurePosixPath, ...] = ()
    is_guess: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """The cases of a data set.

    Attributes:
        layout: How the files are arranged, in words.
        files: The files of each case, sorted.
        several: What several masks of an image are: nothing, or one an object or one
            a class.
        lines: What was understood beside that, for people.
        labels: Names of values of the masks, if a file of the data set has them.
        is_jsrt: Whether these are JSRT images with SCR masks.
        is_nnunet: Whether these are in the folders of nnU-Net.
    """

    layout: str
    files: tuple[Files, ...]
    several: str = ""
    lines: tuple[str, ...] = ()
    labels: Mapping[str, int] = dataclasses.field(default_factory=dict)
    is_jsrt: bool = False
    is_nnunet: bool = False


def find(paths: Iterable[PurePosixPath], options: Options) -> Found:
    """Find the cases among the paths of all files of a folder.

    Raises:
        InputError: There are none, or something is ambiguous.
    """
    paths = sorted(paths)
    first_parts = {path.parts[0].lower() for path in paths}
    nnunet = {"imagestr", "labelstr"} <= first_parts
    if nnunet:
        paths = [p for p in paths if p.parts[0].lower() in ("imagestr", "labelstr")]
    elif sum(bool(_JSRT.fullmatch(path.stem)) for path in paths) * 2 > len(paths):
        return _jsrt(paths, options)
    names = [name for path in paths if (name := parse(path, nnunet=nnunet))]
    images, masks, outside = _by_role(names)
    if not images or not masks:
        missing = "masks" if images else "images" if masks else "images and no masks"
        raise InputError(
            f"found no {missing} among {len(names)} image files: put images and masks "
            "in folders images/ and masks/, or end the names of masks in _mask, or "
            "name the files in a CSV with columns image and mask, and give that"
        )
    if nnunet:
        _require_one_channel(images)
    by_series = find_series(images, masks)
    in_series = {name.path for each in by_series.values() for name in each.slices}
    of_series = {name.path for each in by_series.values() for name in each.masks}
    by_key, aliases = _image_keys([i for i in images if i.path not in in_series])
    pairs, unpaired = _pair(
        [mask for mask in masks if mask.path not in of_series], by_key, aliases
    )
    for key, each in by_series.items():
        by_key[key] = each.name
        pairs[key] = [
            Mask(mask.path, (mask.tag or mask.stem) if len(each.masks) > 1 else "")
            for mask in each.masks
        ]
    lines: list[str] = []
    if not pairs and (alike := _by_difference(images, masks)):
        pairs, unpaired = alike, []
        lines.append(
            "names of images and masks differ: paired by what is not the same in all"
        )
    several, pairs = _several(pairs)
    lines += _unpaired_lines(
        [image.path for key, image in by_key.items() if key not in pairs],
        unpaired,
        options,
    )
    if outside:
        shown = name_few([str(name.path) for name in outside])
        lines.append(f"{len(outside)} images outside these folders ignored ({shown})")
    layout = "nnU-Net raw" if nnunet else _layout_text(images, masks)
    keys = sorted(pairs, key=lambda key: natural("/".join(key)))
    nested, nested_line = _nested(keys, options)
    files = [
        Files(
            case,
            by_key[key].path,
            tuple(sorted(pairs[key], key=lambda m: natural(str(m.path)))),
            patient=nested.get(key, "") if nested_line == "patient" else "",
            group=nested.get(key, "") if nested_line == "group" else "",
            series=by_series[key].paths if key in by_series else (),
            is_guess=options.nested is None,
        )
        for key, case in zip(keys, case_ids(keys), strict=True)
    ]
    if by_series:
        lines.append(
            f"{len(in_series)} DICOM images in {len(by_series)} folders: the slices of "
            f"{len(by_series)} volumes"
        )
    if nested_line:
        count = len(set(nested.values()))
        lines.append(
            f"folders above the images: taken as {count} {nested_line}s, unless DICOM "
            "files name patients (--nested patient, group or none states it)"
            if nested_line == "patient" and options.nested is None
            else f"folders above the images: taken as {count} {nested_line}s "
            "(--nested patient, group or none states it)"
        )
    return Found(layout, tuple(files), several, tuple(lines), is_nnunet=nnunet)


def _by_role(names: Sequence[Name]) -> tuple[list[Name], list[Name], list[Name]]:
    """Return images, masks, and files outside the folders of both, if there are."""
    images = [name for name in names if not name.is_mask]
    masks = [name for name in names if name.is_mask]
    if not (
        any(image.is_in_folder for image in images)
        and masks
        and all(mask.is_in_folder for mask in masks)
    ):
        return images, masks, []
    outside = [image for image in images if not image.is_in_folder]
    return [image for image in images if image.is_in_folder], masks, outside


def case_ids(keys: Sequence[Key]) -> list[str]:
    """Make a name for each case that is safe as a file name.

    Raises:
        InputError: Two cases would get the same name.
    """
    shared = 0
    while len({key[shared] for key in keys if len(key) > shared + 1}) == 1 and all(
        len(key) > shared + 1 for key in keys
    ):
        shared += 1
    taken: dict[str, Key] = {}
    cases = []
    for key in keys:
        parts = [part for part in key[shared:] if part] or list(key)
        if len(parts) > 1 and parts[-1].startswith(parts[-2]):
            del parts[-2]
        text = unicodedata.normalize("NFC", "_".join(parts))
        safe = "".join(c if c.isalnum() or c in "._-" else "-" for c in text)
        case = safe.strip("._-")[:120] or "case"
        if (other := taken.setdefault(case.casefold(), key)) is not key:
            raise InputError(
                f"{'/'.join(key)} and {'/'.join(other)} would have the same name "
                f"{case}: rename one"
            )
        cases.append(case)
    return cases


def _require_one_channel(images: Sequence[Name]) -> None:
    other = next((image for image in images if image.tag), None)
    if other:
        raise InputError(
            f"{other.path}: several channels an image; leave the one to use in "
            "imagesTr (names that end in _0000)"
        )


def _image_keys(images: Sequence[Name]) -> tuple[dict[Key, Name], dict[Key, Key]]:
    """Index images by their key, and by what remains without the word `image`."""
    by_key: dict[Key, Name] = {}
    aliases: dict[Key, Key] = {}
    for image in images:
        key = (*image.folders, image.stem)
        if key in by_key:
            raise InputError(
                f"{image.path}: is of the same case as {by_key[key].path}; remove one"
            )
        by_key[key] = image
    for key, image in by_key.items():
        base = (*image.folders, image.base or image.tag)
        if base != key and base not in by_key and base not in aliases:
            aliases[base] = key
    return by_key, aliases


def _pair(
    masks: Sequence[Name], by_key: Mapping[Key, Name], aliases: Mapping[Key, Key]
) -> tuple[dict[Key, list[Mask]], list[PurePosixPath]]:
    lone: dict[Key, Key | None] = {}
    for key in by_key:
        lone[key[:-1]] = None if key[:-1] in lone else key
    pairs: dict[Key, list[Mask]] = defaultdict(list)
    unpaired = []
    for mask in masks:
        for key, tag in mask.keys:
            if (image := key if key in by_key else aliases.get(key)) is not None:
                pairs[image].append(Mask(mask.path, tag))
                break
        else:
            # The only image of its folder: the masks there are its objects or classes.
            only = next(
                (
                    only
                    for folders in (mask.folders, mask.folders[: mask.below])
                    if folders and (only := lone.get(folders))
                ),
                None,
            )
            if only is None:
                unpaired.append(mask.path)
            else:
                tag = mask.stem.removeprefix(only[-1]).strip(" _.-")
                pairs[only].append(Mask(mask.path, tag))
    return dict(pairs), unpaired


def _by_difference(
    images: Sequence[Name], masks: Sequence[Name]
) -> dict[Key, list[Mask]]:
    """Pair images and masks that have different suffixes; nothing if not all do."""
    of_images, of_masks = differing(images), differing(masks)
    if of_images.keys() != of_masks.keys():
        return {}
    return {
        (*of_images[key].folders, of_images[key].stem): [Mask(of_masks[key].path)]
        for key in of_images
    }


def _several(
    pairs: dict[Key, list[Mask]],
) -> tuple[str, dict[Key, list[Mask]]]:
    """Decide whether several masks of an image are objects or classes."""
    most = max((len(masks) for masks in pairs.values()), default=0)
    tags = Counter(mask.tag for masks in pairs.values() for mask in masks)
    if most <= 1 and len(tags) <= 1:
        return "", {
            key: [Mask(each.path) for each in masks] for key, masks in pairs.items()
        }
    words = [tag for tag in tags if tag and not re.fullmatch(r"[\W\d_]+", tag)]
    is_classes = (
        len(words) == len(tags) <= _MOST_CLASSES
        and (len(pairs) == 1 or sum(tags.values()) >= 2 * len(tags))
        and all(len({m.tag for m in masks}) == len(masks) for masks in pairs.values())
    )
    return ("class" if is_classes else "object"), pairs


def _unpaired_lines(
    images: Sequence[PurePosixPath], masks: Sequence[PurePosixPath], options: Options
) -> list[str]:
    if not images and not masks:
        return []
    parts = [
        f"{len(paths)} {noun} ({name_few([str(path) for path in paths])})"
        for paths, noun in ((images, "images have no mask"), (masks, "masks no image"))
        if paths
    ]
    if options.unpaired == "refuse":
        raise InputError(
            f"{' and '.join(parts)}: rename them, or leave them out with "
            "--unpaired drop"
        )
    return [f"left out: {' and '.join(parts)}"]


def _layout_text(images: Sequence[Name], masks: Sequence[Name]) -> str:
    if all(mask.is_in_folder for mask in masks):
        where = "images and masks in folders of their own"
    else:
        where = "masks beside their images, told by their names"
    deep = sum(bool(name.folders) for name in images) * 2 > len(images)
    return where + (", in a folder a case or a patient" if deep else "")


def _nested(keys: Sequence[Key], options: Options) -> tuple[dict[Key, str], str]:
    """Say what the folders above the images are: patients, groups or nothing."""
    folders = {
        key: "/".join(part for part in key[:-1] if not is_split(part)) for key in keys
    }
    counts = Counter(folders.values())
    if options.nested == "none" or not any(counts.keys()) or len(counts) < 2:
        return {}, ""
    if options.nested is not None:
        return folders, options.nested
    if max(counts.values()) == 1:
        return {}, ""
    few_each = len(keys) <= _MOST_IMAGES_A_PATIENT * len(counts)
    is_patient = few_each and len(counts) >= _LEAST_PATIENTS
    return folders, "patient" if is_patient else "group"


def _jsrt(paths: Sequence[PurePosixPath], options: Options) -> Found:
    """JSRT images with SCR masks: a folder an organ, at any depth."""
    images: dict[str, PurePosixPath] = {}
    masks: dict[str, list[Mask]] = defaultdict(list)
    taken = _jsrt_organs(options)
    for path in paths:
        case = path.stem.upper()
        if not _JSRT.fullmatch(case) or parse(path, nnunet=False) is None:
            continue
        organs = [
            organ
            for folder in path.parts[:-1]
            if (organ := _JSRT_ORGANS.get(re.sub(r"[ _-]", "", folder).lower()))
        ]
        if organs and organs[-1] in taken:
            masks[case].append(Mask(path, organs[-1]))
        elif not organs:
            if case in images:
                raise InputError(
                    f"{path}: is of the same case as {images[case]}; remove one"
                )
            images[case] = path
    lines = _unpaired_lines(
        [images[case] for case in sorted(images.keys() - masks.keys())],
        [masks[case][0].path for case in sorted(masks.keys() - images.keys())],
        options,
    )
    files = [
        Files(case, images[case], tuple(masks[case]))
        for case in sorted(images.keys() & masks.keys())
    ]
    left_out = sorted(set(_JSRT_ORGANS.values()) - taken)
    if left_out:
        lines.append(f"organs left out: {', '.join(left_out)} (--classes takes others)")
    return Found("JSRT with SCR", tuple(files), "class", tuple(lines), is_jsrt=True)


def _jsrt_organs(options: Options) -> set[str]:
    """Both lungs, or the organs that `--classes` names."""
    named = {
        organ
        for each in options.classes
        for value in each.partition("=")[2].split(",")
        if (organ := _JSRT_ORGANS.get(re.sub(r"[ _-]", "", value).lower()))
    }
    return named or {"left lung", "right lung"}
