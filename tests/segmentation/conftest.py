"""A training that nothing disturbed."""

import keras
import pytest

from tests.segmentation.squares import train
from tfgansynth.segmentation.history import Epoch


@pytest.fixture(scope="package")
def uninterrupted(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[keras.Model, list[Epoch]]:
    return train(tmp_path_factory.mktemp("uninterrupted"))
