"""The settings of cases, their split and classical augmentation."""

import dataclasses

from tfgansynth import ranges

FEWEST_CASES, FEW_TRAINING = 12, 10
"""Cases of the smallest data set; training cases below which results warn. [choice]"""
PAPER_VALIDATION, PAPER_REDUCED, VALIDATION_SHARE = 20, 30, 0.2
"""What --data.n-validation auto is made of; see `DataConfig`. [paper IV-A, choice]"""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class DataConfig:
    """Cases and their split."""

    size: ranges.Side = 128
    """Side of the square images in pixels, after downsampling. Settings in pixels and
    the levels of the networks follow it, unless they are given. [paper IV-A]"""
    soft_masks: bool = False
    """Give the GAN masks that are grey where a pixel is partly covered, instead of
    binary ones. Off in the paper's text and, for its masks of 1024 pixels, in
    [authors' code]"""
    folds: ranges.AtLeastTwo = 3
    """Folds of the cross-validation. Each case is tested in exactly one. [paper
    IV-A]"""
    n_validation: ranges.CountOrAuto = "auto"
    """Validation cases of each fold, drawn from those that it does not test. auto: 20
    [paper IV-A]; where that leaves less than 30 for training, as many as leave 30, but
    no less than a fifth of those not tested [choice]"""
    n_development: ranges.CountOrZero = dataclasses.field(
        default=0, metadata=ranges.OPTIONAL
    )
    """Cases that are left out of every fold of every seed, for try-recipe to try
    settings on. Drawn by their names, not by --seed. 0 in the paper, and where no
    settings are tried: each of them is one test case less. [choice]"""
    n_reduced: ranges.Count = PAPER_REDUCED
    """Training cases of each fold in the reduced data set. [paper IV-A]"""
    phantoms: ranges.Cases = 247
    """Number of built-in phantoms, which replace missing data. [paper IV-A]"""
    phantom_seed: ranges.Seed = 0
    """Seed of the phantoms. It does not depend on --seed, so that all runs share
    one data set. [choice]"""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class AugmentationConfig:
    """Classical augmentation, wherever it is switched on.

    `elastic`: shifts, rotations, elastic deformations and grey values, as in the U-Net
    paper (Ronneberger et al. 2015). It gives numbers for the deformation only. The
    others are chosen so that lungs stay within the image.

    `strong`, of a U-Net's training pairs: the same shifts, deformations and changes of
    brightness, larger rotations and changes of contrast, and scale, gamma, noise and
    blur besides, at most about as large as those of nnU-Net (Isensee et al. 2021); its
    strength is one to choose on development cases. `cutmix`, of the same pairs: a
    square of a pair comes from another pair of the mini-batch (Yun et al. 2019).

    `learned`: as `elastic`, but deformations are those by which the masks of the
    training cases differ from each other: these are registered, and the principal
    components of their displacements have random weights.
    """

    grid: ranges.Nodes = 3
    """Nodes on each side of the grid that is deformed, as in the U-Net paper.
    [choice]"""
    stddev: ranges.Pixels = 2.5
    """Standard deviation of a node's displacement in pixels, on each axis. The
    U-Net paper has 10 px of 512; this is 2.5 px of 128. [choice]"""
    shift: ranges.Pixels = 6.0
    """Largest shift in pixels, on each axis. [choice]"""
    rotation: ranges.Degrees = 8.0
    """Largest rotation in degrees. [choice]"""
    grey: ranges.Share = 0.1
    """Largest change of brightness and of contrast, as a share. [choice]"""
    strong_rotation: ranges.Degrees = dataclasses.field(
        default=15.0, metadata=ranges.OPTIONAL
    )
    """Largest rotation of `strong` in degrees, in the place of --augmentation.rotation.
    [choice]"""
    strong_scale: ranges.Share = dataclasses.field(
        default=0.2, metadata=ranges.OPTIONAL
    )
    """Largest change of scale of `strong`, as a share: of 0.2, sides grow to at most
    1.2, and shrink to at least 1 / 1.2 of themselves. [choice]"""
    strong_contrast: ranges.Share = dataclasses.field(
        default=0.25, metadata=ranges.OPTIONAL
    )
    """Largest change of contrast of `strong`, as a share, about the mean of the image.
    [choice]"""
    strong_gamma: ranges.Amount = dataclasses.field(
        default=0.4, metadata=ranges.OPTIONAL
    )
    """Gamma of `strong`: of 0.4, grey values of [0, 1] are raised to a power of 1 / 1.4
    to 1.4. [choice]"""
    strong_noise: ranges.Share = dataclasses.field(
        default=0.03, metadata=ranges.OPTIONAL
    )
    """Largest standard deviation of Gaussian noise of `strong`, as a share of the range
    of grey values. [choice]"""
    strong_blur: ranges.Pixels = dataclasses.field(
        default=1.0, metadata=ranges.OPTIONAL
    )
    """Largest standard deviation in pixels of the Gaussian that `strong` blurs with.
    [choice]"""
    cutmix_share: ranges.Share = dataclasses.field(
        default=0.5, metadata=ranges.OPTIONAL
    )
    """Share of the pairs that `cutmix` mixes; the others stay as they are. [choice]"""
    cutmix_alpha: ranges.Positive = dataclasses.field(
        default=1.0, metadata=ranges.OPTIONAL
    )
    """The square of `cutmix` has a share of the image's area that is drawn from a beta
    distribution with this number as both parameters: 1, any share is as likely; its
    mean is always 1/2. [choice]"""
    learned_pairs: ranges.Count = dataclasses.field(
        default=100, metadata=ranges.OPTIONAL
    )
    """Ordered pairs of training masks that `learned` registers, where there are more;
    each mask is in as many. [choice]"""
    learned_variance: ranges.Share = dataclasses.field(
        default=0.95, metadata=ranges.OPTIONAL
    )
    """Share of the displacements' variance that the principal components of `learned`
    have; the others are left out. [choice]"""
    learned_strength: ranges.Amount = dataclasses.field(
        default=1.0, metadata=ranges.OPTIONAL
    )
    """Factor of the deformations of `learned`: 1, as large as those between two
    training cases. [choice]"""


BEARING = {
    "none": (),
    "elastic": ("grid", "stddev", "shift", "rotation", "grey"),
    "strong": (
        *("grid", "stddev", "shift", "grey", "strong_rotation", "strong_scale"),
        *("strong_contrast", "strong_gamma", "strong_noise", "strong_blur"),
    ),
    "cutmix": ("cutmix_share", "cutmix_alpha"),
    "learned": (
        *("shift", "rotation", "grey"),
        *("learned_pairs", "learned_variance", "learned_strength"),
    ),
}
"""The numbers of `AugmentationConfig` that bear on each kind of augmentation."""
