from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from tfgansynth.presets import PRESETS
from tfgansynth.segmentation.optimizer import CaffeNesterov, build_optimizer

Arrays = list[NDArray[Any]]

RATE, MOMENTUM, DECAY = 0.1, 0.9, 0.25
"""Large, so that a slip in any of them shows."""


def weights() -> Arrays:
    rng = np.random.default_rng(0)
    shapes = ((3, 3, 1, 4), (4,), ())
    return [np.asarray(rng.normal(size=shape), np.float32) for shape in shapes]


def gradients(steps: int) -> list[Arrays]:
    rng = np.random.default_rng(1)
    return [
        [np.asarray(rng.normal(size=w.shape)) for w in weights()] for _ in range(steps)
    ]


def caffe(steps: int, *, momentum: float = MOMENTUM, decay: float = DECAY) -> Arrays:
    """Caffe's own solver, line by line.

    `SGDSolver::Regularize`, then `NesterovSolver::ComputeUpdateValue`, then
    `Net::Update`.
    """
    found = [weight.astype(np.float64) for weight in weights()]
    histories = [np.zeros_like(weight) for weight in found]
    for step in gradients(steps):
        for index, gradient in enumerate(step):
            diff = gradient + decay * found[index]
            old_history = histories[index]
            histories[index] = momentum * old_history + RATE * diff
            update = (1 + momentum) * histories[index] - momentum * old_history
            found[index] = found[index] - update
    return found


def trained(optimizer: keras.optimizers.Optimizer, steps: int) -> Arrays:
    variables = [keras.Variable(weight) for weight in weights()]
    optimizer.build(variables)
    for step in gradients(steps):
        tensors = [keras.ops.convert_to_tensor(g, "float32") for g in step]
        optimizer.apply(tensors, variables)
    return [np.asarray(variable) for variable in variables]


def ours(momentum: float = MOMENTUM, decay: float = DECAY) -> CaffeNesterov:
    return CaffeNesterov(RATE, momentum=momentum, coupled_decay=decay)


def agree(first: Arrays, second: Arrays) -> bool:
    return all(
        np.allclose(a, b, rtol=1e-4, atol=1e-5)
        for a, b in zip(first, second, strict=True)
    )


@pytest.mark.parametrize("steps", [1, 2, 7])
@pytest.mark.parametrize(("momentum", "decay"), [(0.9, 0.25), (0.9, 0), (0.5, 0.01)])
def test_update_is_caffes(steps: int, momentum: float, decay: float) -> None:
    found = trained(ours(momentum, decay), steps)
    expected = caffe(steps, momentum=momentum, decay=decay)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("steps", [1, 7])
def test_decay_of_keras_is_another_one(steps: int) -> None:
    # So the test above tells them apart, from the first step on.
    keras_own = keras.optimizers.SGD(RATE, MOMENTUM, nesterov=True, weight_decay=DECAY)
    assert not agree(trained(keras_own, steps), caffe(steps))
    without = trained(keras.optimizers.SGD(RATE, MOMENTUM, nesterov=True), steps)
    assert agree(without, caffe(steps, decay=0))
    assert not agree(without, caffe(steps))


def test_plain_momentum_is_another_method() -> None:
    plain = keras.optimizers.SGD(RATE, MOMENTUM)
    assert not agree(trained(plain, 7), caffe(7, decay=0))


def test_each_variable_has_a_momentum_of_its_own() -> None:
    optimizer = ours()
    trained(optimizer, 2)
    momenta = [v for v in optimizer.variables if "momentum" in v.path]
    assert [tuple(v.shape) for v in momenta] == [(3, 3, 1, 4), (4,), ()]
    assert all(np.any(np.asarray(v)) for v in momenta)
    # Beside them the iterations and the learning rate: what a checkpoint holds.
    assert len(optimizer.variables) == len(momenta) + 2
    assert int(np.asarray(optimizer.iterations)) == 2


def test_optimizer_survives_its_configuration() -> None:
    optimizer = ours()
    for copy in (
        CaffeNesterov.from_config(optimizer.get_config()),
        keras.optimizers.deserialize(keras.optimizers.serialize(optimizer)),
    ):
        assert type(copy) is CaffeNesterov
        assert copy.get_config() == optimizer.get_config()
        assert copy.coupled_decay == DECAY
        assert copy.weight_decay is None
        assert agree(trained(copy, 3), caffe(3))


def test_presets_build_the_optimizer_that_they_name() -> None:
    paper = build_optimizer(PRESETS["paper"].unet)
    assert isinstance(paper, CaffeNesterov)
    settings = paper.get_config()
    assert settings["learning_rate"] == pytest.approx(1e-5)
    assert settings["momentum"] == 0.99
    assert settings["coupled_decay"] == 5e-4
    assert settings["nesterov"]
    fast = build_optimizer(PRESETS["fast"].unet)
    assert type(fast) is keras.optimizers.Adam
    assert fast.get_config()["learning_rate"] == pytest.approx(5e-4)
