"""What the report shows of each fold's synthetic set: its pairs and its assessment."""

import dataclasses
from collections.abc import Iterator

from markupsafe import Markup

from tfgansynth.arrays import ByteArray, MaskArray
from tfgansynth.reporting.html.assessment import ClosePair, ShownAssessment
from tfgansynth.reporting.html.figures import agreement, beside_reference, nearest
from tfgansynth.reporting.html.study import DrawnSet, ShownFold
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


@dataclasses.dataclass(frozen=True, slots=True)
class ThumbnailPair:
    """Two pictures that belong together."""

    first: Thumbnail
    second: Thumbnail
    caption: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DrawnAssessment:
    """The assessment of one synthetic set, drawn.

    Attributes:
        name: Of its fold, and which set it is.
        found: The assessment.
        agreement: Of real and synthetic masks.
        fidelity: Figures of features, the kernel distance, which has a scale of its
            own, and distances of mask shapes: those there are.
        nearest: Image, mask and pair, a plot each.
        gallery: The closest pairs, synthetic first.
    """

    name: str
    found: ShownAssessment
    agreement: Markup
    fidelity: tuple[Markup, ...]
    nearest: tuple[Markup, ...]
    gallery: tuple[ThumbnailPair, ...]


def assessed_sets(folds: tuple[ShownFold, ...]) -> list[DrawnAssessment]:
    """Draw the assessments there are."""
    sets = [
        (name, drawn, drawn.assessment)
        for fold in folds
        for name, drawn in (
            (fold.name, fold.synthetic),
            (f"{fold.name}, filtered set", fold.filtered),
        )
        if drawn and drawn.assessment
    ]
    return [
        _assessed(name, drawn, found, f"set{number}")
        for number, (name, drawn, found) in enumerate(sets)
    ]


def _assessed(
    name: str, drawn: DrawnSet, found: ShownAssessment, slug: str
) -> DrawnAssessment:
    return DrawnAssessment(
        name=name,
        found=found,
        agreement=agreement(found.agreement, f"{slug}-agreement"),
        fidelity=tuple(_fidelity(found, slug)),
        nearest=tuple(
            nearest(part, found, f"{slug}-nearest-{part}")
            for part in found.record.memorization.parts
        ),
        gallery=tuple(_closest(drawn, pair) for pair in found.gallery),
    )


def _fidelity(found: ShownAssessment, slug: str) -> Iterator[Markup]:
    fidelity = found.record.fidelity
    figures, shapes = fidelity.figures, fidelity.shapes
    if figures:
        common = {name: figures[name] for name in _FEATURES}
        yield beside_reference(common, "fidelity figure", f"{slug}-features")
        yield beside_reference(
            {"KID": figures["kid"]}, "kernel distance", f"{slug}-kid"
        )
    if shapes:
        label = "distance of mask shapes, in sd"
        yield beside_reference(shapes, label, f"{slug}-shapes")


def _closest(drawn: DrawnSet, pair: ClosePair) -> ThumbnailPair:
    number = pair.synthetic + 1
    return ThumbnailPair(
        thumbnail(
            drawn.images[pair.synthetic],
            alt=f"Synthetic pair {number}, outlined",
            truth=drawn.masks[pair.synthetic],
        ),
        thumbnail(pair.image, alt=f"Training case {pair.case_id}", truth=pair.mask),
        f"{number} and {pair.case_id}: {pair.distance:.3f}",
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SetPictures:
    """Pictures of one fold's generator.

    Attributes:
        name: Of its fold.
        n_pairs: In the set.
        grid: Synthetic images with the outlines of their masks.
        real: The paper's Fig. 2, its upper half; empty without an assessment.
        synthetic: Its lower half.
        early_step: Of `early`.
        early: Samples after a tenth of the training.
        last_step: Of `last`.
        last: Samples at its end.
    """

    name: str
    n_pairs: int
    grid: tuple[Thumbnail, ...]
    real: tuple[ThumbnailPair, ...]
    synthetic: tuple[ThumbnailPair, ...]
    early_step: int
    early: tuple[Thumbnail, ...]
    last_step: int
    last: tuple[Thumbnail, ...]


def set_pictures(fold: ShownFold) -> SetPictures:
    """Make the pictures of one fold's generator."""
    images, masks = fold.synthetic.images, fold.synthetic.masks
    found = fold.synthetic.assessment
    n_shown = min(_PAIRS_SHOWN, len(images))
    last = max(fold.samples, default=0)
    # The first samples are those of no training at all.
    early = min(
        (step for step in fold.samples if 0 < step < last),
        key=lambda step: abs(step - _EARLY * last),
        default=0,
    )
    samples = {
        step: tuple(
            sample_thumbnails(fold.samples[step], images.shape[-1], _PAIRS_BESIDE)
        )
        for step in {early, last} & fold.samples.keys()
    }
    real = found.real if found else (images[:0], masks[:0])
    return SetPictures(
        name=fold.name,
        n_pairs=len(images),
        grid=tuple(
            thumbnail(
                images[index],
                alt=f"Synthetic pair {index + 1} of {fold.name}, its mask outlined",
                truth=masks[index],
            )
            for index in range(n_shown)
        ),
        real=_above_each_other(*real, "Real training pair"),
        synthetic=_above_each_other(images, masks, "Synthetic pair"),
        early_step=early,
        early=samples.get(early, ()) if early != last else (),
        last_step=last,
        last=samples.get(last, ()),
    )


def _above_each_other(
    images: ByteArray, masks: MaskArray, kind: str
) -> tuple[ThumbnailPair, ...]:
    return tuple(
        ThumbnailPair(
            thumbnail(image, alt=f"{kind} {number}: image"),
            mask_thumbnail(mask, alt=f"{kind} {number}: mask"),
        )
        for number, (image, mask) in enumerate(
            zip(images[:_PAIRS_BESIDE], masks[:_PAIRS_BESIDE], strict=True), start=1
        )
    )
