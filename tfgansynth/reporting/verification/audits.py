"""The audit for copies, made again from what an assessment and a set have stored."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfgansynth.arrays import ByteArray, Labels
from tfgansynth.assessment.memorization import EARLIER_COPY_LEVEL, Audit, PartAudit
from tfgansynth.assessment.search import Search
from tfgansynth.data.augmentation import augment_set
from tfgansynth.data.copies.distances import PARTS
from tfgansynth.records.provenance import SetManifest
from tfgansynth.reporting.verification.differences import Differences
from tfgansynth.synthesis.sampling import (
    DRAWN,
    augmentation_stream,
    pair_name,
    read_deformations,
    read_set,
)

_LEVELS, _PIXELS = 2, 0.02
"""Grey levels, and the share of pixels with more, by which pairs that are augmented on
another machine may differ."""


def audit_again(arrays: Mapping[str, NDArray[Any]], *, as_drawn: bool = True) -> Audit:
    """Make an audit from its stored distances and scores.

    Raises:
        LookupError: An array is missing.
    """
    search, level = None, {"copy_level": EARLIER_COPY_LEVEL}
    # Earlier versions have not searched.
    if any(name.startswith("search_") for name in arrays):
        names = [field.name for field in dataclasses.fields(Search)]
        stored = {name: arrays[f"search_{name}"] for name in names}
        search, level = Search(**{**stored, "null": np.sort(stored["null"])}), {}
    return Audit(
        {
            part: PartAudit(
                cases=arrays[f"nearest_cases_{part}"],
                distances=arrays[f"nearest_distances_{part}"],
                null=np.sort(arrays[f"null_{part}"]),
                **level,
            )
            for part in PARTS
        },
        search,
        as_drawn,
    )


def compare_augmented(
    folder: Path,
    manifest: SetManifest,
    pairs: tuple[ByteArray, Labels],
    differences: Differences,
) -> None:
    """Augment the pairs of a set again, as they were drawn, and compare.

    Args:
        folder: The set's folder.
        manifest: Of a set that has its pairs as drawn.
        pairs: Its images, uint8 (n, S, S[, 3]), and masks, uint8 (n, S, S).
        differences: Where pairs go that are no augmentation of what was drawn.

    Raises:
        InputError: A file is missing, altered, or of another form.
    """
    deformations = read_deformations(folder)
    drawn, drawn_masks = read_set(folder, DRAWN)
    drawn_images = np.rint(drawn).astype(np.uint8)
    for batch in sorted({entry.batch for entry in manifest.pairs}):
        places = [n for n, entry in enumerate(manifest.pairs) if entry.batch == batch]
        # Each pair of a batch takes its numbers in turn, also one that was dropped.
        in_batch = [manifest.pairs[place].index for place in places]
        images = np.zeros((max(in_batch) + 1, *drawn_images.shape[1:]), np.uint8)
        masks = np.zeros(images.shape[:3], np.uint8)
        images[in_batch], masks[in_batch] = drawn_images[places], drawn_masks[places]
        stream = augmentation_stream(manifest.z_seed, batch)
        made = augment_set(images, masks, stream, manifest.augmentation, deformations)
        for place, index in zip(places, in_batch, strict=True):
            for kind, of_set, again in zip(("image", "mask"), pairs, made, strict=True):
                ours, theirs = (
                    each.astype(np.int16) for each in (of_set[place], again[index])
                )
                most = _LEVELS if kind == "image" else 0
                if (np.abs(ours - theirs) > most).mean() > _PIXELS:
                    path = folder / f"{kind}s/{pair_name(place)}.png"
                    differences.fault(path, "is no augmentation of what was drawn")
