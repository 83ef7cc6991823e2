"""Which real training cases each judge of a fold has not learned from."""

import numpy as np
from numpy.typing import NDArray

from tfgansynth.config import Config
from tfgansynth.seeds import derive_seed

Indices = NDArray[np.int64]


def judge_parts(config: Config, fold: int, n_cases: int) -> tuple[Indices, ...]:
    """Split a fold's training cases by the run's seed, a part for each judge.

    Args:
        config: The run's.
        fold: Number of the fold.
        n_cases: Its training cases.

    Returns:
        For each judge the indices of the cases that it judges, ascending.
    """
    rng = np.random.default_rng(derive_seed(config.seed, "judges", fold))
    shuffled = rng.permutation(n_cases)
    parts = np.array_split(shuffled, config.evaluation.cross_fit_splits)
    return tuple(np.sort(part) for part in parts)
