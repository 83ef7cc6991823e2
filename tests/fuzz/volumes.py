"""Valid files of the formats that only `prepare-data` reads, and damage to them."""

import functools
import gzip
import io
import random
import struct
import warnings
from typing import Any

import nibabel
import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, RLELossless

from tests.fuzz.hostile import damage

KINDS = ("PPM", "WebP", "TIFF pages", "NIfTI", "NIfTI packed", "DICOM", "DICOM-SEG")

_NUMBERS = (0, 1, 2, 7, 8, 16, 255, 8192, 8193, 30000, 0x7FFF, 0xFFFF, 0x7FFFFFFF)
_NIFTI_FIELDS = (
    *((40 + 2 * i, "<h") for i in range(8)),
    *((70, "<h"), (72, "<h"), (108, "<f"), (112, "<f"), (116, "<f"), (252, "<h")),
    *((254, "<h"), (0, "<i"), (344, "<i")),
    *((280 + 4 * i, "<f") for i in range(12)),
)
_PIXELS = np.random.default_rng(0).integers(0, 200, (6, 17, 13), np.uint8)


def hostile_file(kind: str, rng: random.Random) -> bytes:
    """Make a hostile file of a kind: a valid one, damaged."""
    content = rng.choice(_valid(kind))
    if kind.startswith("NIfTI"):
        plain = gzip.decompress(content) if kind.endswith("packed") else content
        plain = _nifti_damage(plain, rng)
        if not kind.endswith("packed"):
            return plain
        content = gzip.compress(plain, 1)
        return damage(rng, content) if rng.random() < 0.3 else content
    if kind.startswith("DICOM") and rng.random() < 0.7:
        return _dicom_damage(content, rng)
    return damage(rng, content)


def bomb() -> bytes:
    """Make a packed NIfTI file of some hundred kB that unpacks to more than 1 GiB."""
    return gzip.compress(bytes(348), 9) + gzip.compress(bytes(1 << 28), 1) * 5


def _nifti_damage(content: bytes, rng: random.Random) -> bytes:
    if rng.random() < 0.4:
        return damage(rng, content)
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 4))):
        at, form = rng.choice(_NIFTI_FIELDS)
        number: Any = rng.choice((*_NUMBERS, -1, -30000))
        if form == "<f":
            number = rng.choice((float(number), float("nan"), float("inf"), 1e38))
        elif form == "<h":
            number = (number + 0x8000) % 0x10000 - 0x8000
        struct.pack_into(form, changed, at, number)
    return bytes(changed)


def _dicom_damage(content: bytes, rng: random.Random) -> bytes:
    """Change the value of some elements, or drop them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _with_other_values(content, rng)


def _with_other_values(content: bytes, rng: random.Random) -> bytes:
    record = pydicom.dcmread(io.BytesIO(content))
    for _ in range(rng.choice((1, 1, 2, 4))):
        holder, elements = _elements(record, rng)
        element: Any = rng.choice(elements)
        match element.VR:
            case _ if rng.random() < 0.2:
                del holder[element.tag]
            case "US":
                element.value = rng.choice(_NUMBERS) % 0x10000
            case "IS" | "DS":
                element.value = str(rng.choice((*_NUMBERS, -1, 10**9, 1e300)))[:16]
            case "CS" | "LO" | "SH":
                element.value = rng.choice(("", "RGB", "PALETTE COLOR", "A\\B", "é"))
            case "OB" | "OW":
                element.value = bytes(rng.choice((0, 2, 100, 4000)))
            case "FD" | "FL":
                element.value = rng.choice((0.0, -1e300, float("nan"), float("inf")))
            case "UI":
                element.value = rng.choice(("", "1.2.0", "1", "9." * 31 + "9"))
            case _:
                del holder[element.tag]
    out = io.BytesIO()
    try:
        record.save_as(out, enforce_file_format=True)
    except Exception:  # pydicom does not write all that others do.
        return damage(rng, content)
    return out.getvalue()


def _elements(record: Any, rng: random.Random) -> tuple[Any, list[Any]]:
    """Choose a data set in a record, often the record itself; return its elements."""
    holder = record
    while rng.random() < 0.5:
        inner = [e for e in holder if e.VR == "SQ" and e.value]
        if not inner:
            break
        holder = rng.choice(list(rng.choice(inner).value))
    return (holder, list(holder)) if len(holder) else (record, list(record))


@functools.cache
def _valid(kind: str) -> tuple[bytes, ...]:
    grey = Image.fromarray(_PIXELS[0])
    match kind:
        case "PPM":
            deep = Image.fromarray(_PIXELS[0].astype(np.uint16) * 9)
            text = b"P2\n3 2\n255\n0 1 2\n3 4 5\n"
            modes = (grey, grey.convert("RGB"), grey.convert("1"))
            return (*(_saved(i, "PPM") for i in modes), _saved(deep, "PPM"), text)
        case "WebP":
            colors = grey.convert("RGB")
            return (
                _saved(colors, "WEBP"),
                _saved(colors, "WEBP", lossless=True),
                _saved(grey.convert("RGBA"), "WEBP"),
            )
        case "TIFF pages":
            pages = [Image.fromarray(page) for page in _PIXELS[1:]]
            return tuple(
                _saved(grey, "TIFF", save_all=True, append_images=pages, **options)
                for options in ({}, {"compression": "tiff_lzw"})
            )
        case "NIfTI":
            return tuple(
                _nifti(_PIXELS.astype(dtype)) for dtype in ("u1", "<i2", "<f4", "<f8")
            )
        case "NIfTI packed":
            return tuple(gzip.compress(each, 1) for each in _valid("NIfTI"))
        case "DICOM":
            deep_pixels = _PIXELS[0].astype(np.uint16) * 9
            return (
                _dicom(_PIXELS[0], WindowCenter="50", WindowWidth="80"),
                _dicom(deep_pixels, RescaleSlope="2", RescaleIntercept="-5"),
                _dicom(_PIXELS, NumberOfFrames="6"),
                _dicom(_PIXELS[0], packed=True),
                _dicom(
                    _PIXELS[0],
                    SeriesInstanceUID="1.9",
                    ImagePositionPatient=[1.0, 2.0, 3.0],
                    ImageOrientationPatient=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
                ),
            )
    return _segments(1), _segments(2)


def _saved(image: Image.Image, form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def _nifti(values: np.ndarray) -> bytes:
    make: Any = nibabel.Nifti1Image
    content: bytes = make(values, np.diag([0.5, 0.6, 2, 1])).to_bytes()
    return content


def _dicom(values: np.ndarray, *, packed: bool = False, **tags: Any) -> bytes:
    record: Any = pydicom.Dataset()
    record.file_meta = FileMetaDataset()
    record.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    record.file_meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.7")
    record.file_meta.MediaStorageSOPInstanceUID = UID("1.2.3")
    record.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    record.SOPInstanceUID = "1.2.3"
    record.PatientID = "somebody"
    record.Rows, record.Columns = values.shape[-2:]
    record.SamplesPerPixel = 1
    record.PhotometricInterpretation = "MONOCHROME1"
    record.BitsAllocated = record.BitsStored = 8 * values.itemsize
    record.HighBit = record.BitsStored - 1
    record.PixelRepresentation = 0
    record.PixelSpacing = ["0.5", "0.5"]
    content = values.tobytes()
    record.PixelData = content + b"\0" * (len(content) % 2)
    for name, value in tags.items():
        setattr(record, name, value)
    if packed:
        record.compress(RLELossless)
    out = io.BytesIO()
    record.save_as(out, enforce_file_format=True)
    return out.getvalue()


def _segments(n_frames: int) -> bytes:
    segment: Any = pydicom.Dataset()
    segment.SegmentNumber, segment.SegmentLabel = 1, "organ"
    frames = []
    for index in range(n_frames):
        identity: Any = pydicom.Dataset()
        identity.ReferencedSegmentNumber = 1
        position: Any = pydicom.Dataset()
        position.ImagePositionPatient = [1.0, 2.0, float(index)]
        image: Any = pydicom.Dataset()
        image.ReferencedSOPInstanceUID = f"1.2.{index}"
        derived: Any = pydicom.Dataset()
        derived.SourceImageSequence = [image]
        frame: Any = pydicom.Dataset()
        frame.SegmentIdentificationSequence = [identity]
        if n_frames > 1:
            frame.PlanePositionSequence = [position]
            frame.DerivationImageSequence = [derived]
        frames.append(frame)
    return _dicom(
        np.zeros((16, 16), np.uint8),
        SOPClassUID="1.2.840.10008.5.1.4.1.1.66.4",
        PhotometricInterpretation="MONOCHROME2",
        SegmentationType="BINARY",
        NumberOfFrames=str(n_frames),
        BitsAllocated=1,
        BitsStored=1,
        HighBit=0,
        PixelData=bytes(range(32 * n_frames)),
        SegmentSequence=[segment],
        PerFrameFunctionalGroupsSequence=frames,
    )
