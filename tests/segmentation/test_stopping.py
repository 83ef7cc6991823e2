from collections.abc import Sequence
from fractions import Fraction

import keras
import numpy as np
import pytest

from tfgansynth.segmentation.callbacks import StopOnRisingAverage
from tfgansynth.segmentation.history import average_has_risen, is_falling, rule_stops

WINDOW = 10


def as_written(errors: Sequence[float], window: int) -> bool:
    """The paper's words, literally; fractions, so that no rounding decides a tie."""
    exact = [Fraction(error) for error in errors]
    if len(exact) < window + 1:
        return False
    now = sum(exact[-window:]) / window
    before = sum(exact[-window - 1 : -1]) / window
    return now > before


def stop_epoch(errors: Sequence[float], window: int = WINDOW) -> int | None:
    """The epoch, from 1, after which a training with this curve ends."""
    for done in range(1, len(errors) + 1):
        if average_has_risen(errors[:done], window):
            return done
    return None


def test_falling_curve_never_stops() -> None:
    assert stop_epoch([1 / (epoch + 1) for epoch in range(300)]) is None


def test_flat_curve_never_stops() -> None:
    assert stop_epoch([0.25] * 300) is None


def test_rising_curve_stops_as_soon_as_two_averages_exist() -> None:
    assert stop_epoch([0.01 * epoch for epoch in range(50)]) == WINDOW + 1


def test_v_shaped_curve_stops_once_the_new_end_is_above_the_old_one() -> None:
    # Falls to epoch 31, then rises as fast: epoch 31 + k equals epoch 31 - k. The
    # averages of epochs 27-36 and 26-35 differ by error(36) - error(26) = 0, those
    # one later by error(37) - error(27) > 0.
    errors = [float(abs(epoch - 31)) for epoch in range(1, 61)]
    assert stop_epoch(errors) == 37


def test_plateau_does_not_stop_until_it_ends() -> None:
    falling = [1 - 0.02 * epoch for epoch in range(20)]
    plateau = [falling[-1]] * 25
    assert stop_epoch([*falling, *plateau]) is None
    assert stop_epoch([*falling, *plateau, falling[-1] + 1e-6]) == 46


def test_one_bad_epoch_stops_only_if_it_is_above_the_one_a_window_before() -> None:
    falling = [20.0 - epoch for epoch in range(20)]
    lower, equal, higher = ([*falling, falling[10] + d] for d in (-0.5, 0.0, 0.5))
    assert stop_epoch(lower) is None
    assert stop_epoch(equal) is None
    assert stop_epoch(higher) == 21


def test_a_noisy_curve_stops_where_its_averages_first_rise() -> None:
    rng = np.random.default_rng(4)
    errors = [float(0.9**e + 0.02 * rng.standard_normal()) for e in range(100)]
    averages = [np.mean(errors[i : i + WINDOW]) for i in range(91)]
    rises = np.flatnonzero(np.diff(averages) > 0)
    # Average number i ends with epoch i + 10; the rise is seen at the next one.
    assert stop_epoch(errors) == rises[0] + 1 + WINDOW


@pytest.mark.parametrize("window", [1, 2, 3, 10])
def test_random_curves_agree_with_the_papers_words(window: int) -> None:
    rng = np.random.default_rng(window)
    risen = []
    for _ in range(400):
        # Few levels, so that equal averages come up, and any length.
        levels = rng.integers(0, rng.integers(2, 60), rng.integers(0, 3 * window + 3))
        errors = [float(level) / 7 for level in levels]
        risen.append(average_has_risen(errors, window))
        assert risen[-1] == as_written(errors, window), errors
    assert 50 < sum(risen) < 350


@pytest.mark.parametrize("n_epochs", range(WINDOW + 1))
def test_never_before_a_window_and_one_epochs(n_epochs: int) -> None:
    assert not average_has_risen([2.0**epoch for epoch in range(n_epochs)], WINDOW)


def test_equal_averages_do_not_stop() -> None:
    # The epochs between differ; the two averages share them.
    errors = [0.5, 0.1, 0.9, 0.2, 0.8, 0.3, 0.7, 0.4, 0.6, 0.15, 0.5]
    assert not average_has_risen(errors, WINDOW)
    errors[-1] = np.nextafter(0.5, 1.0)
    assert average_has_risen(errors, WINDOW)


def test_only_the_latest_two_averages_count() -> None:
    risen_earlier = [1.0, 2.0, 3.0, 4.0, 0.5]
    assert average_has_risen(risen_earlier[:4], 2)
    assert not average_has_risen(risen_earlier, 2)


LUCKY = [0.761, 0.984, 0.998, 0.999, 0.998, 0.997, 0.998, 0.998, 0.995, 0.957, 0.813]
"""The average rises at the end: a lucky first error leaves it as the error falls."""


def test_a_falling_error_stops_the_papers_rule_only() -> None:
    assert rule_stops(LUCKY, WINDOW, go_on_while_falling=False)
    assert not rule_stops(LUCKY, WINDOW, go_on_while_falling=True)


@pytest.mark.parametrize(
    "errors",
    [
        # Slowly from the second epoch on, and with an epoch up at the end.
        [0.761, *(1 - 0.02 * epoch for epoch in range(10))],
        [*LUCKY[:8], 0.83, 0.765, 0.79],
    ],
)
def test_other_falling_errors_go_on_too(errors: list[float]) -> None:
    assert average_has_risen(errors, WINDOW)
    assert is_falling(errors, WINDOW)
    assert not rule_stops(errors, WINDOW, go_on_while_falling=True)


@pytest.mark.parametrize("go_on", [True, False])
@pytest.mark.parametrize(
    "errors",
    [
        [0.01 * epoch for epoch in range(11)],
        [0.2, *[0.3] * 10],
        # A plateau: the last epochs are no lower than others of the window.
        [0.2, 0.24, 0.21, 0.23, 0.22, 0.25, 0.21, 0.24, 0.22, 0.23, 0.21],
        # One low epoch at the end of a rise.
        [0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.5, 0.5, 0.5, 0.22],
    ],
)
def test_an_error_that_does_not_fall_stops_all(
    errors: list[float], go_on: bool
) -> None:
    assert rule_stops(errors, WINDOW, go_on_while_falling=go_on)


@pytest.mark.parametrize("window", [1, 2, 3, 4])
def test_narrow_windows_stop_where_the_error_rises(window: int) -> None:
    rising = [0.1 * epoch for epoch in range(window + 1)]
    assert rule_stops(rising, window, go_on_while_falling=True)


def test_plateaus_are_rarely_taken_for_falling() -> None:
    rng = np.random.default_rng(0)
    curves = rng.standard_normal((4000, WINDOW + 1))
    stopped = [curve for curve in curves if average_has_risen(curve, WINDOW)]
    falling = [is_falling(list(curve), WINDOW) for curve in stopped]
    assert len(stopped) > 1500
    assert 0 < np.mean(falling) < 0.05


class MadeUpErrors(keras.callbacks.Callback):
    """Replaces the validation error of `fit` by a made-up curve."""

    def __init__(self, curve: Sequence[float]) -> None:
        super().__init__()
        self.curve = curve

    def on_epoch_end(self, epoch: int, logs: dict[str, float]) -> None:
        logs["val_error"] = self.curve[epoch]


def fitted_epochs(
    rule: StopOnRisingAverage, curve: Sequence[float], *, initial_epoch: int = 0
) -> int:
    """Epochs of two mini-batches that any Keras model trains under the rule."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.optimizer.iterations.assign(2 * initial_epoch)
    data = np.zeros((4, 1), np.float32)
    history = model.fit(
        data,
        data,
        batch_size=2,
        epochs=len(curve),
        initial_epoch=initial_epoch,
        callbacks=[MadeUpErrors(curve), rule],
        verbose=0,
    )
    return initial_epoch + len(history.epoch)


V_SHAPED = [9.0, 8, 7, 6, 5, 6, 6, 5.5, 4, 3, 6, 7, 8]


@pytest.mark.parametrize(
    ("curve", "min_steps", "expected"),
    [
        (V_SHAPED, 0, 8),
        # Two mini-batches an epoch: 16 are done after 8 epochs, 17 after 9, when the
        # average falls again. It rises next at epoch 11.
        (V_SHAPED, 16, 8),
        (V_SHAPED, 17, 11),
        ([5.0] * 12, 0, 12),
    ],
)
def test_callback_stops_any_model_where_the_rule_says(
    curve: list[float], min_steps: int, expected: int
) -> None:
    rule = StopOnRisingAverage("val_error", window=3, min_steps=min_steps)
    assert fitted_epochs(rule, curve) == expected
    assert rule.errors == curve[:expected]
    # A second `fit` starts anew.
    assert fitted_epochs(rule, curve) == expected


@pytest.mark.parametrize("done", [3, 6, 7])
def test_callback_goes_on_from_earlier_epochs(done: int) -> None:
    rule = StopOnRisingAverage("val_error", window=3, earlier=V_SHAPED[:done])
    assert fitted_epochs(rule, V_SHAPED, initial_epoch=done) == 8


@pytest.mark.parametrize(("go_on", "expected"), [(False, 11), (True, 13)])
def test_callback_goes_on_while_the_error_falls(go_on: bool, expected: int) -> None:
    rule = StopOnRisingAverage("val_error", go_on_while_falling=go_on)
    assert fitted_epochs(rule, [*LUCKY, 0.7, 0.65]) == expected


def test_callback_has_the_papers_rule_as_its_default() -> None:
    rule = StopOnRisingAverage()
    assert (rule.monitor, rule.window, rule.min_steps) == ("val_loss", 10, 0)
    assert not rule.go_on_while_falling


def test_an_error_that_is_not_in_the_logs_is_named() -> None:
    rule = StopOnRisingAverage("val_dice")
    with pytest.raises(ValueError, match="val_dice: expected one of loss, val_error"):
        fitted_epochs(rule, [1.0])
