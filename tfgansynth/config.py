"""Every number of the experiment, each with its source, and the presets.

The docstring under each field ends with where its value comes from:
`[paper IV-B]` a section of Neff et al. 2017, `[tf-dcgan]` the implementation the
paper started from, `[authors' code]` what its authors later published, `[choice]`
ours. The README's "Choices and deviations" lists every `[choice]`.
"""

import dataclasses
from typing import Literal

from tfgansynth.ranges import (
    Amount,
    AtLeastTwo,
    Count,
    CountOrZero,
    Counts,
    GreyLevel,
    HashDistance,
    Positive,
    Share,
)

Precision = Literal["auto", "float32", "bfloat16"]

NETWORK_VERSIONS = {"gan": 2, "unet": 1}
"""Raised when the same configuration makes other networks than before: other
variables or another computation. A run folder resumes only with its own versions.

GAN 2: the start vectors of spectral normalization and the latent codes have random
streams of their own. Networks without either have the weights of version 1."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class DataConfig:
    """Cases and their split."""

    size: Count = 128
    """Side of the square images in pixels, after downsampling. [paper IV-A]"""
    soft_masks: bool = False
    """Give the GAN masks that are grey where a pixel is partly covered, instead of
    binary ones. False in the paper's text, True in [authors' code]"""
    folds: Count = 3
    """Folds of the cross-validation. [paper IV-A]"""
    n_validation: Count = 20
    """Validation cases a fold, drawn from those not tested. [paper IV-A]"""
    n_reduced: Count = 30
    """Training cases a fold of the reduced data set. [paper IV-A]"""
    phantoms: Count = 247
    """Number of built-in phantoms when no data is named. As many as the paper's
    radiographs. [paper IV-A]"""
    phantom_seed: CountOrZero = 0
    """Determines the phantoms; apart from --seed, so that all runs share one
    data set. [choice]"""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class AugmentationConfig:
    """Classical augmentation, wherever it is switched on.

    Shifts, rotations, elastic deformations and grey values, as U-Net's authors had
    them (Ronneberger et al. 2015).
    """

    grid: AtLeastTwo = 3
    """Nodes a side of the grid that is deformed, as U-Net's authors had. [choice]"""
    stddev: Amount = 2.5
    """Standard deviation of a node's displacement in pixels, each axis: the 10 of
    U-Net's authors' 512 pixels are 2.5 of 128. [choice]"""
    shift: Amount = 6.0
    """Largest shift in pixels, each axis. [choice]"""
    rotation: Amount = 8.0
    """Largest rotation in degrees. [choice]"""
    grey: Amount = 0.1
    """Largest change of brightness and of contrast, as a share. [choice]"""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class GANConfig:
    """Generator, discriminator and their training.

    Also [choice], as the paper does not say: the dense layers start as the
    convolutions do; the mini-batches are drawn without replacement, every case once
    before any comes again. No layer has a bias where batch normalization follows: so
    it is in tf-dcgan of February 2017 (commit 794edcb), while its later version has a
    bias before the first normalization, a scale, and an epsilon of 1e-3.
    """

    z_dim: Count = 400
    """Length of the noise vector z, uniform in [-1, 1]. [paper IV-B]"""
    latent_codes: bool = False
    """Learn a latent code for each training case that must reproduce the case, and let
    z mix the codes, so that no case is left out (GLO, Bojanowski et al. 2018). Off: z
    enters the generator unchanged [paper IV-B]; on in [choice, best]"""
    latent_temperature: Positive = 1.0
    """Softmax temperature of the mixtures: 1 over the mean logarithm of the ratio of a
    share to the next smaller one. At 1 the largest share is about 0.6 of all, at 2
    about 0.4. Cold mixtures come near the cases [choice]; warmer in [choice, best]"""
    latent_noise: Amount = 0.2
    """Share of z that is added to a code, so that a case has a neighborhood.
    [choice]"""
    latent_loss: Amount = 20.0
    """Weight of the mean absolute error of the reproduced cases in the generator's
    loss, beside the adversarial loss. [choice]"""
    latent_share: Share = 0.5
    """Cases that are reproduced in a step, as a share of the mini-batch; at least
    one. [choice]"""
    generator_maps: Counts = (512, 256, 128, 128, 128)
    """Feature maps of the generator, coarse to fine; each level doubles the
    side. [paper IV-B]"""
    discriminator_maps: Counts = (128, 128, 256, 512, 512)
    """Feature maps of the discriminator, fine to coarse; each level halves the
    side. [paper IV-B]"""
    kernel_size: Count = 5
    """Side of all convolution kernels. [paper IV-B]"""
    init: Literal["normal", "truncated_normal"] = "normal"
    """Distribution of the initial weights, zero mean. [paper IV-B]; truncated in
    [authors' code]"""
    init_stddev: Amount = 0.05
    """Standard deviation of the initial weights. [paper IV-B]"""
    logits_init_stddev: Amount = 0.05
    """The same for the dense layer of the discriminator's logits: as all others
    [paper IV-B]; 0.02 in [authors' code]"""
    pixel_scaling: Literal["paper", "authors"] = "paper"
    """How the GAN's pairs hold grey values x of [0, 255]: as x / 127.5 - 1, which
    fills [-1, 1] [paper IV-B]; as (x - 128) / 128 in [authors' code]"""
    pixel_rounding: Literal["nearest", "down"] = "nearest"
    """How generated values become whole grey values: to the nearest [choice];
    truncated, so that half of all grey values are one lower, in [authors' code]"""
    batch_norm_epsilon: Amount = 1e-5
    """Added to the variance in batch normalization. [tf-dcgan]"""
    batch_norm_scale: bool = False
    """Learn a scale besides the offset after batch normalization. Off in
    [tf-dcgan], in its version with this epsilon, and in [authors' code]; on in
    [choice, fast]"""
    leaky_slope: Amount = 0.2
    """Slope of the discriminator's leaky ReLU below zero. [tf-dcgan]"""
    discriminator_norm: Literal["batch", "spectral"] = "batch"
    """What keeps the discriminator stable: batch normalization [tf-dcgan], or
    spectral normalization of its kernels (Miyato et al. 2018) [choice, fast]"""
    minibatch_stddev: CountOrZero = 0
    """The discriminator also sees how much the last maps of so many pairs of a
    mini-batch deviate from each other, so that it notices samples of little variety
    (Karras et al. 2018); 0: none [tf-dcgan]; any [choice]"""
    loss: Literal["non_saturating", "minimax", "paper_equation_1", "hinge"] = (
        "non_saturating"
    )
    """Softmax cross-entropy with the non-saturating generator loss [tf-dcgan],
    the same with the generator loss of eq. (2), eq. (1) and (2) exactly as they are
    written [paper III], or hinge (Lim and Ye 2017) [choice, fast]"""
    augment: Literal["none", "differentiable"] = "none"
    """What the discriminator sees: pairs as they are [paper IV-B], or real and
    synthetic ones shifted, partly blanked and changed in exposure (Zhao et al. 2020)
    [choice, fast]"""
    augment_shift: CountOrZero = 16
    """Largest shift of a pair in pixels, each axis. [choice, fast]"""
    augment_cutout: CountOrZero = 64
    """Side in pixels of the square blanked in both channels. [choice, fast]"""
    augment_exposure: Amount = 0.25
    """Largest change of the image channel: brightness plus or minus this, contrast
    times 1 plus or minus twice this. [choice, fast]"""
    augment_real: Literal["none", "elastic"] = "none"
    """Classical augmentation of the real pairs, anew each time, before the
    discriminator sees them: none [paper IV-B]; elastic is the paper's
    outlook [choice]"""
    generator_rate: Amount = 4e-4
    """Learning rate of the generator's Adam. [paper IV-B]"""
    discriminator_rate: Amount = 4e-4
    """Learning rate of the discriminator's Adam. [paper IV-B]"""
    beta_1: Share = 0.5
    """Decay of Adam's first moment. [paper IV-B]"""
    beta_2: Share = 0.999
    """Decay of Adam's second moment. [paper IV-B]"""
    epsilon: Amount = 1e-8
    """Adam's epsilon: TensorFlow 1's default. [tf-dcgan]"""
    generator_updates: Count = 1
    """Generator updates a step; each after the first draws a fresh z. 1 in
    [tf-dcgan], 2 in [authors' code]"""
    average_decay: Share = 0.0
    """Decay of the running average of the generator's weights that is sampled
    from; 0 samples from the weights themselves. [tf-dcgan]; on in [choice, fast]"""
    average_warmup: Count = 10
    """Young averages follow faster: at step t the decay is at most
    (1 + t) / (average_warmup + t). [choice]"""
    batch: Count = 128
    """Pairs a mini-batch. [paper IV-B]"""
    steps: Count = 12000
    """Mini-batches in total. [paper IV-B]; 20000 in [authors' code]"""
    sample_every: Count = 200
    """Mini-batches between sample grids; checkpoints are written with them.
    [paper IV-B]"""
    log_every: Count = 20
    """Mini-batches between two TensorBoard points. [choice]"""
    saturation_loss: Amount = 0.1
    """Median loss below which the discriminator counts as saturated. Under
    paper_equation_1, which has no lower bound, the value of a discriminator with the
    same certainty. [choice]"""
    saturation_steps: Count = 500
    """Mini-batches over which that median is taken. [choice]"""
    mode_collapse_share: Amount = 0.4
    """Mode collapse is reported where the mean distance of the samples' perceptual
    hashes is less than this share of the real training images'. [choice]"""
    fidelity_pairs: Count = 16
    """Generated pairs that are compared with the validation cases while the GAN is
    trained: as many as there are cases, but at least this many. [choice]"""
    fidelity_blocks: Count = 16
    """Side of the grid of block means of image and mask that they are compared by.
    [choice]"""
    precision: Precision = "float32"
    """Number format of the convolutions; weights and losses are always float32.
    [tf-dcgan]; auto takes bfloat16 where the machine accelerates it
    [choice, fast]"""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class SynthesisConfig:
    """From generator to synthetic set."""

    count: Count = 120
    """Synthetic pairs in the set. [paper IV-B]; more in [choice, best]"""
    batch: Count = 128
    """Pairs drawn at a time; the batch whose moments normalize the generator's
    maps. As in training. [tf-dcgan]"""
    hash_distance: HashDistance = 2
    """Images whose 64-bit perceptual hashes differ in at most this many bits
    count as almost identical. The paper gives no threshold. [choice]"""
    max_draws: Count = 40
    """Give up after this many times `count` pairs were drawn. [choice]"""
    mask_threshold: GreyLevel = 150
    """Grey value in [1, 255] from which a mask pixel is foreground. [paper IV-B]"""
    pseudo_label_members: CountOrZero = 0
    """Size of the pseudo-label ensemble: U-Nets of the fold's real cases, trained with
    classical augmentation, whose mean prediction replaces the mask of each generated
    image; 0 keeps the generator's own masks [paper IV-B]; more in [choice, best]"""
    pseudo_label_steps: Count = 20000
    """Mini-batches of each member of that ensemble; fewer in [choice, fast]"""
    augment: Literal["none", "elastic"] = "none"
    """Classical augmentation of each generated pair, once: none [paper IV-B]; elastic
    in [choice, best]"""
    min_agreement: Share = 0.0
    """Also draw a filtered set: pairs whose mask agrees at least this well (Dice) with
    the cross-fitted ensemble's segmentation of the image; 0: none. [choice]"""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class UNetConfig:
    """The segmentation network and its training."""

    depth: CountOrZero = 4
    """Number of average poolings. [paper IV-B]"""
    maps: Count = 64
    """Feature maps of every convolution. [paper IV-B]"""
    kernel_size: Count = 3
    """Side of the convolution kernels. [paper IV-B]"""
    optimizer: Literal["nesterov", "adam"] = "nesterov"
    """Nesterov's method as Caffe computes it [paper IV-B], or Adam
    [choice, fast]"""
    learning_rate: Amount = 1e-5
    """Learning rate. [paper IV-B]"""
    momentum: Share = 0.99
    """Momentum of Nesterov's method. [paper IV-B]"""
    weight_decay: Amount = 5e-4
    """L2 weight decay, coupled into the gradient before momentum. [paper IV-B]"""
    batch: Count = 16
    """Pairs a mini-batch. [paper IV-B]"""
    validation_error: Literal["cross_entropy", "dice"] = "cross_entropy"
    """The error that decides when to stop: the training loss on the validation
    cases, or 1 minus their mean Dice. The paper does not say which [choice]; Dice
    in [choice, fast]"""
    stop_window: Count = 10
    """Epochs in the average of the validation error. Training stops when this
    average rises. [paper IV-B]"""
    min_steps: CountOrZero = 0
    """Mini-batches before which the rule does not stop; an epoch of 30 cases has
    two. The paper names none [paper IV-B]; more in [choice, fast]"""
    max_epochs: Count = 20000
    """Epochs after which training ends in any case. The paper names none: never
    reached by its rule in practice. [choice]"""
    average_decay: Share = 0.0
    """Decay a mini-batch of the running average of the weights that is validated
    and evaluated; 0 takes the weights themselves [choice]; on in [choice, fast]"""
    keep: Literal["last", "best"] = "last"
    """Which weights are evaluated: those at the stop [choice], or those of the
    epoch with the lowest validation error [choice, fast]"""
    fixed_steps: CountOrZero = 0
    """Mini-batches of every training, whatever the validation error, up to the end
    of an epoch; 0: the stopping rule ends it [paper IV-B]. The fixed-budget regimes
    take --evaluation.budget-steps [choice]"""
    steps_an_epoch: CountOrZero = 0
    """Mini-batches between two validations; 0: one pass through the pairs
    [paper IV-B]. The fixed-budget regimes take --evaluation.budget-epoch [choice]"""
    real_share: Share = 0.0
    """Share of real pairs in each mini-batch that has both kinds; 0: as a shuffle of
    all mixes them [paper IV-B]; fixed [choice]"""
    augment: Literal["none", "elastic"] = "none"
    """Classical augmentation of the training pairs: none [paper IV-B]; on in the
    fixed_budget augmented regimes [choice]"""
    precision: Precision = "float32"
    """Number format of the convolutions; weights and loss are always float32.
    [choice]; auto in [choice, fast]"""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class EvaluationConfig:
    """Regimes beside the paper's, and how results are compared. Not in the paper."""

    equivalence_margin: Positive = 0.005
    """Differences of mean Dice smaller than this do not matter. [choice]"""
    budget_steps: Count = 20000
    """Mini-batches of each U-Net of the fixed-budget regimes; fewer in [choice,
    fast]"""
    budget_epoch: Count = 50
    """Mini-batches between two validations of the fixed-budget regimes. [choice]"""
    cross_fit_splits: AtLeastTwo = 2
    """Parts into which the real training cases are split, so that each case is
    segmented by a U-Net that has not seen it. [choice]"""
    cross_fit_steps: Count = 10000
    """Mini-batches of each member of the cross-fitted ensemble; fewer in [choice,
    fast]"""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """One experiment, complete."""

    preset: Literal["paper", "authors", "fast", "best", "smoke"] = "paper"
    """Where the numbers started from: paper, authors, fast, best or smoke. [choice]"""
    reduced: bool = False
    """Train on the reduced set: Table II instead of Table I. [paper IV-A]"""
    lungs: Literal["both", "left", "right"] = "both"
    """The target: the patient's lungs. [paper IV]"""
    seed: CountOrZero = 0
    """The one number all randomness of the run derives from. [choice]"""
    allow_duplicates: bool = False
    """Go on although the same picture, or an altered copy of it, lies in two parts
    of the split; the results say so. [choice]"""
    data: DataConfig = DataConfig()
    augmentation: AugmentationConfig = AugmentationConfig()
    gan: GANConfig = GANConfig()
    synthesis: SynthesisConfig = SynthesisConfig()
    unet: UNetConfig = UNetConfig()
    evaluation: EvaluationConfig = EvaluationConfig()

    @property
    def mask_components(self) -> int:
        """Connected components a clean mask keeps: one a lung.

        The paper keeps "the largest component"; both lungs are two. [paper IV-B,
        choice]
        """
        return 2 if self.lungs == "both" else 1
