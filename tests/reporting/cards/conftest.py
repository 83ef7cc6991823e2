"""The run of `tests/experiment`, whose sets the cards are of."""

from tests.experiment.conftest import experiment, kept

__all__ = ["experiment", "kept"]
