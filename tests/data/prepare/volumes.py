"""Small NIfTI and DICOM files."""

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian


def volume(values: np.ndarray, affine: np.ndarray) -> Any:
    make: Any = nibabel.Nifti1Image
    return make(values, affine)


def nifti(path: Path, values: np.ndarray, affine: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(volume(values, affine), path)


def dicom(path: Path, values: np.ndarray, **tags: Any) -> Path:
    """Write a DICOM file of one image."""
    record: Any = pydicom.Dataset()
    record.file_meta = FileMetaDataset()
    record.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    record.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    record.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    record.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    record.SOPInstanceUID = "1.2.3"
    record.Rows, record.Columns = values.shape[-2:]
    record.SamplesPerPixel = 1
    record.PhotometricInterpretation = "MONOCHROME2"
    record.BitsAllocated = 8 * values.itemsize
    record.BitsStored = tags.pop("BitsStored", record.BitsAllocated)
    record.HighBit = record.BitsStored - 1
    record.PixelRepresentation = int(values.dtype.kind == "i")
    record.PixelData = values.tobytes()
    for name, value in tags.items():
        setattr(record, name, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    record.save_as(path, enforce_file_format=True)
    return path


def at(height: float) -> pydicom.Dataset:
    """What says where a frame lies."""
    plane, frame = pydicom.Dataset(), pydicom.Dataset()
    plane.ImagePositionPatient = [0.0, 0.0, height]
    frame.PlanePositionSequence = [plane]
    return frame


def segmentation(
    path: Path,
    planes: list[tuple[int, np.ndarray]],
    images: list[str] | None = None,
    labels: dict[int, str] | None = None,
    frames_of: list[int] | None = None,
    heights: list[float] | None = None,
    **tags: Any,
) -> None:
    """Write a DICOM-SEG file: a frame for each (segment, plane).

    All are of one position, or of the images with these ids, of these frames of
    them, or at these heights.
    """
    bits = np.concatenate([plane.ravel() for _, plane in planes])
    packed = np.packbits(bits, bitorder="little").tobytes()
    numbers = sorted({number for number, _ in planes})
    segments = []
    for number in numbers:
        segment = pydicom.Dataset()
        segment.SegmentNumber = number
        segment.SegmentLabel = (labels or {}).get(number, f"organ {number}")
        segments.append(segment)
    frames = []
    for index, (number, _) in enumerate(planes):
        identity = pydicom.Dataset()
        identity.ReferencedSegmentNumber = number
        frame = pydicom.Dataset()
        frame.SegmentIdentificationSequence = [identity]
        if images:
            source, derived = pydicom.Dataset(), pydicom.Dataset()
            source.ReferencedSOPInstanceUID = images[index]
            if frames_of:
                source.ReferencedFrameNumber = frames_of[index]
            derived.SourceImageSequence = [source]
            frame.DerivationImageSequence = [derived]
        if heights:
            frame.update(at(heights[index]))
        frames.append(frame)
    dicom(
        path,
        np.zeros(planes[0][1].shape, np.uint8),
        SOPClassUID="1.2.840.10008.5.1.4.1.1.66.4",
        SegmentationType="BINARY",
        NumberOfFrames=len(planes),
        BitsAllocated=1,
        BitsStored=1,
        HighBit=0,
        PixelData=packed + b"\0" * (len(packed) % 2),
        SegmentSequence=segments,
        PerFrameFunctionalGroupsSequence=frames,
        **tags,
    )
