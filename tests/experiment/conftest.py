from tests.experiment.made_sets import copied, experiment, kept

__all__ = ["copied", "experiment", "kept"]
