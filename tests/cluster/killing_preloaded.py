"""What the stages of such a worker are forked from."""

from tests.cluster import killing  # noqa: F401
from tfgansynth.cluster import preloaded  # noqa: F401
