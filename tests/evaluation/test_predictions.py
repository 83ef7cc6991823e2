"""Predictions come back as they were written, and nothing else is taken for them."""

from pathlib import Path

import numpy as np
import pytest

from tfgansynth.errors import InputError
from tfgansynth.evaluation.predictions import (
    Predictions,
    read_predictions,
    write_predictions,
)
from tfgansynth.runtime import storage


@pytest.mark.parametrize("n_classes", [1, 2, 5])
def test_predictions_come_back(tmp_path: Path, n_classes: int) -> None:
    rng = np.random.default_rng(0)
    # Sides that fill no whole number of bytes.
    masks = rng.integers(0, n_classes + 1, (2, 3, 5, 5), np.uint8)
    shown = rng.integers(0, 256, (3, 5, 5), np.uint8)
    written = Predictions(
        ("a", "b", "c"), masks[0], masks[1], n_classes, (2, 0, 1), shown
    )

    write_predictions(tmp_path / "predictions.npz", written)
    found = read_predictions(tmp_path / "predictions.npz")

    assert (found.case_ids, found.shown) == (written.case_ids, written.shown)
    assert found.n_classes == n_classes
    for name in ("predictions", "truths", "shown_images"):
        expected = getattr(written, name)
        np.testing.assert_array_equal(getattr(found, name), expected)
        assert getattr(found, name).dtype == expected.dtype


def test_other_arrays_are_named(tmp_path: Path) -> None:
    storage.write_arrays(tmp_path / "other.npz", {"shape": np.array([1, 2, 2])})

    with pytest.raises(InputError, match=r"other.npz: holds no predictions"):
        read_predictions(tmp_path / "other.npz")
