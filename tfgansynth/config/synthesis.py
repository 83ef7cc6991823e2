"""The settings of the way from generator to synthetic set."""

import dataclasses
from dataclasses import field
from typing import Literal

from tfgansynth import ranges


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class SynthesisConfig:
    """From generator to synthetic set.

    Also [choice], because the paper does not say: each generated image is compared
    with all that the set has so far. A pair whose mask is empty is dropped, unless
    training cases have empty ones. Components are 8-connected; holes are background
    that is not 4-connected to the border.
    """

    count: ranges.Cases = 120
    """Synthetic pairs in the set. [paper IV-B]; 1000 in [choice, best]"""
    batch: ranges.Count = 128
    """Pairs drawn at a time: the batch whose moments normalize the generator's
    maps, as in training. [tf-dcgan]"""
    hash_distance: ranges.HashDistance = 2
    """Images whose 64-bit perceptual hashes (the signs of the lowest 8 x 8 cosine
    frequencies) differ in at most this many bits count as near-duplicates. The paper
    names no hash and no threshold. No two phantoms are this close. [choice]"""
    near_duplicates: Literal["hash", "pixels"] = dataclasses.field(
        default="hash", metadata=ranges.OPTIONAL
    )
    """What else makes near-duplicates: nothing [paper IV-B]; a correlation of their
    pixels of 0.995, as noise makes the hashes of textured images [choice, fast]"""
    max_draws: ranges.Count = 40
    """Stop with an error after drawing this many times `count` pairs. [choice]"""
    mask_threshold: ranges.GreyLevel = 150
    """Grey value in [1, 255] from which a mask pixel is foreground [paper IV-B]; that
    a pixel of exactly this value is foreground is a [choice]"""
    components: ranges.Components = field(default="auto", metadata=ranges.OPTIONAL)
    """Largest components that a mask keeps of a class: `all`, a number, or `auto`: of
    lungs one a lung [paper IV-B]; of others as many as a training mask of the fold has
    at most, none below half of their smallest [choice]"""
    fill_holes: Literal["auto", "yes", "no"] = field(
        default="auto", metadata=ranges.OPTIONAL
    )
    """Whether holes of a mask are filled. `auto`: of lungs [paper IV-B]; of others,
    where no training mask of the fold has a hole [choice]"""
    pseudo_label_members: ranges.FewOrNone = 0
    """U-Nets in the pseudo-label ensemble. They are trained on the real cases of
    the fold with classical augmentation, and their mean prediction replaces the
    mask of each generated image. 0 keeps the generator's own masks [paper IV-B]; 3
    in [choice, best]"""
    pseudo_label_steps: ranges.Count = 20000
    """Mini-batches of each U-Net in the pseudo-label ensemble: as many as in the
    fixed-budget regimes. Fewer in [choice, fast]"""
    pseudo_label_augment: Literal["elastic", "strong"] = ranges.optional("elastic")
    """Classical augmentation that these U-Nets are trained with. [choice]"""
    augment: Literal["none", "elastic", "learned"] = "none"
    """Classical augmentation of each generated pair, once: none [paper IV-B];
    elastic in [choice, best]; learned from the masks of the fold's training cases
    [choice]"""
    min_agreement: ranges.Share = 0.0
    """Also draw a filtered set, of pairs whose mask agrees (Dice) at least this
    well with out-of-fold U-Nets. 0: no filtered set; the paper uses all pairs.
    [choice]"""
