"""The slices of a case: image planes with their mask planes, from its files."""

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tfgansynth.data.importers.sources import file_problem
from tfgansynth.data.importers.stored import Stored, read_stored
from tfgansynth.data.prepare.files.layouts import Files
from tfgansynth.data.prepare.files.series import lay_over, stack
from tfgansynth.data.prepare.intensities import plain
from tfgansynth.data.prepare.options import Options
from tfgansynth.data.prepare.values import Plane, plane
from tfgansynth.errors import FileError

_DIRECTIONS = {"sagittal": 0, "coronal": 1, "axial": 2}


@dataclasses.dataclass(frozen=True, slots=True)
class MaskPlane:
    """A mask of a slice: its file and slice, tag, kind of values, and values."""

    name: str
    tag: str
    kind: str
    values: Plane


@dataclasses.dataclass(frozen=True, slots=True)
class Slice:
    """One slice of a volume, or the only image of a file.

    Attributes:
        suffix: What its case's name has beside the name of the files; empty unless
            these have several slices.
        pixels: (H, W) or (H, W, 3), as stored.
        masks: None if the class of its masks is not used.
        spacing: Distances of rows and of columns in mm.
    """

    suffix: str
    pixels: NDArray[Any]
    masks: tuple[MaskPlane, ...]
    spacing: tuple[float, float] | None


@dataclasses.dataclass(frozen=True, slots=True)
class Content:
    """What the files of a case hold."""

    image: Stored
    slices: tuple[Slice, ...]
    labels: Mapping[str, int]
    overlap: int


def read(root: Path, files: Files, options: Options, *, scales: bool) -> Content:
    """Read the files of a case.

    Args:
        root: The folder of the data set.
        files: The files, below it.
        options: The direction of slices.
        scales: Whether a mask may be smaller or larger than its image by a whole
            number, as in JSRT.

    Raises:
        InputError: A file cannot be read, or does not fit the others.
    """
    image = _image(root, files)
    if image.transparent:
        raise FileError(
            root / files.image,
            "has transparent pixels; export it without transparency",
        )
    axis = _axis(image, root / files.image, options)
    planes = list(_planes(plain(image), image, axis))
    masks: list[list[MaskPlane]] = [[] for _ in planes]
    labels: dict[str, int] = {}
    overlap = 0
    for mask in files.masks:
        path = root / mask.path
        stored = _stored(root, mask.path)
        if stored.transparent and stored.kind != "palette":
            raise FileError(path, "has transparent pixels; export it opaque")
        if image.slices and stored.pages:
            stored = lay_over(stored, image, path)
        _require_same_place(image, stored, path)
        mask_planes = list(_planes(stored.pixels, stored, axis))
        if len(mask_planes) != len(planes):
            raise FileError(
                path,
                f"has {_slices(len(mask_planes))}, its image {files.image.name} has "
                f"{_slices(len(planes))}",
            )
        labels.update(stored.names)
        overlap += stored.overlap
        for index, pixels in enumerate(mask_planes):
            name = _name(mask.path, index, len(planes))
            kind, values = plane(pixels, stored, str(root / name))
            values = _fitting(values, planes[index], path, scales=scales)
            masks[index].append(MaskPlane(name, mask.tag, kind, values))
    spacing = _spacing(image, axis)
    slices = [
        Slice(
            f"-{index + 1:03d}" if len(planes) > 1 else "",
            pixels,
            tuple(masks[index]),
            spacing,
        )
        for index, pixels in enumerate(planes)
    ]
    return Content(image, tuple(slices), labels, overlap)


def _image(root: Path, files: Files) -> Stored:
    if not files.series:
        return _stored(root, files.image)
    images = [_stored(root, path) for path in files.series]
    return stack([root / path for path in files.series], images)


def _stored(root: Path, path: PurePosixPath) -> Stored:
    if problem := file_problem(root / path, root):
        raise FileError(root / path, problem)
    return read_stored(root / path)


def _slices(number: int) -> str:
    return "1 slice" if number == 1 else f"{number} slices"


def _name(path: PurePosixPath, index: int, count: int) -> str:
    return str(path) if count == 1 else f"{path} slice {index + 1}"


def _axis(image: Stored, path: Path, options: Options) -> int:
    """Return the axis across which a volume is cut."""
    if image.axes != "volume":
        return 2
    thin = [axis for axis, side in enumerate(image.pixels.shape) if side == 1]
    if thin:
        return thin[-1]
    if options.axis is None and image.cut is not None:
        return image.cut
    if options.axis is None:
        shape = " x ".join(str(side) for side in image.pixels.shape)
        raise FileError(
            path,
            f"is a volume of {shape} voxels (left-right, front-back, feet-head); state "
            "how to cut it: --axis axial, coronal or sagittal",
        )
    return _DIRECTIONS[options.axis]


def _planes(pixels: NDArray[Any], stored: Stored, axis: int) -> Iterator[NDArray[Any]]:
    """Yield the slices of a file, as they are looked at: head or front above."""
    if stored.axes == "single":
        yield pixels
    elif stored.axes == "pages":
        yield from pixels
    else:
        for index in range(pixels.shape[axis]):
            cut = np.take(pixels, index, axis).T
            yield np.ascontiguousarray(cut if axis == 2 else cut[::-1])


def _spacing(image: Stored, axis: int) -> tuple[float, float] | None:
    if image.spacing is None:
        return None
    if image.axes != "volume":
        return image.spacing[0], image.spacing[1]
    column, row = (mm for at, mm in enumerate(image.spacing) if at != axis)
    return row, column


def _require_same_place(image: Stored, mask: Stored, path: Path) -> None:
    """Refuse a volume that lies elsewhere than its image."""
    if image.axes == mask.axes == "volume" and (
        image.pixels.shape[:3] != mask.pixels.shape
        or not np.allclose(image.affine or (), mask.affine or (), atol=0.01)
    ):
        raise FileError(
            path,
            "does not lie where its image does (other size, spacing, origin or "
            "direction); resample it to its image",
        )


def _fitting(values: Plane, image: NDArray[Any], path: Path, *, scales: bool) -> Plane:
    (height, width), (h, w) = image.shape[:2], values.shape
    if (height, width) == (h, w):
        return values
    small, large = sorted([(height, width), (h, w)])
    factor = large[0] // small[0]
    if not scales or large != (factor * small[0], factor * small[1]):
        raise FileError(
            path,
            f"is {w} x {h} px, its image is {width} x {height} px; make them the same "
            "size",
        )
    return np.asarray(
        cv2.resize(values, (width, height), interpolation=cv2.INTER_NEAREST), np.int32
    )
