"""Whether the numbers of a configuration are possible, and whether two are the same."""

import dataclasses
import math
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tfgansynth.config import Config
from tfgansynth.errors import InputError, name_few
from tfgansynth.ranges import Range


def check(config: Config) -> None:
    """Refuse numbers with which no experiment is possible.

    Raises:
        InputError: Names the option, its value and what is expected.
    """
    for option, value, values in _settings(config):
        if values is not None:
            _check_range(option, value, values)
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
    steps, epoch = config.evaluation.budget_steps, config.evaluation.budget_epoch
    if steps % epoch:
        raise InputError(
            f"--evaluation.budget-steps {steps}: expected a multiple of "
            f"--evaluation.budget-epoch {epoch}, so that all regimes take as many"
        )
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


def check_halvings(size: int, halvings: int) -> None:
    """Refuse a side in pixels that a network cannot halve so often.

    Raises:
        InputError: It leaves a remainder.
    """
    if size < 1 or size % (1 << halvings):
        raise InputError(
            f"size {size}: expected a multiple of {1 << halvings}: the network halves "
            f"it {halvings} times"
        )


def _settings(config: Any, prefix: str = "") -> Iterator[tuple[str, Any, Range | None]]:
    """Yield each setting: its option, its value and its range, if it has one."""
    hints = typing.get_type_hints(type(config), include_extras=True)
    for name, hint in hints.items():
        value = getattr(config, name)
        if dataclasses.is_dataclass(value):
            yield from _settings(value, f"{prefix}{name}.")
            continue
        marks = [mark for mark in typing.get_args(hint) if isinstance(mark, Range)]
        option = f"--{prefix}{name.replace('_', '-')}"
        yield option, value, marks[0] if marks else None


def _check_range(option: str, value: Any, values: Range) -> None:
    numbers = value if isinstance(value, tuple) else (value,)
    for number in numbers:
        inside = values.least <= number < values.below
        if not inside or (values.open and number == values.least):
            raise InputError(f"{option} {value}: expected {_words(values)}")


def _words(values: Range) -> str:
    if values.open:
        return f"more than {values.least:g}"
    if values.below < math.inf:
        return f"at least {values.least:g} and less than {values.below:g}"
    return f"{values.least:g} or more"


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
