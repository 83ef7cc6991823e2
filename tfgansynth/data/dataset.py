"""Cases at the size of the experiment, whichever reader they came from."""

import dataclasses
import hashlib
import json
import math
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from tfgansynth.arrays import FloatArray, Labels, MaskArray, most_covered
from tfgansynth.data.lungs import BOTH_LUNGS, LUNG_TARGETS, Lungs
from tfgansynth.data.resizing import Resizing
from tfgansynth.ranges import NAME, OPTIONAL, optional

Layout = Literal["phantom", "folder", "jsrt"]

LUNGS = (BOTH_LUNGS,)
"""The one class of the built-in phantoms and of JSRT."""
UNNAMED = "target"
"""What the masks of a folder show that does not say so."""


@dataclasses.dataclass(frozen=True, slots=True)
class RawCase:
    """One case as a reader delivers it, before resizing.

    Attributes:
        case_id: Unique within the data set; safe as a file name.
        image: float32 (H, W) or (H, W, 3), [0, 255]; bones of radiographs bright.
        labels: uint8 (h, w), or bool of one class; h, w may differ from H, W only
            by a common factor (JSRT: 2048 against SCR's 1024).
    """

    case_id: str
    image: FloatArray
    labels: Labels | MaskArray

    @property
    def mask(self) -> MaskArray:
        """Bool (h, w): pixels of any class."""
        return self.labels > 0


@dataclasses.dataclass(frozen=True, slots=True)
class Case:
    """One labelled image at the size of the experiment.

    Attributes:
        case_id: Unique within the data set.
        image: float32 (S, S) or (S, S, 3), [0, 255]; bones of radiographs bright.
        coverage: float32 (S, S, K), [0, 1], the share of each pixel that each class
            covers.
    """

    case_id: str
    image: FloatArray
    coverage: FloatArray

    @property
    def labels(self) -> Labels:
        """The label map, uint8 (S, S); see `arrays.most_covered`."""
        return most_covered(self.coverage)

    @property
    def mask(self) -> MaskArray:
        """Bool (S, S): pixels of which the target covers at least half."""
        return self.labels > 0

    @property
    def content_hash(self) -> str:
        """SHA-256 over the pixels of image and mask, as hexadecimal digits."""
        digest = hashlib.sha256(self.image.tobytes())
        digest.update(self.coverage.tobytes())
        return digest.hexdigest()


@dataclasses.dataclass(frozen=True, slots=True)
class UnlabelledImage:
    """An image without a mask, at the size of the experiment; see `Case`."""

    case_id: str
    image: FloatArray

    @property
    def content_hash(self) -> str:
        """SHA-256 over the pixels, as hexadecimal digits."""
        return hashlib.sha256(self.image.tobytes()).hexdigest()


CaseHashes = Mapping[str, str]
"""Case id -> SHA-256 of its content: which cases something was made from."""


def case_hashes(cases: Iterable[Case | UnlabelledImage]) -> dict[str, str]:
    """Name cases and their contents, in the order given."""
    return {case.case_id: case.content_hash for case in cases}


@dataclasses.dataclass(frozen=True, slots=True)
class CaseTable:
    """What is known of cases beside their files, by case id. A split depends on it.

    Attributes:
        patients: The first case of the same patient, for all but these first cases.
            Names of patients are not kept.
        groups: Folds have the same share of each: of a hospital, of a diagnosis.
        negatives: Cases without the target, of which folds have the same share too.
    """

    patients: Mapping[str, str] = dataclasses.field(default_factory=dict)
    groups: Mapping[str, str] = dataclasses.field(default_factory=dict)
    negatives: tuple[str, ...] = optional(())

    @staticmethod
    def of(
        patients: Mapping[str, str],
        groups: Mapping[str, str],
        unlabelled: Collection[str] = (),
    ) -> "CaseTable":
        """Make a table of the names of patients and groups by case id.

        No unlabelled image is the first case of a patient who has another one, so that
        such images change no split.
        """
        first: dict[str, str] = {}
        for case_id in sorted(patients, key=lambda each: (each in unlabelled, each)):
            first.setdefault(patients[case_id], case_id)
        firsts = {case_id: first[name] for case_id, name in patients.items()}
        return CaseTable({k: v for k, v in firsts.items() if k != v}, groups)

    def patients_of(self, case_ids: Iterable[str]) -> list[str]:
        """Name the patient of each case by that patient's first case."""
        return [self.patients.get(case_id, case_id) for case_id in case_ids]

    def only(self, case_ids: Collection[str]) -> "CaseTable":
        """Keep what is known of some cases."""
        return CaseTable(
            {k: v for k, v in self.patients.items() if k in case_ids},
            {k: v for k, v in self.groups.items() if k in case_ids},
            tuple(each for each in self.negatives if each in case_ids),
        )


def hash_of_all(
    hashes: CaseHashes, table: CaseTable, unlabelled: CaseHashes = MappingProxyType({})
) -> str:
    """SHA-256 over ids and contents of cases, patients and groups, as hexadecimals."""
    digest = hashlib.sha256()
    for case_id, content_hash in hashes.items():
        digest.update(f"{case_id} {content_hash}\n".encode())
    # Without patients, groups and unlabelled images, the hash is that of the cases
    # alone, whose contents tell the negatives.
    known = {"patients": dict(table.patients), "groups": dict(table.groups)}
    if unlabelled:
        known["unlabelled"] = dict(unlabelled)
    if any(known.values()):
        digest.update(json.dumps(known, sort_keys=True).encode())
    return digest.hexdigest()


def shared_cases(
    cases: CaseHashes, others: CaseHashes, *, by_content: bool
) -> list[str]:
    """Return the ids of `cases` that are among `others`, by id or also by content."""
    contents = set(others.values()) if by_content else set()
    return [
        case_id
        for case_id, content in cases.items()
        if case_id in others or content in contents
    ]


@dataclasses.dataclass(frozen=True, slots=True)
class Identity:
    """Which data set it is: what every result says about its data.

    Attributes:
        name: Part of a folder's name, of `[a-z0-9-]`: `phantoms`, `shenzhen247`.
        layout: Where it came from; see `Dataset`.
        n_cases: How many cases it has.
        sha256: Over the ids and contents of all cases, their patients and groups, and
            the unlabelled images.
        classes: Names of the classes, without the background.
        channels: Of the images: 1 for grey, 3 for RGB.
        target: What the masks show; see `Dataset`. Records of earlier versions, which
            took all masks for lungs, do not have it.
        spacing_mm: Side of a pixel at the size of the experiment; None if it is not
            known, or not the same for all cases and both axes.
        resizing: What resizing has changed; None if there is nothing to say.
        n_unlabelled: How many images without masks it has beside its cases.

    Raises:
        ValueError: A name has other characters, or the spacing is no length, as they
            may in a record from others.
    """

    name: str
    layout: Layout
    n_cases: int
    sha256: str
    classes: tuple[str, ...] = optional(LUNGS)
    channels: Literal[1, 3] = optional(1)
    target: str = optional(BOTH_LUNGS)
    spacing_mm: float | None = optional(None)
    resizing: Resizing | None = dataclasses.field(default=None, metadata=OPTIONAL)
    n_unlabelled: int = optional(0)

    def __post_init__(self) -> None:
        """Check names and spacing."""
        if self.target not in NAME or not self.target:
            raise ValueError(f"the target {self.target!r}: expected {NAME}")
        if not re.fullmatch("[a-z0-9-]+", self.name):
            raise ValueError(f"the data set's name {self.name!r}: expected [a-z0-9-]")
        if self.spacing_mm is not None and not 0 < self.spacing_mm < math.inf:
            raise ValueError(f"the spacing {self.spacing_mm}: expected more than 0 mm")

    @property
    def is_phantom(self) -> bool:
        """Whether these are the built-in phantoms; every result says so."""
        return self.layout == "phantom"

    @property
    def is_paper_data(self) -> bool:
        """Whether these are the paper's radiographs, JSRT with SCR masks."""
        return self.layout == "jsrt"

    @property
    def is_lungs(self) -> bool:
        """Whether the masks show lungs and nothing else."""
        return self.target in LUNG_TARGETS or LUNG_TARGETS.keys() >= {*self.classes}

    def lungs(self, chosen: Lungs) -> Lungs | None:
        """Which lungs a mask of one class shows where some are chosen; None if none."""
        shown = LUNG_TARGETS.get(self.target, LUNG_TARGETS.get(self.classes[0]))
        return chosen if shown == "both" else shown

    def target_words(self, chosen: Lungs | None) -> str:
        """Say what is segmented where some lungs are chosen: `both lungs`, `nerve`."""
        if self.target != BOTH_LUNGS:
            return self.target
        return "both lungs" if chosen == "both" else f"{chosen} lung"

    def record(self) -> dict[str, Any]:
        """Render as plain values for JSON; what has its default is left out."""
        values = dataclasses.asdict(self) | {"classes": list(self.classes)}
        if self.classes == LUNGS:
            del values["classes"]
        if self.channels == 1:
            del values["channels"]
        if self.target == BOTH_LUNGS:
            del values["target"]
        if not self.n_unlabelled:
            del values["n_unlabelled"]
        return {name: value for name, value in values.items() if value is not None}


@dataclasses.dataclass(frozen=True, slots=True)
class Dataset:
    """The cases of one data set, sorted by case id.

    Attributes:
        name: Short and safe as part of a folder name: `phantoms`, `shenzhen247`.
        layout: Where it came from: built-in phantoms, a folder of images and
            masks, or the paper's own JSRT/SCR files.
        cases: All cases, in order of their ids.
        classes: Names of the classes, without the background.
        channels: Of the images: 1 for grey, 3 for RGB.
        table: Their patients and groups, where known.
        spacing_mm: See `Identity`.
        resizing: See `Identity`.
        notes: What a person should know of its files and sizes, one line each.
        target: What the masks show, in a word or two: `lungs`, `nuclei`.
        unlabelled: Images without masks, of no fold, in order of their ids.
    """

    name: str
    layout: Layout
    cases: tuple[Case, ...]
    classes: tuple[str, ...] = LUNGS
    channels: Literal[1, 3] = 1
    table: CaseTable = CaseTable()
    spacing_mm: float | None = None
    resizing: Resizing | None = None
    notes: tuple[str, ...] = ()
    target: str = BOTH_LUNGS
    unlabelled: tuple[UnlabelledImage, ...] = ()

    def __post_init__(self) -> None:
        """Check that ids are unique and in order."""
        for part in (self.cases, self.unlabelled):
            ids = [each.case_id for each in part]
            assert ids == sorted(set(ids)), "case ids must be unique and sorted"
        both = {*self.case_ids} & {each.case_id for each in self.unlabelled}
        assert not both, "an unlabelled image must not have the id of a case"

    @property
    def case_ids(self) -> tuple[str, ...]:
        """The ids of all cases, sorted."""
        return tuple(case.case_id for case in self.cases)

    @property
    def identity(self) -> Identity:
        """Which data set this is, by all its cases and what is known of them."""
        hashes = case_hashes(self.cases)
        return Identity(
            self.name,
            self.layout,
            len(hashes),
            hash_of_all(hashes, self.table, case_hashes(self.unlabelled)),
            self.classes,
            self.channels,
            self.target,
            self.spacing_mm,
            self.resizing,
            len(self.unlabelled),
        )

    def select(self, case_ids: Sequence[str]) -> tuple[Case, ...]:
        """Return the cases with these ids, in the order asked for.

        Raises:
            KeyError: An id is not in the data set.
        """
        by_id = {case.case_id: case for case in self.cases}
        return tuple(by_id[case_id] for case_id in case_ids)


def images_and_labels(cases: Sequence[Case]) -> tuple[FloatArray, Labels]:
    """Stack cases.

    Returns:
        float32 (n, S, S) or (n, S, S, 3) images in [0, 255], and uint8 (n, S, S) label
        maps.
    """
    images = np.stack([case.image for case in cases])
    return images, np.stack([case.labels for case in cases])
