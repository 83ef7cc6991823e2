"""What TensorBoard itself reads from an event file."""

from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

Points = dict[tuple[str, int], NDArray[Any]]
"""(tag, step) -> value."""


def read(folder: Path) -> EventAccumulator:
    """Everything, neither thinned out nor cleaned of doubles."""
    events = EventAccumulator(
        str(folder), size_guidance={"tensors": 0}, purge_orphaned_data=False
    )
    return events.Reload()


def points(folder: Path) -> Points:
    """Every point of every tag; fails where one comes twice."""
    events = read(folder)
    found: Points = {}
    for tag in events.Tags()["tensors"]:
        for event in events.Tensors(tag):
            assert (tag, event.step) not in found, (tag, event.step)
            found[tag, event.step] = make_ndarray(event.tensor_proto)
    return found
