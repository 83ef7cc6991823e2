"""Whether the numbers of a configuration are possible, and whether two are the same."""

import dataclasses
import itertools
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from tfgansynth.config import Config, GANConfig, UNetConfig
from tfgansynth.errors import InputError, name_few
from tfgansynth.ranges import range_of

_Settings = TypeVar("_Settings")
_PROGRAM_MIB = 740
"""Memory of a process that has imported TensorFlow and taken a tiny step; of a whole
tiny run it was 780 to 840."""
_MOST_GIB = 64
"""Memory that one thing may need by a low estimate, which is 1 for the paper's step: a
refusal by the machine would come after hours."""


def check(config: Config) -> None:
    """Refuse numbers with which no experiment is possible.

    Raises:
        InputError: Names the option, its value and what is expected.
    """
    check_ranges(config)
    size = config.data.size
    halvings = {
        "gan.generator-maps": len(config.gan.generator_maps),
        "gan.discriminator-maps": len(config.gan.discriminator_maps),
        "unet.depth": config.unet.depth,
    }
    for option, count in halvings.items():
        check_halvings(size, count, "--data.size", f"--{option}")
    for what, numbers, options in _largest(config):
        if (gib := numbers / 2**28) > _MOST_GIB:
            raise InputError(
                f"--{', --'.join(options.split())}: {what} would take {gib:,.0f} GiB "
                f"of memory or more: expected at most {_MOST_GIB}"
            )
    if config.gan.augment == "differentiable":
        for name in ("augment_cutout", "augment_shift"):
            if (pixels := getattr(config.gan, name)) >= size:
                raise InputError(
                    f"--gan.{name.replace('_', '-')} {pixels}: expected less than "
                    f"--data.size {size}, or the discriminator sees nothing"
                )
    budgets, epoch = config.evaluation.budgets, config.evaluation.budget_epoch
    option = f"--evaluation.budgets {' '.join(map(str, budgets))}"
    if [*budgets] != sorted({*budgets}):
        raise InputError(f"{option}: expected ascending numbers, each once")
    if any(steps % epoch for steps in budgets):
        raise InputError(
            f"{option}: expected multiples of --evaluation.budget-epoch {epoch}, so "
            "that all regimes take as many"
        )
    unet = config.unet
    if (steps := unet.pretraining_steps) and (
        steps >= unet.fixed_steps or steps % (unet.steps_an_epoch or steps + 1)
    ):
        raise InputError(
            f"--unet.pretraining-steps {steps}: expected less than --unet.fixed-steps "
            f"{unet.fixed_steps}, and a multiple of --unet.steps-an-epoch "
            f"{unet.steps_an_epoch}"
        )
    if unet.pretraining_steps and unet.real_share:
        raise InputError(
            f"--unet.real-share {unet.real_share:g}: has no effect with --unet."
            "pretraining-steps, which mixes no mini-batch: give one of them"
        )
    if config.gan.minibatch_stddev and config.gan.batch % config.gan.minibatch_stddev:
        raise InputError(
            f"--gan.minibatch-stddev {config.gan.minibatch_stddev}: expected a divisor "
            f"of --gan.batch {config.gan.batch}"
        )
    if config.gan.unlabelled and not config.synthesis.pseudo_label_members:
        raise InputError(
            "--gan.unlabelled: takes masks from the pseudo-label ensemble: expected "
            "--synthesis.pseudo-label-members 1 or more"
        )
    if config.gan.loss == "wgan_gp":
        check_penalty(config.gan)
    _check_architecture(config.unet)
    if config.unet.real_share and config.unet.batch < 2:
        raise InputError(
            f"--unet.batch {config.unet.batch}: expected 2 or more, so that "
            f"--unet.real-share {config.unet.real_share} leaves room for both kinds"
        )


def check_penalty(config: GANConfig) -> None:
    """Refuse a discriminator that the gradient penalty of `wgan_gp` does not fit.

    Raises:
        InputError: It has batch normalization, which mixes the pairs of a mini-batch.
    """
    if config.discriminator_norm == "batch":
        raise InputError(
            "--gan.discriminator-norm batch: expected none or spectral with --gan.loss "
            "wgan_gp, whose penalty is of each pair by itself"
        )


def _check_architecture(unet: UNetConfig) -> None:
    """Refuse settings of the U-Net's other architecture."""
    if unet.architecture == "modern" and unet.optimizer != "adam":
        raise InputError(
            f"--unet.optimizer {unet.optimizer}: expected adam, which --unet."
            "architecture modern is trained with"
        )
    if unet.architecture == "paper" and unet.most_maps != UNetConfig().most_maps:
        raise InputError(
            f"--unet.most-maps {unet.most_maps}: only --unet.architecture modern has "
            "more maps at coarser levels"
        )


def generator_weights(config: GANConfig, size: int) -> int:
    """How many weights a generator's kernels have, before any is made."""
    base = size >> len(config.generator_maps)
    maps = [*config.generator_maps, 2]
    return config.z_dim * base**2 * maps[0] + _kernels(maps, config.kernel_size)


def _kernels(maps: Sequence[int], side: int) -> int:
    return side**2 * sum(a * b for a, b in itertools.pairwise(maps))


def expected_mib(config: Config, n_cases: int) -> dict[str, float]:
    """Expect the memory of a process that trains or samples a network, from shapes.

    The factors fit a step and a sampled batch in float32 on CPUs, of `smoke` at 64 to
    512 px and `fast` at 64 to 256 px, within 11 %: 0.7 to 4.0 GiB; of the modern U-Net
    at 64 and 128 px; with the gradient penalty or resized maps, of `smoke` at 256 px
    and `fast` at 64 px. In bfloat16 it is less.

    Returns:
        MiB for `gan`, `synthetic set` and `unet`.
    """
    gan, unet, pixels = config.gan, config.unet, config.data.size**2
    g_weights, d_weights, g_maps, d_maps = _gan_numbers(config)
    kept = 14 if unet.architecture == "paper" else 46
    # Of real and synthetic pairs, and of those between.
    passes = 3 if gan.loss == "wgan_gp" else 2
    step = 5 * (g_weights + d_weights) + 3 * gan.batch * (g_maps + passes * d_maps)
    if gan.upsampling == "resize":
        fine_to_coarse = enumerate(reversed(gan.generator_maps))
        step += gan.batch * sum(maps * pixels >> 2 * n for n, maps in fine_to_coarse)
    networks = {
        "gan": step,
        "synthetic set": 2 * config.synthesis.batch * g_maps,
        "unet": 5 * _unet_weights(config) + kept * unet.batch * unet.maps * pixels,
    }
    # Images and masks, and the arrays that are made of them.
    data = 4 * n_cases * pixels
    return {
        name: _PROGRAM_MIB + (numbers + data) / 2**18
        for name, numbers in networks.items()
    }


def _gan_numbers(config: Config) -> tuple[int, int, int, int]:
    """Weights of generator and discriminator, and numbers in their maps of a pair."""
    gan, pixels = config.gan, config.data.size**2
    coarse_to_fine = [2, *reversed(gan.generator_maps)]
    generator = sum(maps * pixels >> 2 * n for n, maps in enumerate(coarse_to_fine))
    last = 2 * gan.discriminator_maps[-1] * pixels >> 2 * len(gan.discriminator_maps)
    weights = _kernels([2, *gan.discriminator_maps], gan.kernel_size) + last
    maps = sum(
        maps * pixels >> 2 * n for n, maps in enumerate(gan.discriminator_maps, 1)
    )
    return generator_weights(gan, config.data.size), weights, generator, maps


def _unet_weights(config: Config) -> int:
    """Two convolutions on each level, down and up; one up takes joined maps."""
    unet = config.unet
    maps = [unet.maps_at(level) for level in range(unet.depth + 1)]
    return unet.kernel_size**2 * (5 * sum(n * n for n in maps[:-1]) + maps[-1] ** 2)


def _largest(config: Config) -> Iterator[tuple[str, int, str]]:
    """Yield what takes much memory, its least count of numbers, and its options.

    A network in training has weights, their gradients and Adam's two moments, and the
    maps of a mini-batch.
    """
    gan, unet, pixels = config.gan, config.unet, config.data.size**2
    g_weights, weights, generator, maps = _gan_numbers(config)
    shared = "gan.kernel-size gan.batch data.size"
    yield (
        "a training step of the generator",
        4 * g_weights + gan.batch * generator,
        f"gan.z-dim gan.generator-maps {shared}",
    )
    yield (
        "a training step of the discriminator",
        # Of real and of synthetic pairs.
        4 * weights + 2 * gan.batch * maps,
        f"gan.discriminator-maps {shared}",
    )
    yield (
        "a training step of a U-Net",
        4 * _unet_weights(config) + 2 * unet.batch * unet.maps * pixels,
        "unet.maps unet.kernel-size unet.batch data.size",
    )
    yield (
        "a batch of synthetic pairs",
        config.synthesis.batch * generator,
        "synthesis.batch gan.generator-maps data.size",
    )
    yield (
        "the synthetic set",
        2 * config.synthesis.count * pixels,
        ("synthesis.count data.size"),
    )
    yield "the phantoms", 2 * config.data.phantoms * pixels, "data.phantoms data.size"


def check_ranges(settings: Any, prefix: str = "--") -> None:
    """Refuse a number outside the range that its field states.

    Args:
        settings: A dataclass; settings within it are checked too.
        prefix: What the names of its options begin with.

    Raises:
        InputError: Names the option, its value and what is expected.
    """
    hints = typing.get_type_hints(type(settings), include_extras=True)
    for field in dataclasses.fields(settings):
        value, values = getattr(settings, field.name), range_of(hints[field.name])
        option = f"{prefix}{field.name.replace('_', '-')}"
        if dataclasses.is_dataclass(value):
            # A command's settings stand among its other options.
            check_ranges(value, prefix if type(value) is Config else f"{option}.")
        elif values and value not in (None, "auto"):
            numbers = value if isinstance(value, tuple) else (value,)
            if not numbers:
                raise InputError(f"{option}: expected one number or more")
            if not all(number in values for number in numbers):
                raise InputError(f"{option} {value}: expected {values}")


def settings_from(kind: type[_Settings], entries: Mapping[str, Any]) -> _Settings:
    """Make settings of plain values that may come from anyone.

    Raises:
        InputError: A value is of another type, or outside its range.
    """
    hints = typing.get_type_hints(kind)
    for name, value in entries.items():
        if name not in hints or not _fits(value, hints[name]):
            raise InputError(f"{name} {value!r}: is no value of {kind.__name__}")
    made = kind(
        **{name: tuple(v) if type(v) is list else v for name, v in entries.items()}
    )
    check_ranges(made)
    return made


def _fits(value: Any, kind: Any) -> bool:
    if typing.get_origin(kind) is Literal:
        return isinstance(value, str) and value in typing.get_args(kind)
    if typing.get_origin(kind) is tuple:
        return type(value) in (list, tuple) and all(type(i) is int for i in value)
    return type(value) in ({int, float} if kind is float else {kind})


def check_halvings(
    size: int, halvings: int, name: str = "size", network: str = "the network"
) -> None:
    """Refuse a side in pixels that a network cannot halve so often.

    Raises:
        InputError: It leaves a remainder.
    """
    if size < 1 or halvings >= size.bit_length():
        raise InputError(
            f"{name} {size}: expected more, as {network} halves it {halvings} times"
        )
    if size % (1 << halvings):
        raise InputError(
            f"{name} {size}: expected a multiple of {1 << halvings}, as {network} "
            f"halves it {halvings} times"
        )


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
    """Refuse what lies at `path`, made with `theirs` instead of `ours`.

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
