from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tfgansynth.errors import InputError
from tfgansynth.runtime import checkpoints

PROVENANCE = {"fold": 1, "training_cases": {"a": "0" * 64}}


class Variable:
    """The part of a Keras variable that checkpoints use."""

    def __init__(self, value: NDArray[Any]) -> None:
        self.value = value

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape

    def assign(self, value: NDArray[Any]) -> None:
        self.value = value

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.value, dtype=dtype)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_checkpoint_is_read_back(tmp_path: Path) -> None:
    weights = np.random.default_rng(0).random((2, 3), np.float32)
    arrays = {"w": Variable(weights), "step": np.array(7)}
    checkpoints.save(tmp_path / "checkpoints", 7, arrays, PROVENANCE)
    assert checkpoints.path_of(tmp_path / "checkpoints", 7).exists()
    found = checkpoints.load_newest(tmp_path / "checkpoints", PROVENANCE)
    assert found is not None
    np.testing.assert_array_equal(found["w"], weights, strict=True)
    assert int(found["step"]) == 7


def test_the_last_two_are_kept(tmp_path: Path) -> None:
    for step in (2, 30, 400, 5000):
        checkpoints.save(tmp_path, step, {"step": np.array(step)}, PROVENANCE)
    assert names(tmp_path) == ["step-000400.safetensors", "step-005000.safetensors"]
    found = checkpoints.load_newest(tmp_path, PROVENANCE)
    assert found is not None
    assert found["step"] == 5000


def test_a_million_steps_are_newer_than_fewer(tmp_path: Path) -> None:
    for step in (999_998, 999_999, 1_000_000):
        checkpoints.save(tmp_path, step, {"step": np.array(step)}, PROVENANCE)
    assert names(tmp_path) == ["step-1000000.safetensors", "step-999999.safetensors"]
    found = checkpoints.load_newest(tmp_path, PROVENANCE)
    assert found is not None
    assert found["step"] == 1_000_000


def test_none_is_returned_without_a_checkpoint(tmp_path: Path) -> None:
    assert checkpoints.load_newest(tmp_path, PROVENANCE) is None
    assert checkpoints.load_newest(tmp_path / "nowhere", PROVENANCE) is None


def test_a_torn_newest_checkpoint_is_skipped_with_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for step in (1, 2):
        checkpoints.save(tmp_path, step, {"a": np.full(500, step)}, PROVENANCE)
    newest = checkpoints.path_of(tmp_path, 2)
    newest.write_bytes(newest.read_bytes()[:1000])
    found = checkpoints.load_newest(tmp_path, PROVENANCE)
    assert found is not None
    assert found["a"][0] == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{newest}: cannot be read")
    assert line.endswith("going on from the one before, or from the beginning")


def test_none_is_returned_if_all_are_torn(tmp_path: Path) -> None:
    for step in (1, 2):
        checkpoints.path_of(tmp_path, step).write_bytes(b"torn")
    assert checkpoints.load_newest(tmp_path, PROVENANCE) is None


def test_an_unfinished_write_is_ignored_and_removed(tmp_path: Path) -> None:
    checkpoints.save(tmp_path, 1, {"a": np.arange(3)}, PROVENANCE)
    unfinished = tmp_path / "step-000002.safetensors.partial"
    unfinished.write_bytes(b"half")
    found = checkpoints.load_newest(tmp_path, PROVENANCE)
    assert found is not None
    assert found["a"].tolist() == [0, 1, 2]
    assert not unfinished.exists()


def test_restore_assigns_every_variable() -> None:
    variables = {"a": Variable(np.zeros(3)), "b": Variable(np.zeros((2, 2)))}
    arrays: dict[str, NDArray[Any]] = {
        "a": np.arange(3.0),
        "b": np.eye(2),
        "more": np.array(1),
    }
    checkpoints.restore(variables, arrays, Path("gan"))
    assert variables["a"].value.tolist() == [0, 1, 2]
    assert variables["b"].value.tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize(
    "arrays",
    [{"a": np.ones(3)}, {"a": np.ones(3), "b": np.ones(4)}],
    ids=["missing", "other shape"],
)
def test_restore_of_other_networks_is_refused_and_changes_nothing(
    arrays: dict[str, NDArray[Any]],
) -> None:
    variables = {"a": Variable(np.zeros(3)), "b": Variable(np.zeros((2, 2)))}
    with pytest.raises(InputError, match=r"^gan: holds .* other networks .*\(b\)"):
        checkpoints.restore(variables, arrays, Path("gan"))
    assert not variables["a"].value.any()


def test_the_newest_step_is_read_from_the_name(tmp_path: Path) -> None:
    assert checkpoints.newest_step(tmp_path) == 0
    for step in (999_998, 1_000_002):
        checkpoints.save(tmp_path, step, {"x": np.zeros(1)}, PROVENANCE)
    assert checkpoints.newest_step(tmp_path) == 1_000_002
