"""What a U-Net or a synthetic set came from, as its folder says."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tfgansynth.config import (
    AugmentationConfig,
    DataConfig,
    GANConfig,
    SynthesisConfig,
    UNetConfig,
)
from tfgansynth.data.copies.duplicates import Crossing
from tfgansynth.data.dataset import Identity
from tfgansynth.data.lungs import Lungs
from tfgansynth.ranges import OPTIONAL, optional
from tfgansynth.records.regimes import Regime
from tfgansynth.records.runs import Attempt, MachineFacts
from tfgansynth.synthesis.masks import ClassRule

if TYPE_CHECKING:
    from tfgansynth.gan.exchange.export import FreezingReport


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SetReference:
    """The synthetic set that a U-Net was trained on.

    Attributes:
        generator_sha256: Hash of its generator's weights; None of a control.
        training_cases: The cases that the generator has learned from, with hashes.
    """

    manifest_sha256: str
    generator_sha256: str | None
    training_cases: Mapping[str, str]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class NetworkProvenance:
    """What any trained network came from.

    Attributes:
        reduced: Whether its training set is the reduced one.
        lungs: Which lungs the masks show, where they show lungs.
        duplicates: Duplicates across the split, as allowed.
        training_cases: The real cases that it has learned from, with hashes.
    """

    dataset: Identity
    preset: str
    reduced: bool
    lungs: Lungs | None = dataclasses.field(default=None, metadata=OPTIONAL)
    fold: int
    seed: int
    duplicates: tuple[Crossing, ...]
    network_version: int
    data: DataConfig
    augmentation: AugmentationConfig
    training_cases: Mapping[str, str]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class UNetProvenance(NetworkProvenance):
    """What a finished U-Net of a regime came from.

    Attributes:
        validation_cases: Those that decided when to stop, with hashes.
        unlabelled_cases: Those that it has learned from without their masks.
        pseudo_labels: Hash of each member of the pseudo-label ensemble, where it was
            trained on, or is, what that ensemble finds.
        files: Hashes of its files.
        stage: What kind of stage has made it.
        evaluated_on: `test`. Trials of earlier versions had others.
        inputs: Identity of each stage that it took something from.
        identity: Hash of all that bears on it.
    """

    unet: UNetConfig
    validation_cases: Mapping[str, str]
    synthetic_set: SetReference | None
    regime: Regime
    files: Mapping[str, str]
    stage: str
    evaluated_on: str
    inputs: Mapping[str, str]
    identity: str
    unlabelled_cases: Mapping[str, str] | None = optional(None)
    pseudo_labels: Mapping[str, str] | None = optional(None)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PairEntry:
    """One pair of a synthetic set; see `synthesis.sampling.Draw`.

    Attributes:
        drawn_image_sha256: Of the image before augmentation, where there is one that
            was kept.
        drawn_mask_sha256: Of its mask.
    """

    name: str
    batch: int
    index: int
    perceptual_hash: str
    image_sha256: str
    mask_sha256: str
    drawn_image_sha256: str | None = optional(None)
    drawn_mask_sha256: str | None = optional(None)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DroppedPair:
    """A pair that the audit for copies objects to.

    Attributes:
        part: Image, mask or pair: what is nearest to a training case.
        distance: The relative distance of the two, or, if the search for altered copies
            has found it, 1 less its score; see `assessment.memorization`.
    """

    name: str
    part: str
    case_id: str
    distance: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorProvenance(NetworkProvenance):
    """What a generator, or what stands in its place, came from.

    Attributes:
        generator_sha256: Hash of its weights; None of a control.
        unlabelled_cases: Those of its training cases whose masks the pseudo-label
            ensemble has found.
        step: Mini-batches that it was trained for; None of a control.
    """

    gan: GANConfig
    generator_sha256: str | None
    unlabelled_cases: Mapping[str, str] | None = optional(None)
    step: int | None = optional(None)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SetManifest(GeneratorProvenance):
    """What a synthetic set of a run came from: its generator, and how it was drawn.

    Attributes:
        z_seed: Determines all noise.
        drawn: Pairs drawn in all.
        dropped_as_almost_identical: Pairs dropped as near-duplicates.
        dropped_for_an_empty_mask: Pairs dropped as nothing of their mask was left,
            beyond the negatives that are kept.
        kept_by_hash_alone: Pairs kept by the hash of their image although its pixels
            are almost identical to those of a pair before.
        kept_with_an_empty_mask: Pairs kept with an empty mask, as training cases have.
        remarks: Problems in the training of its generator.
        kind: `plain`, `filtered`, `control` with training cases in the place of
            generated images, or `separate`: of another size or another generator.
        stage: What kind of stage has made it.
        inputs: Identity of each stage that it took something from; None of a set of
            another generator.
        identity: Hash of all that bears on it; None of a separate set.
        pseudo_labels: Hash of each member of the pseudo-label ensemble.
        cross_fit: Hash of each member of the out-of-fold ensemble that has filtered.
        min_agreement: The least agreement with it.
        dropped_for_disagreement: Pairs dropped by it.
        audited_manifest_sha256: Of the set that this one is what is left of.
        dropped_by_the_audit: Pairs that the audit has dropped.
        mask_components: By the paper's rule: components that a clean mask keeps.
        mask_rules: By any other: what it keeps, by class.
        deformations_sha256: Hash of the deformations that were learned to augment it.
    """

    z_seed: int
    synthesis: SynthesisConfig
    drawn: int
    dropped_as_almost_identical: int
    dropped_for_an_empty_mask: int
    pairs: tuple[PairEntry, ...]
    kind: str
    z_dim: int
    stage: str
    inputs: Mapping[str, str] | None = optional(None)
    identity: str | None = optional(None)
    pseudo_labels: Mapping[str, str] | None = optional(None)
    cross_fit: Mapping[str, str] | None = optional(None)
    min_agreement: float | None = optional(None)
    dropped_for_disagreement: int = optional(0)
    kept_by_hash_alone: int = optional(0)
    kept_with_an_empty_mask: int = optional(0)
    remarks: tuple[str, ...] = optional(())
    audited_manifest_sha256: str | None = optional(None)
    dropped_by_the_audit: tuple[DroppedPair, ...] = optional(())
    mask_components: int | None = optional(None)
    mask_rules: tuple[ClassRule, ...] = optional(())
    deformations_sha256: str | None = optional(None)

    @property
    def as_drawn(self) -> bool:
        """Whether the set has its pairs as they were before augmentation."""
        kept = all(pair.drawn_image_sha256 for pair in self.pairs)
        return kept or self.synthesis.augment == "none"

    @property
    def rules(self) -> tuple[ClassRule, ...]:
        """What a clean mask keeps, by class."""
        paper = (ClassRule(self.mask_components),) * len(self.dataset.classes)
        return self.mask_rules or paper


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorFacts:
    """A generator as it is exported.

    Attributes:
        size: Side of the images in pixels.
        mask_threshold: Grey value from which the run takes a mask pixel for foreground.
        mask_rules: What a clean mask keeps, by class.
        freezing: What freezing its moments changed.
        seconds: What its training took, over all attempts; None if unknown.
        machines: On what it was trained, attempt by attempt.
    """

    provenance: GeneratorProvenance
    size: int
    mask_threshold: int
    mask_rules: tuple[ClassRule, ...]
    freezing: "FreezingReport"
    seconds: float | None = None
    machines: Sequence[tuple[Attempt, MachineFacts]] = ()
