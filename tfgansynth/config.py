"""Every number of the experiment, each with its source.

The docstring under each field ends with where its value comes from:
`[paper IV-B]` a section of Neff et al. 2017, `[tf-dcgan]` the implementation the
paper started from, `[authors' code]` what its authors later published, `[choice]`
ours. `docs/reference/configuration.md` is made from them.
"""

import dataclasses
from dataclasses import field
from typing import Literal

from tfgansynth import ranges

Precision = Literal["auto", "float32", "bfloat16"]

NETWORK_VERSIONS = {"gan": 2, "unet": 1}
"""Raised when the same configuration makes other networks than before: other
variables or another computation. A run folder resumes only with its own versions.

GAN 2: the start vectors of spectral normalization and the latent codes have random
streams of their own. Networks without either have the weights of version 1."""

FEWEST_CASES, FEW_TRAINING = 12, 10
"""Cases of the smallest data set; training cases below which results warn. [choice]"""
PAPER_VALIDATION, PAPER_REDUCED, VALIDATION_SHARE = 20, 30, 0.2
"""What --data.n-validation auto is made of; see `DataConfig`. [paper IV-A, choice]"""

EXPORT_POPULATION, EXPORT_BATCH = 1024, 64
"""Noise vectors whose moments an exported generator keeps, and how many of them are
measured at once. The same in every run, so that exports can be compared. [choice]"""


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

    Shifts, rotations, elastic deformations and grey values, as in the U-Net paper
    (Ronneberger et al. 2015). It gives numbers for the deformation only. The others
    are chosen so that lungs stay within the image.
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


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class GANConfig:
    """Generator, discriminator and their training.

    Also [choice], because the paper does not say: the dense layers start from the
    same distribution as the convolutions. Mini-batches are drawn without replacement:
    every case once before any comes again. No layer has a bias where batch
    normalization follows, as in tf-dcgan of February 2017 (commit 794edcb). Its later
    version has a bias before the first normalization, a scale, and an epsilon of 1e-3.
    """

    z_dim: ranges.Count = 400
    """Length of the noise vector z, uniform in [-1, 1]. [paper IV-B]"""
    latent_codes: bool = False
    """Learn a latent code for each training case. The generator must reproduce the
    case from its code, and z mixes the codes, so that no case is left out
    (Bojanowski et al. 2018). Off: z enters as it is [paper IV-B]; on in [choice,
    best]"""
    latent_temperature: ranges.Temperature = 1.0
    """Softmax temperature of the mixtures of codes: 1 over the mean logarithm of
    the ratio of a share to the next smaller one. At 1 the largest share is about
    0.6 of all, at 2 about 0.4. A low temperature gives samples close to single
    cases. 2 in [choice, best]"""
    latent_noise: ranges.Amount = 0.2
    """Share of z that is added to a code, so that each case has a neighborhood.
    [choice]"""
    latent_loss: ranges.Amount = 20.0
    """Weight of the mean absolute error of the reproduced cases in the generator's
    loss. The error is about 0.05 to 0.2, the adversarial loss about 1. [choice]"""
    latent_share: ranges.Share = 0.5
    """Cases that are reproduced in a step, as a share of the mini-batch; at least
    one. [choice]"""
    generator_maps: ranges.Counts = (512, 256, 128, 128, 128)
    """Feature maps of the generator, coarse to fine. Each level doubles the side.
    [paper IV-B]; six levels from a 2 x 2 base in [authors' code]"""
    discriminator_maps: ranges.Counts = (128, 128, 256, 512, 512)
    """Feature maps of the discriminator, fine to coarse. Each level halves the
    side. [paper IV-B]; six levels in [authors' code]"""
    kernel_size: ranges.Kernel = 5
    """Side of all convolution kernels. [paper IV-B]"""
    init: Literal["normal", "truncated_normal"] = "normal"
    """Distribution of the initial weights, with zero mean. [paper IV-B]; truncated
    in [authors' code]"""
    init_stddev: ranges.Positive = 0.05
    """Standard deviation of the initial weights. [paper IV-B]"""
    logits_init_stddev: ranges.Positive = 0.05
    """The same for the dense layer of the discriminator's logits: as for all others
    [paper IV-B]; 0.02 in [authors' code]"""
    pixel_scaling: Literal["paper", "authors"] = "paper"
    """How pairs hold grey values x of [0, 255]: as x / 127.5 - 1, which fills [-1,
    1] [paper IV-B]; as (x - 128) / 128 in [authors' code]"""
    pixel_rounding: Literal["nearest", "down"] = "nearest"
    """How generated values become whole grey values: to the nearest [choice];
    truncated, so that half of all grey values are one lower, in [authors' code]"""
    batch_norm_epsilon: ranges.Positive = 1e-5
    """Added to the variance in batch normalization. [tf-dcgan]"""
    batch_norm_scale: bool = False
    """Learn a scale besides the offset after batch normalization. Off in
    [tf-dcgan], in its version with this epsilon, and in [authors' code]; on in
    [choice, fast]"""
    leaky_slope: ranges.Amount = 0.2
    """Slope of the discriminator's leaky ReLU below zero. [tf-dcgan]"""
    discriminator_norm: Literal["batch", "spectral"] = "batch"
    """What stabilizes the discriminator: batch normalization [tf-dcgan], or
    spectral normalization of its kernels (Miyato et al. 2018). With 30 cases the
    paper's discriminator saturates; spectral normalization bounds it [choice,
    fast]"""
    minibatch_stddev: ranges.CountOrZero = 0
    """The discriminator also sees how much the last maps of this many pairs of a
    mini-batch deviate from each other, so that it detects samples that look alike
    (Karras et al. 2018). 0 switches it off [tf-dcgan]; other values are a
    [choice]"""
    loss: Literal["non_saturating", "minimax", "paper_equation_1", "hinge"] = (
        "non_saturating"
    )
    """`non_saturating`: softmax cross-entropy with the non-saturating generator
    loss [tf-dcgan]. `minimax`: the same with the generator loss of eq. (2).
    `paper_equation_1`: eq. (1) and (2) as printed, of which the first has no lower
    bound [paper III]. `hinge`: Lim and Ye 2017 [choice, fast]"""
    augment: Literal["none", "differentiable"] = "none"
    """What the discriminator sees: pairs as they are [paper IV-B], or real and
    synthetic pairs shifted, cut out and re-exposed (Zhao et al. 2020), so that it
    does not memorize 30 cases [choice, fast]"""
    augment_shift: ranges.CountOrZero = 16
    """Largest shift of a pair in pixels, on each axis, if --gan.augment is on.
    [choice, fast]"""
    augment_cutout: ranges.CountOrZero = 64
    """Side in pixels of the square that is blanked in both channels, if
    --gan.augment is on. [choice, fast]"""
    augment_exposure: ranges.Amount = 0.25
    """Largest change of the image channel, if --gan.augment is on: brightness plus
    or minus this, contrast times 1 plus or minus twice this. [choice, fast]"""
    augment_real: Literal["none", "elastic"] = "none"
    """Classical augmentation of the real pairs, new each time, before the
    discriminator sees them: none [paper IV-B]; elastic is the outlook of the paper
    [choice]"""
    generator_rate: ranges.Amount = 4e-4
    """Learning rate of the generator's Adam. [paper IV-B]; lower in [choice,
    fast]"""
    discriminator_rate: ranges.Amount = 4e-4
    """Learning rate of the discriminator's Adam. [paper IV-B]; lower in [choice,
    fast]"""
    beta_1: ranges.Share = 0.5
    """Decay of Adam's first moment. [paper IV-B]"""
    beta_2: ranges.Share = 0.999
    """Decay of Adam's second moment. [paper IV-B]"""
    epsilon: ranges.Positive = 1e-8
    """Adam's epsilon: the default of TensorFlow 1. [tf-dcgan]"""
    generator_updates: ranges.Few = 1
    """Generator updates in a step. Those after the first draw new z. 1 in
    [tf-dcgan], 2 in [authors' code]"""
    average_decay: ranges.Share = 0.0
    """Decay of the running average of the generator's weights, which samples are
    drawn from. 0 draws them from the weights themselves. [tf-dcgan]; on in [choice,
    fast]"""
    average_warmup: ranges.Count = 10
    """A young average follows faster: at step t its decay is at most (1 + t) /
    (average_warmup + t). [choice]"""
    batch: ranges.Count = 128
    """Pairs in a mini-batch. [paper IV-B]; fewer in [choice, fast]"""
    steps: ranges.Count = 12000
    """Mini-batches in total. [paper IV-B]; 20000 in [authors' code]; fewer in
    [choice, fast]"""
    sample_every: ranges.Count = 200
    """Mini-batches between two sample grids. Checkpoints are written with them.
    [paper IV-B]"""
    log_every: ranges.Count = 20
    """Mini-batches between two points in TensorBoard. [choice]"""
    saturation_loss: ranges.Amount = 0.1
    """The discriminator counts as saturated if its median loss is below this. By
    chance alone the loss is 1.4 (`hinge`: 2). In small networks, 64 px, 30
    radiographs, it was about 0.05 with the settings of `paper`, 0.0001 where the
    generator learns nothing (`minimax`), and 1.1 to 1.7 with those of `fast`; on
    145 radiographs 0.1 to 0.35. Under `paper_equation_1`, which has no lower bound,
    the value of an equally sure discriminator is used. [choice]"""
    saturation_steps: ranges.Count = 500
    """Mini-batches over which this median is taken. [choice]"""
    mode_collapse_share: ranges.Amount = 0.4
    """Samples count as collapsed if their perceptual hashes differ, on average, by
    less than this share of what those of the training images do. In the same small
    networks it was 0.5 to 0.7 while `fast` learns, and 0.1 to 0.4 where samples look
    alike; for 16 real radiographs it varies by 0.06. [choice]"""
    fidelity_pairs: ranges.Cases = 16
    """Least number of generated pairs that are compared with the validation cases
    while the GAN is trained: as many as there are cases, but at least this many.
    [choice]"""
    fidelity_blocks: ranges.Count = 16
    """Side of the grid of block means of image and mask that they are compared by.
    [choice]"""
    precision: Precision = "float32"
    """Number format of the convolutions. Weights and losses are always float32.
    [tf-dcgan]; auto takes bfloat16 where the machine accelerates it (AMX,
    AVX512-BF16, tensor cores), and says so [choice, fast]"""


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
    augment: Literal["none", "elastic"] = "none"
    """Classical augmentation of each generated pair, once: none [paper IV-B];
    elastic in [choice, best]"""
    min_agreement: ranges.Share = 0.0
    """Also draw a filtered set, of pairs whose mask agrees (Dice) at least this
    well with out-of-fold U-Nets. 0: no filtered set; the paper uses all pairs.
    [choice]"""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class UNetConfig:
    """The segmentation network and its training."""

    depth: ranges.Halvings = 4
    """Number of average poolings. [paper IV-B]; on the way up, a 2 x 2
    up-convolution of stride 2 with ReLU doubles the side of the maps [choice]"""
    maps: ranges.Count = 64
    """Feature maps of every convolution. [paper IV-B]; a 1 x 1 convolution makes
    the two logits of them. Kernels start from Keras's He normal, which is cut off
    at two standard deviations, while Caffe's MSRA is not [choice]"""
    kernel_size: ranges.Kernel = 3
    """Side of the convolution kernels. [paper IV-B]; maps are padded with zeros and
    keep their side [choice]"""
    optimizer: Literal["nesterov", "adam"] = "nesterov"
    """Nesterov's method as Caffe computes it [paper IV-B]; its learning rate needs
    thousands of epochs. Or Adam, with Keras's beta_1 0.9, beta_2 0.999 and epsilon
    1e-7 [choice, fast]"""
    learning_rate: ranges.Amount = 1e-5
    """Learning rate. [paper IV-B]; higher for Adam in [choice, fast]"""
    momentum: ranges.Share = 0.99
    """Momentum of Nesterov's method. [paper IV-B]"""
    weight_decay: ranges.Amount = 5e-4
    """L2 weight decay, added to the gradient before the momentum. [paper IV-B];
    none in [choice, fast]"""
    batch: ranges.Count = 16
    """Pairs in a mini-batch. [paper IV-B]; drawn without replacement: an epoch has
    every pair once, and its last mini-batch may be smaller [choice]"""
    validation_error: Literal["cross_entropy", "dice"] = "cross_entropy"
    """The error that decides when to stop: the training loss on the validation
    cases, or 1 minus their mean Dice. The paper says "validation error" [choice].
    With 30 cases the cross-entropy rises from overconfidence while the masks still
    improve: Dice in [choice, fast]"""
    stop_window: ranges.Count = 10
    """Epochs in the average of the validation error. Training stops when this
    average rises. [paper IV-B]"""
    go_on_while_falling: bool = ranges.optional(False)
    """Do not stop while the error falls, as where that of a lucky first epoch leaves
    the average: its mean over the last third of the window is below each error before
    in it. Off [paper IV-B]; on in [choice, fast]"""
    min_steps: ranges.CountOrZero = 0
    """Mini-batches before which the rule does not stop. The paper names none [paper
    IV-B]; Adam's validation error is too noisy at first, so more in [choice,
    fast]"""
    max_epochs: ranges.Count = 20000
    """Epochs after which training ends in any case. The paper names none. Its rule
    has always stopped training before. [choice]"""
    average_decay: ranges.Share = 0.0
    """Decay of the running average of the weights, which is validated and
    evaluated; it leaves the rule less noise to stop on. 0 takes the weights
    themselves [choice]; on in [choice, fast]"""
    keep: Literal["last", "best"] = "last"
    """Which weights are evaluated: those at the stop, or those of the epoch with
    the lowest validation error. The paper does not say. The last [choice]; the best
    in [choice, fast]"""
    fixed_steps: ranges.CountOrZero = 0
    """Mini-batches of every training, whatever the validation error, up to the end
    of an epoch. 0: the stopping rule ends it [paper IV-B]. Fixed-budget regimes
    take --evaluation.budget-steps, so that they differ in their pairs only
    [choice]"""
    steps_an_epoch: ranges.CountOrZero = 0
    """Mini-batches between two validations. 0: one pass through the pairs [paper
    IV-B]. Fixed-budget regimes take --evaluation.budget-epoch [choice]"""
    real_share: ranges.Share = 0.0
    """Share of real pairs in each mini-batch that has both kinds. 0: as a shuffle
    of all pairs mixes them [paper IV-B]; fixed [choice]"""
    augment: Literal["none", "elastic"] = "none"
    """Classical augmentation of the training pairs: none [paper IV-B]; on in the
    augmented fixed-budget regimes [choice]"""
    precision: Precision = "float32"
    """Number format of the convolutions. Weights and loss are always float32.
    float32 [choice]; auto takes bfloat16 where the machine accelerates it [choice,
    fast]"""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class EvaluationConfig:
    """Regimes beside those of the paper, and comparisons. Not in the paper."""

    equivalence_margin: ranges.Margin = 0.005
    """Differences of mean Dice smaller than this do not matter. It is the user's
    line; the differences in the paper are 0.007 to 0.044. [choice]"""
    budget_steps: ranges.Count = 20000
    """Mini-batches of each U-Net in the fixed-budget regimes. For the paper's slow
    optimizer this is a guess; for `fast` it is twice its --unet.min-steps. Fewer in
    [choice, fast]"""
    budget_epoch: ranges.Count = 50
    """Mini-batches between two validations in the fixed-budget regimes. [choice]"""
    cross_fit_splits: ranges.AtLeastTwo = 2
    """Parts into which the real training cases are split. For each part a U-Net is
    trained on the other parts, so that every case can be segmented by a U-Net that
    has not seen it. [choice]"""
    cross_fit_steps: ranges.Count = 10000
    """Mini-batches of each out-of-fold U-Net. Fewer in [choice, fast]"""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """One experiment, complete."""

    preset: Literal["paper", "authors", "fast", "best", "smoke"] = "paper"
    """Where the numbers start from: paper, authors, fast, best or smoke.
    [choice]"""
    reduced: bool = False
    """Train on the reduced set: Table II instead of Table I. [paper IV-A]"""
    lungs: Literal["both", "left", "right"] = "both"
    """Which lungs of the patient, where the target is lungs. [paper IV]"""
    target: ranges.Name = dataclasses.field(default="", metadata=ranges.OPTIONAL)
    """What the masks show. Empty: as dataset.json says. [choice]"""
    paper_figures: bool = ranges.optional(False)
    """Show the paper's Tables I and II beside results on other data too. [choice]"""
    seed: ranges.Seed = 0
    """The one number that all randomness of the run derives from. [choice]"""
    allow_duplicates: bool = False
    """Run although copies of one picture cross the split; results say so. [choice]"""
    data: DataConfig = DataConfig()
    augmentation: AugmentationConfig = AugmentationConfig()
    gan: GANConfig = GANConfig()
    synthesis: SynthesisConfig = SynthesisConfig()
    unet: UNetConfig = UNetConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
