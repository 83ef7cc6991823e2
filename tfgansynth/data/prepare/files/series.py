"""A series of DICOM images is one volume, and DICOM-SEG files belong to its slices."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfgansynth.data.importers.stored import Place, Stored
from tfgansynth.data.importers.volumes.placing import Affine, spacing, to_lps
from tfgansynth.errors import FileError

_SAME_DIRECTION = 1e-3
_SAME_MM = 0.1
_LEAST_MM = 1e-3
_SAME_STEP = 0.02
"""Share of a step by which steps may differ."""


def stack(paths: Sequence[Path], images: Sequence[Stored]) -> Stored:
    """Make one volume of the images of a series, in the order in which they lie.

    Args:
        paths: Two files or more.
        images: What they hold.

    Raises:
        InputError: They are not all of one series, or slices are missing, twice, or at
            uneven distances.
    """
    first = images[0]
    for path, image in zip(paths, images, strict=True):
        _require_same_kind(path, image, paths[0], first)
    normal = np.cross(*np.reshape(first.place.orientation or (), (2, 3)))
    heights = [float(np.dot(image.place.position or (), normal)) for image in images]
    order = np.argsort(heights, kind="stable").tolist()
    places = tuple(images[index].place for index in order)
    _require_even([paths[index] for index in order], places, normal)
    planes = [images[index].pixels for index in order]
    pixels, affine, cut = _volume(planes, places, first.spacing or (1, 1))
    windows = {image.window for image in images}
    bits = {image.bits for image in images}
    return dataclasses.replace(
        first,
        pixels=pixels,
        axes="volume",
        bits=first.bits if len(bits) == 1 else None,
        spacing=tuple(spacing(affine)),
        window=first.window if len(windows) == 1 else None,
        affine=tuple(affine.ravel().tolist()),
        slices=places,
        cut=cut,
        mixed_windows=len(windows) > 1,
    )


def lay_over(segments: Stored, volume: Stored, path: Path) -> Stored:
    """Lay the pages of a DICOM-SEG file over the slices of a series, or over frames.

    Raises:
        InputError: A page belongs to no slice, or does not say to which.
    """
    slices = {
        (place.uid, place.frame): index for index, place in enumerate(volume.slices)
    }
    first = volume.slices[0]
    pages = segments.pixels.reshape(-1, *segments.pixels.shape[-2:])
    planes = [np.zeros_like(pages[0]) for _ in volume.slices]
    for page, place in zip(pages, segments.pages, strict=True):
        if (
            place.orientation
            and first.orientation
            and not _is_near(place.orientation, first.orientation, _SAME_DIRECTION)
        ):
            raise FileError(
                path, "is turned against its images; export it as their slices lie"
            )
        index = slices.get((place.uid, place.frame))
        by_position = place.frame or first.frame or not place.uid
        if index is None and by_position and place.position:
            near = [
                _is_near(place.position, s.position, _SAME_MM) for s in volume.slices
            ]
            index = near.index(True) if near.count(True) == 1 else None
        if index is None and first.frame and not (place.frame or place.position):
            raise FileError(
                path,
                "does not say to which frames of its image its segments belong; export "
                "it with ReferencedFrameNumber, or with positions",
            )
        if index is None:
            where = place.uid or f"the position {place.position}"
            where += f" frame {place.frame}" if place.frame else ""
            raise FileError(
                path, f"has a segment at {where}, where the series has no image"
            )
        # Pages that name the same image in two ways.
        planes[index] = np.maximum(planes[index], page)
    pixels = np.stack(planes)
    if volume.axes == "volume":
        pixels, _, _ = _volume(planes, volume.slices, (1, 1))
    if pixels.shape != volume.pixels.shape[:3]:
        raise FileError(path, "has slices of another size than its images")
    return dataclasses.replace(
        segments, pixels=pixels, axes=volume.axes, affine=volume.affine
    )


def _volume(
    planes: Sequence[NDArray[Any]],
    places: Sequence[Place],
    distances: Sequence[float],
) -> tuple[NDArray[Any], Affine, int]:
    """Stack planes in their order; return where that lies and the axis of the stack."""
    row, column = np.reshape(places[0].orientation or (), (2, 3))
    start, end = (np.array(places[index].position) for index in (0, -1))
    step = (end - start) / (len(planes) - 1)
    affine = np.eye(4)
    affine[:3] = np.column_stack(
        [row * distances[1], column * distances[0], step, start]
    )
    # DICOM points to the left and back, an affine to the right and front.
    affine[:2] *= -1
    voxels = np.stack([plane.T for plane in planes], axis=2)
    pixels, turned = to_lps(voxels, affine)
    along = turned[:3, :3] / np.linalg.norm(turned[:3, :3], axis=0)
    return pixels, turned, int(np.argmax(np.abs(along.T @ affine[:3, 2])))


def _require_same_kind(path: Path, image: Stored, other: Path, first: Stored) -> None:
    """Refuse an image of a folder that is no slice of the same series."""
    place = image.place
    if place.position is None or place.orientation is None or image.spacing is None:
        raise FileError(
            path,
            "is one of several images with one mask, but does not say where it lies "
            "(position, orientation and spacing); give each image its own mask",
        )
    if image.kind == "color":
        raise FileError(path, "is in color; give each image of a series its own mask")
    differs = next(
        (
            what
            for what, is_same in (
                ("series", place.series == first.place.series),
                ("patient", image.patient == first.patient),
                ("kind of image", (image.kind, image.axes, image.inverted)
                 == (first.kind, first.axes, first.inverted)),
                ("size", image.pixels.shape == first.pixels.shape),
                ("direction", _is_near(
                    place.orientation, first.place.orientation, _SAME_DIRECTION)),
                ("spacing", _is_near(image.spacing, first.spacing, _SAME_DIRECTION)),
            )
            if not is_same
        ),
        None,
    )  # fmt: skip
    if differs:
        raise FileError(
            path,
            f"has another {differs} than {other.name}; keep one series in a folder",
        )


def _require_even(
    paths: Sequence[Path], places: Sequence[Place], normal: NDArray[np.float64]
) -> None:
    """Refuse slices that are missing, twice, or at uneven distances."""
    positions = np.array([place.position for place in places])
    steps = np.diff(positions, axis=0)
    lengths = steps @ normal
    same = int(np.argmin(lengths))
    if lengths[same] < _LEAST_MM:
        raise FileError(
            paths[same + 1],
            f"lies where {paths[same].name} does; keep one of several phases or "
            "echoes in a folder",
        )
    usual = float(np.median(lengths))
    middle = np.median(steps, axis=0)
    for index, (step, length) in enumerate(zip(steps, lengths, strict=True)):
        below, above = paths[index], paths[index + 1]
        n_steps = round(length / usual)
        if (
            n_steps > 1
            and abs(length - n_steps * usual) <= _SAME_STEP * usual * n_steps
        ):
            missing = "1 slice is" if n_steps == 2 else f"{n_steps - 1} slices are"
            raise FileError(
                above,
                f"is {length:.4g} mm from {below.name}, other slices {usual:.4g} mm: "
                f"{missing} missing between them; copy the series again",
            )
        if np.linalg.norm(step - middle) > _SAME_STEP * usual + _LEAST_MM:
            raise FileError(
                above,
                f"is {length:.4g} mm from {below.name}, other slices {usual:.4g} mm: "
                "the distances differ; resample the series to even distances",
            )


def _is_near(
    numbers: Sequence[float] | None, others: Sequence[float] | None, most: float
) -> bool:
    if numbers is None or others is None or len(numbers) != len(others):
        return False
    return bool(np.allclose(numbers, others, rtol=0, atol=most))
