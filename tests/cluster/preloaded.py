"""What stages of a cluster's worker are forked from, where faults are to befall it."""

from tests.cluster import faults  # noqa: F401
from tfgansynth.cluster import preloaded  # noqa: F401
