"""TensorBoard's event file, which a resumed training continues without doubled points.

`tf.summary` starts a new file each time, and leaves in the old one the points after the
last checkpoint, which a resumed training adds again. Here there is one file, and a
checkpoint has its size.
"""

import os
import time
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.histogram import metadata as histogram_metadata
from tensorboard.plugins.image import metadata as image_metadata
from tensorboard.plugins.scalar import metadata as scalar_metadata
from tensorboard.summary.writer.record_writer import RecordWriter
from tensorboard.util.tensor_util import make_tensor_proto

from tfgansynth.arrays import ByteArray
from tfgansynth.runtime import storage
from tfgansynth.runtime.progress import remark

FILE_NAME = "events.out.tfevents.gan"
"""TensorBoard recognizes its files by the word in the middle."""
UNET_FILE_NAME = "events.out.tfevents.unet"

_VERSION = "brain.Event:2"
_HISTOGRAM_BINS = 30


class EventLog:
    """One event file, written in order and without a thread of its own.

    Every method raises OSError if the disk fails.
    """

    def __init__(self, folder: Path, size: int = 0, name: str = FILE_NAME) -> None:
        """Open the file in `folder`; cut off what lies beyond its first bytes.

        Args:
            folder: TensorBoard's folder; created if it is missing.
            size: Bytes to keep, as `flush` returned them; 0 starts anew.
            name: Name of the file.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / name
        # A link would have another file cut off.
        self._file = open(self._path, "ab", opener=_open_itself)  # noqa: SIM115
        if self.size < size:
            remark(
                f"{self._path}: is missing or shorter than at the last checkpoint: "
                "TensorBoard shows only the steps from here on"
            )
            size = 0
        self._file.truncate(size)
        self._records = RecordWriter(self._file)
        if not size:
            self._write(file_version=_VERSION)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        with storage.named(self._path):
            self._file.close()

    def scalar(self, tag: str, value: float, step: int) -> None:
        """Add a point of a curve."""
        metadata = scalar_metadata.create_summary_metadata(None, None)
        self._summary(tag, np.float32(value), metadata, step)

    def image(self, tag: str, pixels: ByteArray, step: int) -> None:
        """Add a picture: uint8 (H, W, 3)."""
        metadata = image_metadata.create_summary_metadata(None, None)
        height, width, _ = pixels.shape
        # The plugin's format: both sides in words, then each picture.
        content = [b"%d" % width, b"%d" % height, storage.encode_png(pixels)]
        self._summary(tag, content, metadata, step)

    def histogram(self, tag: str, values: NDArray[Any], step: int) -> None:
        """Add a histogram of finite numbers."""
        metadata = histogram_metadata.create_summary_metadata(None, None)
        # float32 may have fewer numbers than bins between nearly equal values.
        doubles = np.asarray(values, np.float64)
        counts, edges = np.histogram(doubles, bins=_HISTOGRAM_BINS)
        buckets = np.stack([edges[:-1], edges[1:], counts], axis=1)
        self._summary(tag, buckets, metadata, step)

    def show(self) -> None:
        """Make what was added visible to TensorBoard."""
        with storage.named(self._path):
            self._file.flush()

    def flush(self) -> int:
        """Wait until everything is on the disk; return the size in bytes."""
        self.show()
        os.fsync(self._file.fileno())
        return self.size

    @property
    def size(self) -> int:
        """Bytes in the file, after `show`."""
        return os.fstat(self._file.fileno()).st_size

    def _summary(self, tag: str, content: Any, metadata: Any, step: int) -> None:
        value = Summary.Value(
            tag=tag, tensor=make_tensor_proto(content), metadata=metadata
        )
        self._write(step=step, summary=Summary(value=[value]))

    def _write(self, **content: Any) -> None:
        event = Event(wall_time=time.time(), **content)
        with storage.named(self._path):
            self._records.write(event.SerializeToString())


def _open_itself(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)
