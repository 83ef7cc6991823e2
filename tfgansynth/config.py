"""Every number of the experiment, each with its source, and the presets.

The docstring under each field ends with where its value comes from:
`[paper IV-B]` a section of Neff et al. 2017, `[tf-dcgan]` the implementation the
paper started from, `[authors' code]` what its authors later published, `[choice]`
ours. The README's "Choices and deviations" lists every `[choice]`.
"""

import dataclasses
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from tfgansynth.errors import InputError, name_few

Precision = Literal["auto", "float32", "bfloat16"]

NETWORK_VERSIONS = {"gan": 1, "unet": 1}
"""Raised when the same configuration makes other networks than before: other
variables or another computation. A run folder goes on only with its own versions."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class DataConfig:
    """Cases and their split."""

    size: int = 128
    """Side of the square images in pixels, after downsampling. [paper IV-A]"""
    soft_masks: bool = False
    """Give the GAN masks resized bilinearly to grey values instead of binary
    ones. False in the paper's text, True in [authors' code]"""
    folds: int = 3
    """Folds of the cross-validation. [paper IV-A]"""
    n_validation: int = 20
    """Validation cases a fold, drawn from those not tested. [paper IV-A]"""
    n_reduced: int = 30
    """Training cases a fold of the reduced data set. [paper IV-A]"""
    phantoms: int = 247
    """Number of built-in phantoms when no data is named. As many as the paper's
    radiographs. [paper IV-A]"""
    phantom_seed: int = 0
    """Determines the phantoms; apart from --seed, so that all runs share one
    data set. [choice]"""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class AugmentationConfig:
    """Classical augmentation, wherever it is switched on.

    Shifts, rotations, elastic deformations and grey values, as U-Net's authors had
    them (Ronneberger et al. 2015).
    """

    grid: int = 3
    """Nodes a side of the grid that is deformed, as U-Net's authors had. [choice]"""
    stddev: float = 2.5
    """Standard deviation of a node's displacement in pixels, each axis: the 10 of
    U-Net's authors' 512 pixels are 2.5 of 128. [choice]"""
    shift: float = 6.0
    """Largest shift in pixels, each axis. [choice]"""
    rotation: float = 8.0
    """Largest rotation in degrees. [choice]"""
    grey: float = 0.1
    """Largest change of brightness and of contrast, as a share. [choice]"""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class GANConfig:
    """Generator, discriminator and their training."""

    z_dim: int = 400
    """Length of the noise vector z, uniform in [-1, 1]. [paper IV-B]"""
    codes: bool = False
    """Learn a code for each training case, which must give that case again, and let z
    mix the codes, so that no case is left out (Bojanowski et al. 2018). Off: z goes in
    as it is [paper IV-B]; on in [choice, best]"""
    code_sharpness: float = 1.0
    """How much a mixture is of one code: the mean logarithm of the ratio of a share to
    the next smaller one. At 1 the largest is about 0.6 of all, at 0.5 about 0.4.
    Sharp mixtures come near the cases [choice]; less sharp in [choice, best]"""
    code_loss: float = 20.0
    """Weight of the mean absolute error of those cases, besides the adversarial loss
    of the generator. [choice]"""
    generator_maps: tuple[int, ...] = (512, 256, 128, 128, 128)
    """Feature maps of the generator, coarse to fine; each level doubles the
    side. [paper IV-B]"""
    discriminator_maps: tuple[int, ...] = (128, 128, 256, 512, 512)
    """Feature maps of the discriminator, fine to coarse; each level halves the
    side. [paper IV-B]"""
    kernel_size: int = 5
    """Side of all convolution kernels. [paper IV-B]"""
    init: Literal["normal", "truncated_normal"] = "normal"
    """Distribution of the initial weights, zero mean. [paper IV-B]; truncated in
    [authors' code]"""
    init_stddev: float = 0.05
    """Standard deviation of the initial weights. [paper IV-B]"""
    batch_norm_epsilon: float = 1e-5
    """Added to the variance in batch normalization. [tf-dcgan]"""
    batch_norm_scale: bool = False
    """Learn a scale besides the offset after batch normalization. Off in
    [tf-dcgan], in its version with this epsilon, and in [authors' code]; on in
    [choice, fast]"""
    leaky_slope: float = 0.2
    """Slope of the discriminator's leaky ReLU below zero. [tf-dcgan]"""
    discriminator_norm: Literal["batch", "spectral"] = "batch"
    """What keeps the discriminator stable: batch normalization [tf-dcgan], or
    spectral normalization of its kernels (Miyato et al. 2018) [choice, fast]"""
    minibatch_stddev: int = 0
    """The discriminator also sees how much the last maps of so many pairs of a
    mini-batch deviate, so that samples that look alike give themselves away (Karras
    et al. 2018); 0 for none [tf-dcgan]; any [choice]"""
    loss: Literal["non_saturating", "minimax", "printed", "hinge"] = "non_saturating"
    """Softmax cross-entropy with the non-saturating generator loss [tf-dcgan],
    the same with the generator loss of eq. (2), eq. (1) and (2) to the letter
    [paper III], or hinge (Lim and Ye 2017) [choice, fast]"""
    augment: Literal["none", "differentiable"] = "none"
    """What the discriminator sees: pairs as they are [paper IV-B], or both real
    and synthetic ones shifted, cut out and re-exposed (Zhao et al. 2020)
    [choice, fast]"""
    augment_shift: int = 16
    """Largest shift of a pair in pixels, each axis. [choice, fast]"""
    augment_cutout: int = 64
    """Side in pixels of the square blanked in both channels. [choice, fast]"""
    augment_exposure: float = 0.25
    """Largest change of the image channel: brightness plus or minus this, contrast
    times 1 plus or minus twice this. [choice, fast]"""
    deform: Literal["none", "elastic"] = "none"
    """Classical augmentation of the real pairs, anew each time, before the
    discriminator sees them: none [paper IV-B]; elastic is the paper's
    outlook [choice]"""
    generator_rate: float = 4e-4
    """Learning rate of the generator's Adam. [paper IV-B]"""
    discriminator_rate: float = 4e-4
    """Learning rate of the discriminator's Adam. [paper IV-B]"""
    beta_1: float = 0.5
    """Decay of Adam's first moment. [paper IV-B]"""
    beta_2: float = 0.999
    """Decay of Adam's second moment. [paper IV-B]"""
    epsilon: float = 1e-8
    """Adam's epsilon: TensorFlow 1's default. [tf-dcgan]"""
    generator_updates: int = 1
    """Generator updates a step; those after the first draw fresh z. 1 in
    [tf-dcgan], 2 in [authors' code]"""
    average_decay: float = 0.0
    """Decay of the running average of the generator's weights that is sampled
    from; 0 samples from the weights themselves. [tf-dcgan]; on in [choice, fast]"""
    batch: int = 128
    """Pairs a mini-batch. [paper IV-B]"""
    steps: int = 12000
    """Mini-batches in total. [paper IV-B]"""
    sample_every: int = 200
    """Mini-batches between sample grids; checkpoints are written with them.
    [paper IV-B]"""
    log_every: int = 20
    """Mini-batches between two TensorBoard points. [choice]"""
    won_loss: float = 0.1
    """Median loss below which the discriminator counts as having won; under the
    printed loss, which has no lower bound, the value of one just as sure. [choice]"""
    won_steps: int = 500
    """Mini-batches over which that median is taken. [choice]"""
    collapse_share: float = 0.4
    """Samples count as collapsed where the mean distance of their perceptual hashes
    is less than this share of the real training images'. [choice]"""
    precision: Precision = "float32"
    """Number format of the convolutions; weights and losses are always float32.
    [tf-dcgan]; auto takes bfloat16 where the machine accelerates it
    [choice, fast]"""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class SynthesisConfig:
    """From generator to synthetic set."""

    count: int = 120
    """Synthetic pairs in the set. [paper IV-B]; more in [choice, best]"""
    batch: int = 128
    """Pairs drawn at a time; the batch whose moments normalize the generator's
    maps. As in training. [tf-dcgan]"""
    hash_distance: int = 2
    """Images whose 64-bit perceptual hashes differ in at most this many bits
    count as almost identical. The paper gives no threshold. [choice]"""
    max_draws: int = 40
    """Give up after this many times `count` pairs were drawn. [choice]"""
    mask_threshold: int = 150
    """Grey value in [0, 255] from which a mask pixel is foreground. [paper IV-B]"""
    teachers: int = 0
    """U-Nets of the fold's real cases, trained with classical augmentation, whose mean
    opinion replaces the mask of each generated image; 0 keeps the generator's own
    masks [paper IV-B]; some in [choice, best]"""
    teacher_steps: int = 20000
    """Mini-batches of each of these U-Nets; fewer in [choice, fast]"""
    deform: Literal["none", "elastic"] = "none"
    """Classical augmentation of each generated pair, once: none [paper IV-B]; elastic
    in [choice, best]"""
    min_agreement: float = 0.0
    """Also draw a filtered set, of pairs whose mask agrees at least so well (Dice)
    with what U-Nets of the fold's real cases find in the image; 0: none. [choice]"""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class UNetConfig:
    """The segmentation network and its training."""

    depth: int = 4
    """Number of average poolings. [paper IV-B]"""
    maps: int = 64
    """Feature maps of every convolution. [paper IV-B]"""
    kernel_size: int = 3
    """Side of the convolution kernels. [paper IV-B]"""
    optimizer: Literal["nesterov", "adam"] = "nesterov"
    """Nesterov's method as Caffe computes it [paper IV-B], or Adam
    [choice, fast]"""
    learning_rate: float = 1e-5
    """Learning rate. [paper IV-B]"""
    momentum: float = 0.99
    """Momentum of Nesterov's method. [paper IV-B]"""
    weight_decay: float = 5e-4
    """L2 weight decay, coupled into the gradient before momentum. [paper IV-B]"""
    batch: int = 16
    """Pairs a mini-batch. [paper IV-B]"""
    validation_error: Literal["cross_entropy", "dice"] = "cross_entropy"
    """The error that decides when to stop: the training loss on the validation
    cases, or 1 minus their mean Dice. The paper does not say which [choice]; Dice
    in [choice, fast]"""
    stop_window: int = 10
    """Epochs in the average of the validation error. Training stops when this
    average rises. [paper IV-B]"""
    min_steps: int = 0
    """Mini-batches before which the rule does not stop; an epoch of 30 cases has
    two. The paper names none [paper IV-B]; more in [choice, fast]"""
    max_epochs: int = 20000
    """Epochs after which training ends in any case. The paper names none: never
    reached by its rule in practice. [choice]"""
    average_decay: float = 0.0
    """Decay a mini-batch of the running average of the weights that is validated
    and evaluated; 0 takes the weights themselves [choice]; on in [choice, fast]"""
    keep: Literal["last", "best"] = "last"
    """Which weights are evaluated: those at the stop [choice], or those of the
    epoch with the lowest validation error [choice, fast]"""
    fixed_steps: int = 0
    """Mini-batches of every training, whatever the validation error, up to the end
    of an epoch; 0: the stopping rule ends it [paper IV-B]. The fair arms take
    --evaluation.fair-steps [choice]"""
    steps_an_epoch: int = 0
    """Mini-batches between two validations; 0: one pass through the pairs
    [paper IV-B]. The fair arms take --evaluation.fair-epoch [choice]"""
    real_share: float = 0.0
    """Share of real pairs in each mini-batch that has both kinds; 0: as a shuffle of
    all mixes them [paper IV-B]; fixed [choice]"""
    augment: Literal["none", "elastic"] = "none"
    """Classical augmentation of the training pairs: none [paper IV-B]; on in the fair
    augmented arms [choice]"""
    precision: Precision = "float32"
    """Number format of the convolutions; weights and loss are always float32.
    [choice]; auto in [choice, fast]"""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class EvaluationConfig:
    """Arms beside the paper's, and how evidence is judged. Not in the paper."""

    equivalence_margin: float = 0.005
    """Differences of mean Dice smaller than this do not matter. [choice]"""
    fair_steps: int = 20000
    """Mini-batches of each U-Net of the fair arms; fewer in [choice, fast]"""
    fair_epoch: int = 50
    """Mini-batches between two validations of the fair arms. [choice]"""
    judges: int = 2
    """Parts into which the real training cases are split, so that a U-Net that has
    not seen a case can judge it. [choice]"""
    judge_steps: int = 10000
    """Mini-batches of each U-Net that judges pairs; fewer in [choice, fast]"""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """One experiment, complete."""

    preset: Literal["paper", "authors", "fast", "best", "smoke"] = "paper"
    """Where the numbers started from: paper, authors, fast, best or smoke. [choice]"""
    reduced: bool = False
    """Train on the reduced set: Table II instead of Table I. [paper IV-A]"""
    lungs: Literal["both", "left", "right"] = "both"
    """The target: the patient's lungs. [paper IV]"""
    seed: int = 0
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


_PAPER = Config()

_AUTHORS = dataclasses.replace(
    _PAPER,
    preset="authors",
    data=dataclasses.replace(_PAPER.data, soft_masks=True),
    gan=dataclasses.replace(
        _PAPER.gan,
        generator_maps=(512, 256, 128, 128, 128, 128),
        discriminator_maps=(128, 128, 256, 512, 512, 512),
        init="truncated_normal",
        generator_updates=2,
    ),
)

_FAST = dataclasses.replace(
    _PAPER,
    preset="fast",
    gan=dataclasses.replace(
        _PAPER.gan,
        batch_norm_scale=True,
        discriminator_norm="spectral",
        loss="hinge",
        augment="differentiable",
        generator_rate=2e-4,
        discriminator_rate=2e-4,
        average_decay=0.995,
        batch=32,
        steps=2000,
        precision="auto",
    ),
    unet=dataclasses.replace(
        _PAPER.unet,
        optimizer="adam",
        learning_rate=5e-4,
        weight_decay=0.0,
        validation_error="dice",
        min_steps=300,
        max_epochs=400,
        average_decay=0.98,
        keep="best",
        precision="auto",
    ),
    synthesis=dataclasses.replace(_PAPER.synthesis, teacher_steps=600),
    evaluation=dataclasses.replace(
        _PAPER.evaluation, fair_steps=600, fair_epoch=10, judge_steps=300
    ),
)

_BEST = dataclasses.replace(
    _FAST,
    preset="best",
    gan=dataclasses.replace(_FAST.gan, codes=True, code_sharpness=0.5),
    synthesis=dataclasses.replace(
        _FAST.synthesis, count=1000, teachers=3, deform="elastic"
    ),
)

_SMOKE = dataclasses.replace(
    _FAST,
    preset="smoke",
    gan=dataclasses.replace(
        _FAST.gan,
        z_dim=32,
        generator_maps=(64, 48, 32, 24, 16),
        discriminator_maps=(16, 24, 32, 48, 64),
        generator_rate=1e-3,
        discriminator_rate=1e-3,
        batch=16,
        steps=100,
        sample_every=50,
        log_every=10,
        won_steps=50,
        precision="float32",
    ),
    synthesis=dataclasses.replace(
        _FAST.synthesis, count=30, hash_distance=0, teacher_steps=40
    ),
    unet=dataclasses.replace(
        _FAST.unet,
        maps=8,
        learning_rate=3e-3,
        min_steps=30,
        max_epochs=17,
        average_decay=0.8,
        precision="float32",
    ),
    evaluation=dataclasses.replace(
        _FAST.evaluation, fair_steps=40, fair_epoch=4, judge_steps=200
    ),
)

PRESETS: Mapping[str, Config] = {
    config.preset: config for config in (_PAPER, _AUTHORS, _FAST, _BEST, _SMOKE)
}
"""`paper`: its text. `authors`: their published code. `fast`: the paper's networks
and protocol, made to converge on a CPU within an hour. `best`: the recipe whose pairs
have helped most so far. `smoke`: seconds, for tests."""


_MAY_BE_ZERO = {
    "seed",
    "phantom_seed",
    "augment_shift",
    "augment_cutout",
    "hash_distance",
    "minibatch_stddev",
    "teachers",
    "mask_threshold",
    "depth",
    "min_steps",
    "fixed_steps",
    "steps_an_epoch",
}
_BELOW_ONE = {
    "beta_1",
    "beta_2",
    "momentum",
    "average_decay",
    "min_agreement",
    "real_share",
}


def check(config: Config) -> None:
    """Refuse numbers with which no experiment is possible.

    Raises:
        InputError: Names the option, its value and what is expected.
    """
    for name, value in dataclasses.asdict(config).items():
        if isinstance(value, dict):
            _check_numbers(f"{name}.", value)
        else:
            _check_numbers("", {name: value})
    size = config.data.size
    levels = {
        "gan.generator-maps": len(config.gan.generator_maps),
        "gan.discriminator-maps": len(config.gan.discriminator_maps),
        "unet.depth": config.unet.depth,
    }
    cutout = config.gan.augment_cutout
    if config.gan.augment == "differentiable" and cutout >= size:
        raise InputError(
            f"--gan.augment-cutout {cutout}: expected less than --data.size {size}, "
            "or the discriminator sees nothing"
        )
    for option, least in {"evaluation.judges": 2, "augmentation.grid": 2}.items():
        room, field = option.replace("-", "_").split(".")
        value = getattr(getattr(config, room), field)
        if value < least:
            raise InputError(f"--{option} {value}: expected {least} or more")
    steps, epoch = config.evaluation.fair_steps, config.evaluation.fair_epoch
    if steps % epoch:
        raise InputError(
            f"--evaluation.fair-steps {steps}: expected a multiple of "
            f"--evaluation.fair-epoch {epoch}, so that all arms take as many"
        )
    if not config.evaluation.equivalence_margin:
        raise InputError("--evaluation.equivalence-margin 0: expected more than 0")
    if config.gan.minibatch_stddev and config.gan.batch % config.gan.minibatch_stddev:
        raise InputError(
            f"--gan.minibatch-stddev {config.gan.minibatch_stddev}: expected a divisor "
            f"of --gan.batch {config.gan.batch}"
        )
    if config.unet.real_share and config.unet.batch < 2:
        raise InputError(
            f"--unet.batch {config.unet.batch}: expected 2 or more, so that "
            f"--unet.real-share {config.unet.real_share} leaves room for both kinds"
        )
    for option, halvings in levels.items():
        if not halvings and option != "unet.depth":
            raise InputError(f"--{option}: expected one number of maps or more")
        if size % (1 << halvings):
            raise InputError(
                f"--data.size {size}: expected a multiple of {1 << halvings}, as "
                f"--{option} halves it {halvings} times"
            )


def _check_numbers(prefix: str, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        option = f"--{prefix}{name.replace('_', '-')} {value}"
        if name in _BELOW_ONE:
            if not 0 <= value < 1:
                raise InputError(f"{option}: expected at least 0 and less than 1")
        elif isinstance(value, float):
            if not 0 <= value < math.inf:
                raise InputError(f"{option}: expected 0 or more")
        elif isinstance(value, int | tuple):
            least = 0 if name in _MAY_BE_ZERO or isinstance(value, bool) else 1
            numbers = value if isinstance(value, tuple) else (value,)
            if min(numbers, default=least) < least:
                raise InputError(f"{option}: expected {least} or more")


def config_from_json(content: Mapping[str, Any]) -> Config:
    """Read a configuration back from what `dataclasses.asdict` and JSON made of it.

    Raises:
        InputError: A setting is missing, or is none of this version.
    """
    config: Config = _restored(Config, content)
    return config


def _restored(kind: Any, content: Any) -> Any:
    """Make a dataclass of the fields of an object, nested ones too."""
    names = {field.name: field.type for field in dataclasses.fields(kind)}
    if not isinstance(content, Mapping) or set(content) != set(names):
        odd = sorted({*names} ^ {*content}) if isinstance(content, Mapping) else []
        raise InputError(f"a configuration of another version ({name_few(odd)})")
    values = {}
    for name, value in content.items():
        if dataclasses.is_dataclass(names[name]):
            values[name] = _restored(names[name], value)
        else:
            values[name] = tuple(value) if isinstance(value, list) else value
    return kind(**values)


def differences(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[str]:
    """Yield `name: ours, theirs` for each setting in which two configs differ.

    Both are nested dictionaries as `dataclasses.asdict` or JSON give them; lists
    and tuples of equal items are equal.
    """
    for key in sorted({*ours, *theirs}):
        a, b = ours.get(key), theirs.get(key)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            yield from (f"{key}.{line}" for line in differences(a, b))
        elif _plain(a) != _plain(b):
            yield f"{key}: {_plain(a)} against {_plain(b)}"


def require_same(
    ours: Mapping[str, Any], theirs: Mapping[str, Any], path: Path
) -> None:
    """Refuse what was made with other settings, on other data or other networks.

    Args:
        ours: What it should have been made with; nested, plain.
        theirs: What it was made with.
        path: Where it lies, for the message.

    Raises:
        InputError: Names what differs.
    """
    found = list(differences(ours, theirs))
    if found:
        raise InputError(
            f"{path}: is of another run ({name_few(found, '; ')}): remove it, or name "
            "another --out"
        )


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
