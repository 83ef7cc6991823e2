"""What a U-Net's training came to, epoch by epoch, and whether its rule has ended it.

Needs no TensorFlow, so that reports and checks can read it.
"""

import csv
import dataclasses
import io
import math
from collections.abc import Sequence

from tfgansynth.config import UNetConfig
from tfgansynth.errors import InputError
from tfgansynth.segmentation.stopping import average_has_risen


@dataclasses.dataclass(frozen=True, slots=True)
class Epoch:
    """What one epoch came to.

    Attributes:
        epoch: Number of the epoch, from 1.
        training_error: Mean cross-entropy over the mini-batches, nats a pixel.
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


def remarks(
    history: Sequence[Epoch], config: UNetConfig, n_pairs: int
) -> tuple[str, ...]:
    """What a reader of results must know of how this training ended.

    Args:
        history: Of a training that has ended.
        config: The network's and the training's numbers.
        n_pairs: Training pairs, real and synthetic.
    """
    if config.fixed_steps or rule_ends(history, config, n_pairs):
        return ()
    return (
        f"training ended at its bound of {config.max_epochs} epochs, before the "
        "stopping rule did (--unet.max-epochs)",
    )


def most_epochs(config: UNetConfig, n_pairs: int) -> int:
    """The epochs after which a training ends at the latest."""
    if config.fixed_steps:
        return math.ceil(config.fixed_steps / steps_an_epoch(n_pairs, config))
    return config.max_epochs


def is_done(history: Sequence[Epoch], config: UNetConfig, n_pairs: int) -> bool:
    """Whether a training with this history has ended."""
    if len(history) >= most_epochs(config, n_pairs):
        return True
    return not config.fixed_steps and rule_ends(history, config, n_pairs)


def rule_ends(history: Sequence[Epoch], config: UNetConfig, n_pairs: int) -> bool:
    """Whether the stopping rule has ended a training. Paper: IV-B."""
    errors = [entry.validation_error for entry in history]
    steps = len(errors) * steps_an_epoch(n_pairs, config)
    risen = average_has_risen(errors, config.stop_window)
    return steps >= config.min_steps and risen


def steps_an_epoch(n_pairs: int, config: UNetConfig) -> int:
    """The mini-batches of one epoch."""
    return config.steps_an_epoch or math.ceil(n_pairs / config.batch)
