"""DICOM images, and DICOM-SEG."""

import io
import math
from typing import Any

import numpy as np

from tfgansynth.data.importers import decoding
from tfgansynth.data.importers.decoding import Refusal
from tfgansynth.data.importers.volumes.limits import Pixels, Plain, require_size

_SEGMENTATION = "1.2.840.10008.5.1.4.1.1.66.4"
_LONGEST = 64


def decode(content: bytes) -> tuple[Plain, Pixels]:
    """Decode a DICOM file; see `full_decoding.decode`."""
    import pydicom

    record: Any = pydicom.dcmread(io.BytesIO(content))
    if "PixelData" not in record:
        raise Refusal("is a DICOM file without pixels")
    n_frames = int(record.get("NumberOfFrames") or 1)
    n_samples = int(record.get("SamplesPerPixel", 1))
    require_size((n_frames, int(record.Rows), int(record.Columns)), 4 * n_samples)
    if record.get("SOPClassUID") == _SEGMENTATION:
        return _segments(record, _pixels(record))
    photometric = record.get("PhotometricInterpretation", "")
    is_color = n_samples == 3
    if not is_color and photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise Refusal(f"has pixels of kind {photometric}; export it as grey or RGB")
    meta: Plain = {
        "kind": "color" if is_color else "grey",
        "axes": "pages" if n_frames > 1 else "single",
        "inverted": photometric == "MONOCHROME1",
        "spacing": _spacing(record),
        "patient": _text(record, "PatientID"),
    }
    uid = _text(record, "SOPInstanceUID")
    if n_frames > 1:
        meta["slices"] = [
            {**place, "uid": uid, "frame": frame}
            for frame, place in enumerate(_frames(record, n_frames), start=1)
        ]
    else:
        meta["place"] = {
            "uid": uid,
            "series": _text(record, "SeriesInstanceUID"),
            "position": _numbers(record.get("ImagePositionPatient"), 3),
            "orientation": _numbers(record.get("ImageOrientationPatient"), 6),
        }
    if "ModalityLUTSequence" in record:
        raise Refusal("has a modality table; export it with plain values")
    pixels = _pixels(record)
    if pixels.ndim != 2 + (n_frames > 1) + is_color:
        raise Refusal(decoding.DAMAGED)
    if is_color:
        return meta, pixels
    slope = float(record.get("RescaleSlope") or 1)
    intercept = float(record.get("RescaleIntercept") or 0)
    if (slope, intercept) != (1, 0):
        pixels = pixels.astype(np.float32) * np.float32(slope) + np.float32(intercept)
    elif pixels.dtype.kind == "u":
        meta["bits"] = int(record.BitsStored)
    center, width = _first(record, "WindowCenter"), _first(record, "WindowWidth")
    if center is not None and width is not None and width >= 1:
        # DICOM PS3.3, C.11.2.1.2: of the linear function.
        low = center - 0.5 - (width - 1) / 2
        meta["window"] = [low, low + max(width - 1, 1e-3)]
    return meta, pixels


def _pixels(record: Any) -> Pixels:
    try:
        return np.asarray(record.pixel_array)
    except (RuntimeError, NotImplementedError):
        syntax = record.file_meta.TransferSyntaxUID.name
        raise Refusal(
            f"has pixels that cannot be decoded here ({syntax}); decompress it first, "
            "for example with gdcmconv --raw"
        ) from None


def _text(record: Any, name: str) -> str:
    return str(record.get(name) or "")[:_LONGEST]


def _first(record: Any, name: str) -> float | None:
    value = record.get(name)
    if value is None or value == "":
        return None
    number = float(value[0] if hasattr(value, "__len__") else value)
    return number if math.isfinite(number) else None


def _numbers(value: Any, count: int) -> list[float] | None:
    """Return so many finite numbers; None if these are none."""
    if value is None or not hasattr(value, "__len__") or len(value) != count:
        return None
    numbers = [float(each) for each in value]
    return numbers if all(math.isfinite(each) for each in numbers) else None


def _spacing(record: Any) -> list[float] | None:
    for name in ("PixelSpacing", "ImagerPixelSpacing"):
        spacing = _numbers(record.get(name), 2)
        if spacing:
            return spacing if all(0 < mm < 1000 for mm in spacing) else None
    return None


def _segments(record: Any, frames: Pixels) -> tuple[Plain, Pixels]:
    """Lay the segments of a DICOM-SEG file over each other, slice by slice."""
    if record.get("SegmentationType") != "BINARY":
        raise Refusal("is a DICOM-SEG file with shares or labels; export it as binary")
    frames = frames.reshape(-1, *frames.shape[-2:])
    names = {
        int(each.SegmentNumber): str(each.get("SegmentLabel", each.SegmentNumber))
        for each in record.SegmentSequence
    }
    shared = (record.get("SharedFunctionalGroupsSequence") or [None])[0]
    pages: dict[str, int] = {}
    places: list[Plain] = []
    placed = []
    count: dict[int, int] = {}
    for index, groups in enumerate(record.PerFrameFunctionalGroupsSequence):
        identity = _group(groups, shared, "SegmentIdentificationSequence")
        number = int(identity.ReferencedSegmentNumber)
        if number not in names or not 0 < number < 256:
            raise Refusal(decoding.DAMAGED)
        place = _place(groups, shared)
        # Without places, frames of a segment are in the order of the slices.
        count[number] = count.get(number, -1) + 1
        position = [round(mm, 1) for mm in place["position"] or ()]
        # An image of several frames has one id and several positions.
        named = place["uid"], place["frame"] or position
        where = str(named if any(named) else count[number])
        if where not in pages:
            pages[where] = len(pages)
            places.append(place)
        placed.append((pages[where], number, index))
    require_size((len(pages), *frames.shape[1:]), 4)
    labels = np.zeros((len(pages), *frames.shape[1:]), np.uint8)
    overlap = 0
    for page, number, index in placed:
        inside = frames[index] > 0
        overlap += int(np.count_nonzero(labels[page][inside]))
        labels[page][inside] = number
    single = len(pages) == 1
    meta = {
        "kind": "grey",
        "axes": "single" if single else "pages",
        "names": {name: number for number, name in names.items()},
        "overlap": overlap,
        "pages": places,
    }
    return meta, labels[0] if single else labels


def _group(groups: Any, shared: Any, name: str) -> Any:
    """Return the first item of what a frame says, or all frames together."""
    return (groups if name in groups else shared)[name].value[0]


def _place(groups: Any, shared: Any) -> Plain:
    """Say which image a frame belongs to, and where it lies."""
    place: Plain = {"uid": "", "frame": 0, "position": None, "orientation": None}
    if "PlanePositionSequence" in groups:
        plane = _group(groups, shared, "PlanePositionSequence")
        place["position"] = _numbers(plane.get("ImagePositionPatient"), 3)
    if "PlaneOrientationSequence" in groups or (
        shared is not None and "PlaneOrientationSequence" in shared
    ):
        plane = _group(groups, shared, "PlaneOrientationSequence")
        place["orientation"] = _numbers(plane.get("ImageOrientationPatient"), 6)
    if "DerivationImageSequence" in groups and groups.DerivationImageSequence:
        sources = groups.DerivationImageSequence[0].get("SourceImageSequence") or []
        # A frame that was made of several images is at none of them.
        if len(sources) == 1:
            frame = sources[0].get("ReferencedFrameNumber") or 0
            if not hasattr(frame, "__len__"):
                place["uid"] = _text(sources[0], "ReferencedSOPInstanceUID")
                place["frame"] = int(frame)
    return place


def _frames(record: Any, count: int) -> list[Plain]:
    """Say where each frame of an image lies, as far as the file does."""
    import pydicom

    shared = (record.get("SharedFunctionalGroupsSequence") or [None])[0]
    groups = list(record.get("PerFrameFunctionalGroupsSequence") or [])
    if len(groups) != count:
        groups = [pydicom.Dataset()] * count
    return [_place(each, shared) for each in groups]
