from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest

from tfgansynth.segmentation.stopping import average_has_risen

WINDOW = 10


def sentence(errors: Sequence[float], window: int) -> bool:
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
def test_random_curves_agree_with_the_sentence(window: int) -> None:
    rng = np.random.default_rng(window)
    answers = []
    for _ in range(400):
        # Few levels, so that equal averages come up, and any length.
        levels = rng.integers(0, rng.integers(2, 60), rng.integers(0, 3 * window + 3))
        errors = [float(level) / 7 for level in levels]
        answers.append(average_has_risen(errors, window))
        assert answers[-1] == sentence(errors, window), errors
    assert 50 < sum(answers) < 350


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
