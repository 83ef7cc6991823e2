"""The errors of a U-Net's training: their file, and what they say of its end.

Needs no TensorFlow.
"""

import csv
import dataclasses
import io
import math
import statistics
from collections.abc import Sequence

from tfgansynth.config import UNetConfig
from tfgansynth.errors import InputError


@dataclasses.dataclass(frozen=True, slots=True)
class Epoch:
    """The errors of one epoch.

    Attributes:
        epoch: Number of the epoch, from 1.
        training_error: Mean loss over the mini-batches: of the paper's network the
            cross-entropy, nats a pixel.
        validation_error: As configured: the same on the validation cases, or 1
            minus their mean Dice.
    """

    epoch: int
    training_error: float
    validation_error: float


def history_to_csv(history: Sequence[Epoch]) -> str:
    """Render a training's history as CSV, one line an epoch."""
    buffer = io.StringIO()
    fields = [field.name for field in dataclasses.fields(Epoch)]
    writer = csv.DictWriter(buffer, fields, lineterminator="\n")
    writer.writeheader()
    writer.writerows(dataclasses.asdict(entry) for entry in history)
    return buffer.getvalue()


def history_from_csv(text: str) -> list[Epoch]:
    """Read back what `history_to_csv` wrote.

    Raises:
        InputError: It is something else.
    """
    try:
        history = [
            Epoch(
                int(row["epoch"]),
                float(row["training_error"]),
                float(row["validation_error"]),
            )
            for row in csv.DictReader(io.StringIO(text, newline=""), strict=True)
        ]
        if [entry.epoch for entry in history] != list(range(1, len(history) + 1)):
            raise ValueError("its epochs are not 1, 2, 3 and so on")
    except (csv.Error, KeyError, TypeError, ValueError) as fault:
        raise InputError(f"is no history of a U-Net ({fault})") from fault
    return history


def average_has_risen(errors: Sequence[float], window: int) -> bool:
    """Whether the running average of the validation error has started to rise.

    Paper: IV-B, "until the average of the validation error over the last 10
    epochs started to increase": the mean of the last `window` epochs is above the
    same mean one epoch before. Two averages need `window + 1` epochs.

    Args:
        errors: Validation error of every epoch so far, oldest first.
        window: Epochs in the average.
    """
    if len(errors) <= window:
        return False
    # The two windows differ only in their ends.
    return errors[-1] > errors[-1 - window]


def is_falling(errors: Sequence[float], window: int) -> bool:
    """Whether the validation error is falling, whatever its running average does.

    Over the last third of the window its mean is below each error before in it. The
    average rises all the same where a low error leaves it, as that of a lucky first
    epoch.

    Args:
        errors: Validation error of every epoch so far, oldest first.
        window: Epochs in the average.
    """
    recent = max(1, window // 3)
    before = errors[-window:-recent]
    return bool(before) and statistics.fmean(errors[-recent:]) < min(before)


def rule_stops(
    errors: Sequence[float], window: int, *, go_on_while_falling: bool
) -> bool:
    """Whether a training with these errors is stopped.

    Args:
        errors: Validation error of every epoch so far, oldest first.
        window: Epochs in the average.
        go_on_while_falling: Whether it goes on where the error is falling, unlike
            under the paper's rule.
    """
    risen = average_has_risen(errors, window)
    return risen and not (go_on_while_falling and is_falling(errors, window))


def steps_per_epoch(config: UNetConfig, n_pairs: int) -> int:
    """Mini-batches between two validations of a training on so many pairs."""
    return config.steps_an_epoch or math.ceil(n_pairs / config.batch)


def most_epochs(config: UNetConfig, n_pairs: int) -> int:
    """Epochs after which a training on so many pairs ends in any case."""
    if config.fixed_steps:
        return math.ceil(config.fixed_steps / steps_per_epoch(config, n_pairs))
    return config.max_epochs


def pretraining_epochs(config: UNetConfig) -> int:
    """Epochs with synthetic pairs alone, whose weights are never kept as the best."""
    steps = config.pretraining_steps
    return steps // config.steps_an_epoch if steps else 0


def is_over(history: Sequence[Epoch], config: UNetConfig, n_pairs: int) -> bool:
    """Whether a training with this history is at its end."""
    if len(history) >= most_epochs(config, n_pairs):
        return True
    return not config.fixed_steps and _rule_stops(history, config, n_pairs)


def kept_dice(history: Sequence[Epoch], config: UNetConfig) -> float | None:
    """Mean Dice on validation cases of the weights that a training keeps.

    None where the validation error is not that of Dice.
    """
    if config.validation_error != "dice":
        return None
    errors = [each.validation_error for each in history[pretraining_epochs(config) :]]
    return 1 - (min(errors) if config.keep == "best" else errors[-1])


def is_lowest_late(history: Sequence[Epoch]) -> bool:
    """Whether the validation error was lowest in the last tenth of a training."""
    errors = [entry.validation_error for entry in history]
    return bool(errors) and 10 * (errors.index(min(errors)) + 1) > 9 * len(errors)


def remarks(
    history: Sequence[Epoch], config: UNetConfig, n_pairs: int
) -> dict[str, str]:
    """What a reader of results must know of how this training ended.

    Args:
        history: Of a training that has ended.
        config: The network's and the training's numbers.
        n_pairs: Training pairs, real and synthetic.

    Returns:
        Kind of the problem to the problem in words.
    """
    if config.fixed_steps:
        return {}
    if not _rule_stops(history, config, n_pairs):
        return {
            "bound_of_epochs": f"training ended at its bound of {config.max_epochs} "
            "epochs, before the stopping rule did (--unet.max-epochs)"
        }
    if is_falling([entry.validation_error for entry in history], config.stop_window):
        return {
            "stopped_while_falling": "training was stopped by the rule while its "
            "error was falling (--unet.go-on-while-falling)"
        }
    return {}


def _rule_stops(history: Sequence[Epoch], config: UNetConfig, n_pairs: int) -> bool:
    errors = [entry.validation_error for entry in history]
    steps = len(errors) * steps_per_epoch(config, n_pairs)
    return steps >= config.min_steps and rule_stops(
        errors, config.stop_window, go_on_while_falling=config.go_on_while_falling
    )
