from tests.experiment.made_sets import experiment, kept

__all__ = ["experiment", "kept"]
