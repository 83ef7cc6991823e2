import io
import resource
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorboard.plugins.histogram.metadata import create_summary_metadata
from tensorboard.util.tensor_util import make_ndarray

from tests.event_files import points, read
from tfgansynth.runtime.tensorboard import FILE_NAME, EventLog


def write_steps(events: EventLog, steps: range) -> None:
    for step in steps:
        events.scalar("loss", step / 3, step)
        events.scalar("norm", -step, step)


def expected(steps: range) -> dict[tuple[str, int], float]:
    losses = {("loss", step): float(np.float32(step / 3)) for step in steps}
    return {**losses, **{("norm", step): float(-step) for step in steps}}


def test_tensorboard_sees_what_tensorflow_would_have_written(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (5, 7, 3), np.uint8)
    weights = rng.normal(0, 1, (4, 25))
    with EventLog(tmp_path / "ours") as events:
        events.scalar("loss/generator", 0.1, 3)
        events.image("samples/image", picture, 3)
        events.histogram("weights/a", weights, 3)
    writer = tf.summary.create_file_writer(str(tmp_path / "theirs"))
    with writer.as_default(3):
        tf.summary.scalar("loss/generator", 0.1)
        tf.summary.image("samples/image", picture[None])
        counts, edges = np.histogram(weights, bins=30)
        buckets = np.stack([edges[:-1], edges[1:], counts], axis=1)
        metadata = create_summary_metadata(None, None)
        tf.summary.write("weights/a", buckets, metadata=metadata)
    writer.close()

    ours, theirs = read(tmp_path / "ours"), read(tmp_path / "theirs")
    assert ours.Tags() == theirs.Tags()
    assert ours.summary_metadata == theirs.summary_metadata
    assert set(ours.summary_metadata) == {
        "loss/generator",
        "samples/image",
        "weights/a",
    }
    for tag in ours.summary_metadata:
        (our,), (their,) = ours.Tensors(tag), theirs.Tensors(tag)
        assert our.step == their.step == 3
        values = make_ndarray(our.tensor_proto), make_ndarray(their.tensor_proto)
        assert values[0].dtype == values[1].dtype
        if tag == "samples/image":
            assert values[0][:2].tolist() == values[1][:2].tolist() == [b"7", b"5"]
            (coded,) = values[0][2:]
            shown = np.asarray(Image.open(io.BytesIO(coded)))
            np.testing.assert_array_equal(shown, picture)
        else:
            np.testing.assert_array_equal(*values)


@pytest.mark.parametrize("tail", [b"", b"half a record"])
def test_going_on_cuts_off_what_came_after_the_checkpoint(
    tmp_path: Path, tail: bytes
) -> None:
    with EventLog(tmp_path) as events:
        write_steps(events, range(1, 4))
        size = events.flush()
        write_steps(events, range(4, 6))
    path = tmp_path / FILE_NAME
    assert path.stat().st_size > size
    with path.open("ab") as file:
        file.write(tail)

    with EventLog(tmp_path, size) as events:
        write_steps(events, range(4, 8))

    assert points(tmp_path) == expected(range(1, 8))
    assert [file.name for file in tmp_path.iterdir()] == [FILE_NAME]


def test_the_size_counts_all_that_was_added_also_after_going_on(
    tmp_path: Path,
) -> None:
    size = 0
    for start in (1, 3, 5):
        with EventLog(tmp_path, size) as events:
            write_steps(events, range(start, start + 2))
            size = events.flush()
            assert size == (tmp_path / FILE_NAME).stat().st_size

    assert points(tmp_path) == expected(range(1, 7))


def test_beginning_again_leaves_nothing_of_before(tmp_path: Path) -> None:
    with EventLog(tmp_path) as events:
        write_steps(events, range(1, 4))
    with EventLog(tmp_path) as events:
        write_steps(events, range(2, 4))

    assert points(tmp_path) == expected(range(2, 4))


@pytest.mark.parametrize("cut", [True, False])
def test_a_missing_or_cut_file_is_begun_anew_and_a_line_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], cut: bool
) -> None:
    with EventLog(tmp_path) as events:
        write_steps(events, range(1, 4))
        size = events.flush()
    path = tmp_path / FILE_NAME
    if cut:
        path.write_bytes(path.read_bytes()[: size - 5])
    else:
        path.unlink()
    assert not capsys.readouterr().out

    with EventLog(tmp_path, size) as events:
        write_steps(events, range(4, 6))

    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{path}: is missing or shorter than at the last")
    assert points(tmp_path) == expected(range(4, 6))


def test_what_is_shown_can_be_read_while_the_file_is_open(tmp_path: Path) -> None:
    with EventLog(tmp_path) as events:
        write_steps(events, range(1, 3))
        events.show()

        assert points(tmp_path) == expected(range(1, 3))


def test_a_full_disk_is_an_oserror_and_loses_nothing_from_before(
    tmp_path: Path,
) -> None:
    def fill() -> None:
        with EventLog(tmp_path, size) as events:
            write_steps(events, range(4, 40))

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with EventLog(tmp_path) as events:
        write_steps(events, range(1, 4))
        size = events.flush()
    try:
        # Room for a few records more; beyond, the system refuses to write.
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 200, limits[1]))
        with pytest.raises(OSError, match="too large"):
            fill()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    with EventLog(tmp_path, size) as events:
        write_steps(events, range(4, 6))
    assert points(tmp_path) == expected(range(1, 6))


def test_nearly_equal_weights_have_a_histogram(tmp_path: Path) -> None:
    one = np.float32(1)
    weights = np.array([one, np.nextafter(one, np.float32(2))])
    with EventLog(tmp_path, 0, "train") as events:
        events.histogram("weights/a", weights, 1)
        assert events.size >= 0


@pytest.mark.parametrize("size", [0, 4])
def test_a_link_in_the_place_of_the_file_is_not_followed(
    tmp_path: Path, size: int
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / FILE_NAME).symlink_to(victim)

    with pytest.raises(OSError, match=FILE_NAME):
        EventLog(tmp_path, size)

    assert victim.read_text() == "precious"
