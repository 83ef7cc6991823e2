"""When to stop training the U-Net."""

from collections.abc import Sequence


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
    # The two windows share all but their ends, which decide.
    return errors[-1] > errors[-1 - window]
