"""The canonical data set: cases at the size of the experiment, from any reader."""

import dataclasses
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tfgansynth.arrays import FloatArray, MaskArray

Layout = Literal["phantom", "folder", "jsrt"]


@dataclasses.dataclass(frozen=True, slots=True)
class RawCase:
    """One case as a reader returns it, before resizing.

    Attributes:
        case_id: Unique within the data set; safe as a file name.
        image: float32 (H, W), [0, 255], bones bright.
        mask: bool (h, w), the target structures. h and w may differ from H and W
            only by a common factor (JSRT images have 2048 px, SCR masks 1024).
    """

    case_id: str
    image: FloatArray
    mask: MaskArray


@dataclasses.dataclass(frozen=True, slots=True)
class Case:
    """One labelled image at the size of the experiment.

    Attributes:
        case_id: Unique within the data set.
        image: float32 (S, S), [0, 255], bones bright.
        coverage: float32 (S, S), [0, 1], the share of each pixel that the
            target covers.
    """

    case_id: str
    image: FloatArray
    coverage: FloatArray

    @property
    def mask(self) -> MaskArray:
        """Bool (S, S): pixels of which the target covers at least half."""
        return np.asarray(self.coverage >= 0.5)

    @property
    def content_hash(self) -> str:
        """SHA-256 over the pixels of image and mask, as hexadecimal digits."""
        digest = hashlib.sha256(self.image.tobytes())
        digest.update(self.coverage.tobytes())
        return digest.hexdigest()


CaseHashes = Mapping[str, str]
"""Case id -> SHA-256 of its content: the cases from which something was made."""


def case_hashes(cases: Iterable[Case]) -> dict[str, str]:
    """Return the content hash of each case by its id, in the given order."""
    return {case.case_id: case.content_hash for case in cases}


def hash_of_all(hashes: CaseHashes) -> str:
    """Return the SHA-256 over ids and contents of cases, as hexadecimal digits."""
    digest = hashlib.sha256()
    for case_id, content_hash in hashes.items():
        digest.update(f"{case_id} {content_hash}\n".encode())
    return digest.hexdigest()


@dataclasses.dataclass(frozen=True, slots=True)
class Identity:
    """The identity of a data set, which every result records.

    Attributes:
        name: Short and safe as part of a folder name: `phantoms`, `shenzhen247`.
        layout: Its source; see `Dataset`.
        n_cases: The number of its cases.
        sha256: Over the ids and contents of all cases.
    """

    name: str
    layout: Layout
    n_cases: int
    sha256: str

    @property
    def is_phantom(self) -> bool:
        """Whether these are the built-in phantoms, which every result declares."""
        return self.layout == "phantom"

    @property
    def is_paper_data(self) -> bool:
        """Whether these are the paper's radiographs, JSRT with SCR masks."""
        return self.layout == "jsrt"

    def record(self) -> dict[str, str | bool | int]:
        """Return plain values for JSON."""
        return {
            "name": self.name,
            "is_phantom": self.is_phantom,
            "cases": self.n_cases,
            "sha256": self.sha256,
        }


@dataclasses.dataclass(frozen=True, slots=True)
class Dataset:
    """The cases of one data set, sorted by case id.

    Attributes:
        name: Short and safe as part of a folder name: `phantoms`, `shenzhen247`.
        layout: Its source: built-in phantoms, a folder of images and masks, or the
            JSRT/SCR files of the paper.
        cases: All cases, in order of their ids.
    """

    name: str
    layout: Layout
    cases: tuple[Case, ...]

    def __post_init__(self) -> None:
        """Check that the ids are unique and sorted."""
        ids = [case.case_id for case in self.cases]
        assert ids == sorted(set(ids)), "case ids must be unique and sorted"

    @property
    def case_ids(self) -> tuple[str, ...]:
        """The ids of all cases, sorted."""
        return tuple(case.case_id for case in self.cases)

    @property
    def identity(self) -> Identity:
        """The identity of this data set, from the ids and contents of all cases."""
        hashes = case_hashes(self.cases)
        return Identity(self.name, self.layout, len(hashes), hash_of_all(hashes))

    def select(self, case_ids: Sequence[str]) -> tuple[Case, ...]:
        """Return the cases with these ids, in the given order.

        Raises:
            KeyError: An id is not in the data set.
        """
        by_id = {case.case_id: case for case in self.cases}
        return tuple(by_id[case_id] for case_id in case_ids)


def images_and_masks(cases: Sequence[Case]) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Stack cases: float32 (n, S, S) images in [0, 255] and bool (n, S, S) masks."""
    images = np.stack([case.image for case in cases])
    return images, np.stack([case.mask for case in cases])
