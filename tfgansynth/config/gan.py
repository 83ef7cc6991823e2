"""The settings of the GAN and its training."""

import dataclasses
from typing import Literal

from tfgansynth import ranges


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
    upsampling: Literal["deconvolution", "resize"] = ranges.optional("deconvolution")
    """How a level of the generator doubles the side: a transposed convolution of
    stride 2 [paper IV-B]; or each pixel is repeated, and a convolution of stride 1
    follows, whose kernels overlap evenly, so that no dotted seams arise (Odena et al.
    2016). `resize` has as many weights, and takes four times the arithmetic [choice]"""
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
    discriminator_norm: Literal["batch", "spectral", "none"] = "batch"
    """What stabilizes the discriminator: batch normalization [tf-dcgan], spectral
    normalization of its kernels (Miyato et al. 2018), or nothing, as `wgan_gp` has
    it. With 30 cases the paper's discriminator saturates; spectral normalization
    bounds it [choice, fast]"""
    minibatch_stddev: ranges.CountOrZero = 0
    """The discriminator also sees how much the last maps of this many pairs of a
    mini-batch deviate from each other, so that it detects samples that look alike
    (Karras et al. 2018). 0 switches it off [tf-dcgan]; other values are a
    [choice]"""
    loss: Literal[
        "non_saturating", "minimax", "paper_equation_1", "hinge", "wgan_gp"
    ] = "non_saturating"
    """`non_saturating`: softmax cross-entropy with the non-saturating generator
    loss [tf-dcgan]. `minimax`: the same with the generator loss of eq. (2).
    `paper_equation_1`: eq. (1) and (2) as printed, of which the first has no lower
    bound [paper III]. `hinge`: Lim and Ye 2017 [choice, fast]. `wgan_gp`: Wasserstein
    loss with gradient penalty, not with --gan.discriminator-norm batch. Gulrajani et
    al. 2017 take it with no normalization, 5 --gan.discriminator-updates, rates of
    0.0001, --gan.beta-1 0 and --gan.beta-2 0.9 [choice]"""
    penalty_weight: ranges.Amount = dataclasses.field(
        default=10.0, metadata=ranges.OPTIONAL
    )
    """Weight of the gradient penalty in the discriminator's loss, if --gan.loss is
    `wgan_gp`: 10 in Gulrajani et al. 2017. [choice]"""
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
    discriminator_updates: ranges.Few = dataclasses.field(
        default=1, metadata=ranges.OPTIONAL
    )
    """Discriminator updates in a step. Those before the last have the same real pairs
    and draw new z. 1 in [tf-dcgan]; 5 with `wgan_gp` in Gulrajani et al. 2017
    [choice]"""
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
    the value of an equally sure discriminator is used. `wgan_gp` does not saturate:
    its loss is no measure of that. [choice]"""
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
    unlabelled: bool = ranges.optional(False)
    """Learn from the images without masks too, with the masks that the pseudo-label
    ensemble finds: those in `unlabelled/` of the data set, and those of cases that a
    reduced training set leaves out. Off: from the training cases alone [paper IV-B]"""
    precision: ranges.Precision = "float32"
    """Number format of the convolutions. Weights and losses are always float32.
    [tf-dcgan]; auto takes bfloat16 where the machine accelerates it (AMX,
    AVX512-BF16, tensor cores), and says so [choice, fast]"""
