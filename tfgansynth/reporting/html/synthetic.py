"""Pictures of each fold's synthetic set, and the plots of its assessment."""

from collections.abc import Iterator

from markupsafe import Markup

from tfgansynth.arrays import ByteArray, Labels
from tfgansynth.reporting.html.figures import beside_reference
from tfgansynth.reporting.html.study import DrawnSet, ShownAssessment, ShownFold
from tfgansynth.reporting.html.thumbnails import (
    Thumbnail,
    mask_thumbnail,
    sample_thumbnails,
    thumbnail,
)

_FEATURES = "precision", "recall", "density", "coverage"
_PAIRS_SHOWN = 16
_PAIRS_BESIDE = 6
"""As many as a phone shows in two lines."""
_EARLY = 0.1
"""The share of the steps at which a training counts as stopped too early."""

Samples = tuple[int, list[Thumbnail]]
"""Step and samples of a generator; 0 and none where there are none."""


def fidelity_plots(found: ShownAssessment, slug: str) -> Iterator[Markup]:
    """Draw figures of features, the kernel distance and shapes: those there are.

    The plots' names begin with the slug.
    """
    fidelity = found.record.fidelity
    figures, shapes = fidelity.figures, fidelity.shapes
    if figures:
        common = {name: figures[name] for name in _FEATURES}
        yield beside_reference(common, "fidelity figure", f"{slug}-features")
        # On a scale of its own.
        yield beside_reference(
            {"KID": figures["kid"]}, "kernel distance", f"{slug}-kid"
        )
    if shapes:
        label = "distance of mask shapes, in sd"
        yield beside_reference(shapes, label, f"{slug}-shapes")


def close_thumbnails(drawn: DrawnSet) -> Iterator[tuple[Thumbnail, Thumbnail]]:
    """Show the closest synthetic pairs, each with its nearest training case."""
    assert drawn.assessment is not None
    names = "synthetic", "case_ids", "distances", "images", "masks"
    columns = [drawn.assessment.arrays[f"gallery_{name}"] for name in names]
    for index, case_id, distance, image, mask in zip(*columns, strict=True):
        yield (
            thumbnail(
                drawn.images[index],
                alt=f"Synthetic pair {index + 1}, outlined",
                caption=f"{index + 1} and {case_id}: {distance:.3f}",
                truth=drawn.masks[index],
            ),
            thumbnail(image, alt=f"Training case {case_id}", truth=mask),
        )


def outlined(drawn: DrawnSet) -> list[Thumbnail]:
    """Show the first pairs of a set, each image with the outline of its mask."""
    pairs = zip(drawn.images[:_PAIRS_SHOWN], drawn.masks, strict=False)
    return [
        thumbnail(
            image,
            alt=f"Synthetic pair {number} of {drawn.name}, its mask outlined",
            truth=mask,
        )
        for number, (image, mask) in enumerate(pairs, start=1)
    ]


def image_and_mask(
    pairs: tuple[ByteArray, Labels], kind: str
) -> list[tuple[Thumbnail, Thumbnail]]:
    """Show the first images and their masks, in pairs.

    Args:
        pairs: uint8 (n, S, S[, 3]) and masks, uint8 (n, S, S).
        kind: What they are, in words.
    """
    planes = zip(*(each[:_PAIRS_BESIDE] for each in pairs), strict=True)
    return [
        (
            thumbnail(image, alt=f"{kind} {number}: image"),
            mask_thumbnail(mask, alt=f"{kind} {number}: mask"),
        )
        for number, (image, mask) in enumerate(planes, start=1)
    ]


def early_and_last(fold: ShownFold) -> tuple[Samples, Samples]:
    """Show samples of a generator after a tenth of its training, and at its end."""
    last = max(fold.samples, default=0)
    # The first samples are those of no training at all.
    early = min(
        (step for step in fold.samples if 0 < step < last),
        key=lambda step: abs(step - _EARLY * last),
        default=0,
    )
    before = _samples(fold, early) if early != last else (0, [])
    return before, _samples(fold, last)


def _samples(fold: ShownFold, step: int) -> Samples:
    if step not in fold.samples:
        return 0, []
    side = fold.synthetic.images.shape[1]
    return step, sample_thumbnails(fold.samples[step], side, _PAIRS_BESIDE)
