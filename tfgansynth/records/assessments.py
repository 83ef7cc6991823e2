"""The assessment of a synthetic set: quality, fidelity, memorization.

The figures of one set, each beside the same figure of real cases.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfgansynth.assessment.fidelity import (
    NetworkFeatures,
    ReferencedFigure,
    compare_features,
    compare_shapes,
    expected_coverage,
    features_size,
)
from tfgansynth.assessment.membership import Membership
from tfgansynth.assessment.memorization import Audit, count_detected
from tfgansynth.assessment.quality import (
    ShapeTable,
    Spread,
    Values,
    misfits,
    shape_ranges,
    spread,
)
from tfgansynth.assessment.search import most_copies
from tfgansynth.data.similarity import (
    diversity,
    mean_pairwise_distance,
    perceptual_hash,
)
from tfgansynth.evaluation.generative_metrics import NEIGHBORS
from tfgansynth.ranges import OPTIONAL, optional
from tfgansynth.seeds import derive_seed

ShapeTables = tuple[ShapeTable, ShapeTable, ShapeTable]
"""Of the masks of training cases, of synthetic pairs and of held-out cases."""

_FEWEST_SHAPES = 4
_POINTS_A_NEIGHBOR = 5
"""Balls that reach to the k-th neighbor need 5 k points: in halves of a smaller set,
which the intervals are taken from, every ball reaches to nearly all."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AssessedSet:
    """Which set was assessed: its folder, the hash of its manifest, its pairs."""

    folder: str
    manifest_sha256: str
    n: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class EnsembleMember:
    """A member of the out-of-fold ensemble, with its mean Dice on unseen real cases."""

    model_sha256: str
    agreement: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How well masks agree with an out-of-fold segmentation of their images, Dice."""

    synthetic: Spread
    real: Spread


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PlausibleShares:
    """Shares of the synthetic and of the held-out real masks with a plausible shape.

    Attributes:
        misfits: Shape figure to the number of synthetic masks outside its range.
    """

    synthetic: float
    real: float
    misfits: Mapping[str, int]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """Whether masks fit their images and look like masks."""

    agreement: Agreement
    plausibility: PlausibleShares


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Diversity:
    """Mean distance of the perceptual hashes of images, in bits of 64."""

    synthetic: float
    real: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Fidelity:
    """How close the synthetic distribution is to the real one.

    Attributes:
        features: Where the features come from, in words, and why they were not
            compared, where they are too few or all equal.
        neighbors: k, fewer than usual for small sets.
        figures: The comparisons of features by name; none where there are too few.
        expected_coverage: Of equal distributions; None without figures.
        shapes: Distances of mask shapes by name; none where there are too few.
    """

    features: str
    neighbors: int
    figures: Mapping[str, ReferencedFigure]
    expected_coverage: float | None
    shapes: Mapping[str, ReferencedFigure]
    hash_diversity: Diversity


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AuditFigures:
    """The audit of the images, the masks or the pairs; see `memorization.PartAudit`."""

    n_closer: int
    share: float
    threshold: float
    expected_share: float
    expected_share_interval: tuple[float, float]
    copy_bound: float
    n_copies: int
    p_value: float
    passed: bool


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CopySearch:
    """The search for altered copies, and how many copies there may be.

    Attributes:
        as_drawn: Whether pairs were audited as drawn, before any augmentation.
        cut: The score from which an image is a copy.
        n_found: Images that are.
        n_real_found: Real non-copies with such a score.
        n_real: Real non-copies.
        n_planted: Planted copies, the positive control.
        n_detected: Those of them that the audit finds.
        n_copies: Pairs that are copies by this search or by their distance.
        most_copies: Upper 95 % bound on the share of copies among pairs drawn like
            these, in [0, 1].
    """

    as_drawn: bool
    cut: float
    n_found: int
    n_real_found: int
    n_real: int
    n_planted: int
    n_detected: int
    n_copies: int
    most_copies: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Memorization:
    """Whether the set repeats training cases.

    Attributes:
        passed: Whether no part of the audit objects.
        parts: Image, mask and pair to their figures.
        flagged: Indices of the pairs that the audit objects to.
        search: The search for altered copies; None by an earlier version.
    """

    passed: bool
    parts: Mapping[str, AuditFigures]
    flagged: tuple[int, ...]
    search: CopySearch | None = dataclasses.field(default=None, metadata=OPTIONAL)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """All that was found of a synthetic set; all of `assessment.json`.

    Attributes:
        n_training: Training cases of its generator.
        n_unlabelled: Those whose masks the pseudo-label ensemble has found; they come
            last.
        n_held_out: Real cases that neither generator nor ensemble have learned from.
        held_out: Which these are, in words.
        cross_fit: The members of the out-of-fold ensemble by folder.
        files: Hashes of the files beside; empty while there are none.
        inputs: Identity of each stage that it took something from.
        identity: Hash of all that bears on it; empty of a set beside the run's own.
        membership: Whether the set gives away which cases the generator learned from;
            None by an earlier version.
    """

    fold: int
    synthetic_set: AssessedSet
    n_training: int
    n_held_out: int
    held_out: str
    cross_fit: Mapping[str, EnsembleMember]
    quality: Quality
    fidelity: Fidelity
    memorization: Memorization
    files: Mapping[str, str]
    inputs: Mapping[str, str] = dataclasses.field(
        default_factory=dict, metadata=OPTIONAL
    )
    identity: str = optional("")
    n_unlabelled: int = optional(0)
    membership: Membership | None = dataclasses.field(default=None, metadata=OPTIONAL)

    @property
    def words(self) -> str:
        """The audit's verdict, and how well masks fit their images."""
        found, fits = self.memorization, self.quality.agreement
        verdict = "audit for copies passed"
        if not found.passed:
            shares = f"{len(found.flagged)} of {self.synthetic_set.n} pairs"
            verdict = f"audit for copies NOT PASSED ({shares} flagged)"
        return (
            f"{verdict}, agreement {fits.synthetic.mean:.3f} "
            f"(real {fits.real.mean:.3f})"
        )


def held_out_words(n_validation: int, n_unused: int) -> str:
    """Say which real cases neither generator nor ensemble have learned from."""
    words = f"{n_validation} validation cases"
    if n_unused:
        words += f" and {n_unused} training cases that the reduced set leaves out"
    return words


def features_words(
    networks: Sequence[NetworkFeatures], n_training: int, n_held_out: int
) -> str:
    """Say where features come from, and of which real cases they are."""
    n_unseen = sorted({len(each.real) - n_held_out for each in networks})
    unseen = " or ".join(map(str, n_unseen))
    return (
        f"bottlenecks of {len(networks)} out-of-fold U-Nets, averaged over the image "
        f"({networks[0].real.shape[1]} features); means over these; real cases are "
        f"those that each has not seen: {n_held_out} held-out and {unseen} of "
        f"{n_training} training cases"
    )


def make_quality(synthetic: Values, real: Values, shapes: ShapeTables) -> Quality:
    """Say whether masks have plausible shapes and agree with their images.

    Args:
        synthetic: Dice of each synthetic mask with a segmentation of its image by
            networks that have not seen it, float64 (m,).
        real: The same of each training case, float64 (n,).
        shapes: See `ShapeTables`.
    """
    training, ours, held_out = shapes
    ranges = shape_ranges(training)
    outside, real_outside = (misfits(table, ranges) for table in (ours, held_out))
    shares = [
        float((~np.any([*found.values()], axis=0)).mean())
        for found in (outside, real_outside)
    ]
    # In the order of the first mask outside.
    names = sorted(
        (name for name in outside if outside[name].any()),
        key=lambda name: outside[name].argmax(),
    )
    return Quality(
        agreement=Agreement(synthetic=spread(synthetic), real=spread(real)),
        plausibility=PlausibleShares(
            synthetic=shares[0],
            real=shares[1],
            misfits={name: int(outside[name].sum()) for name in names},
        ),
    )


def make_fidelity(
    *,
    features: Sequence[NetworkFeatures],
    shapes: ShapeTables,
    source: str,
    diversity: Diversity,
    seed: int,
) -> Fidelity:
    """Say how close the synthetic distribution is to the real one.

    Args:
        features: Of each network, of the real cases that it has not seen and of all
            synthetic pairs.
        shapes: See `ShapeTables`; of all training cases.
        source: Where the features come from, in words.
        diversity: Of synthetic and of real training images.
        seed: Determines the subsets that figures are taken from.
    """
    size = features_size(features)
    k = max(1, min(NEIGHBORS, size // _POINTS_A_NEIGHBOR))
    figures: dict[str, ReferencedFigure] = {}
    try:
        figures = compare_features(features, seed=derive_seed(seed, "features"), k=k)
    except ValueError as fault:
        source = f"{source}; not compared: {fault}"
    return Fidelity(
        features=source,
        neighbors=k,
        figures=figures,
        expected_coverage=expected_coverage(size, size, k) if figures else None,
        shapes=make_distances(shapes, seed),
        hash_diversity=diversity,
    )


def make_distances(shapes: ShapeTables, seed: int) -> dict[str, ReferencedFigure]:
    """Compare the shapes of masks; empty where there are too few to."""
    fewest = min(len(values) for table in shapes for values in table.values())
    if fewest < _FEWEST_SHAPES:
        return {}
    return compare_shapes(*shapes, seed=derive_seed(seed, "shapes"))


def hash_diversity(images: NDArray[Any]) -> float:
    """Return the mean distance of images, in bits of their perceptual hashes.

    Args:
        images: (n, S, S) in [0, 255].
    """
    return diversity(np.rint(images).astype(np.uint8))


def diversity_again(stored: Diversity, images: NDArray[Any]) -> Diversity:
    """Measure the diversity of a set's images again, as it was measured.

    Earlier versions took the hashes of all, also of those with almost the same pixels.
    """
    hashes = [perceptual_hash(image) for image in np.rint(images).astype(np.uint8)]
    measures = hash_diversity(images), mean_pairwise_distance(hashes)
    nearest = min(measures, key=lambda value: abs(value - stored.synthetic))
    return dataclasses.replace(stored, synthetic=nearest)


def make_memorization(audit: Audit) -> Memorization:
    """Say whether the set repeats training cases."""
    return Memorization(
        passed=audit.passed,
        parts={
            name: AuditFigures(
                n_closer=part.n_closer,
                share=part.share,
                threshold=part.threshold,
                expected_share=part.expected_share,
                expected_share_interval=part.expected_share_interval,
                copy_bound=part.copy_bound,
                n_copies=len(part.copies),
                p_value=part.p_value,
                passed=part.passed,
            )
            for name, part in audit.parts.items()
        },
        flagged=tuple(audit.flagged.tolist()),
        search=_copy_search(audit),
    )


def _copy_search(audit: Audit) -> CopySearch | None:
    search = audit.search
    if search is None:
        return None
    n_copies, n_planted = len(audit.copies), len(search.planted)
    n_detected = count_detected(search, audit.parts["image"])
    return CopySearch(
        as_drawn=audit.as_drawn,
        cut=search.cut,
        n_found=len(search.copies),
        n_real_found=search.n_real,
        n_real=len(search.null),
        n_planted=n_planted,
        n_detected=n_detected,
        n_copies=n_copies,
        most_copies=most_copies(n_copies, len(search.scores), n_detected, n_planted),
    )
