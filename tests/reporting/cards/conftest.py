"""The run of `tests/experiment`, whose sets the cards are of."""

from tests.experiment.made_sets import experiment, kept

__all__ = ["experiment", "kept"]
