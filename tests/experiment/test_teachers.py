"""The mean opinion of several U-Nets takes the place of a generated mask."""

import dataclasses
from typing import Any

import numpy as np

from tfgansynth.arrays import ByteArray, FloatArray
from tfgansynth.experiment.teachers import Teachers, teacher_config
from tfgansynth.presets import PRESETS

SIDE = 4


class Opinion:
    """A network that has one opinion of all pixels: log odds of the foreground."""

    def __init__(self, odds: float) -> None:
        self.odds = odds

    def __call__(self, inputs: Any, training: bool) -> Any:
        # Of bright images the contrary.
        bright = np.asarray(inputs).mean(axis=(1, 2, 3)) > 0
        sign = np.where(bright, -1, 1)[:, None, None]
        logits = np.zeros((*inputs.shape[:3], 2), np.float32)
        logits[..., 1] = sign * self.odds
        return logits


def teachers(*odds: float) -> Teachers:
    return Teachers(tuple(map(Opinion, odds)), {})


def stack(*greys: int) -> ByteArray:
    return np.stack([np.full((SIDE, SIDE), grey, np.uint8) for grey in greys])


def test_the_mean_of_probabilities_decides() -> None:
    images = stack(0, 255)
    # One that is sure outweighs two that hardly lean: .98, .45, .45.
    found = teachers(4, -0.2, -0.2).segment(images)
    assert (found[0].all(), found[1].any()) == (True, False)
    # Logits would say yes here, probabilities say no: .9999, .2, .2.
    found = teachers(9, -1.4, -1.4).segment(images)
    assert (found[0].any(), found[1].all()) == (False, True)


def test_relabelled_pairs_keep_their_images() -> None:
    noise: list[FloatArray] = []

    def sampler(z: FloatArray) -> tuple[ByteArray, ByteArray]:
        noise.append(z)
        return stack(10, 200, 30), stack(0, 0, 0)

    z = np.zeros((3, 2), np.float32)
    images, masks = teachers(1).relabel(sampler)(z)

    assert noise[0] is z
    np.testing.assert_array_equal(images, stack(10, 200, 30))
    np.testing.assert_array_equal(masks, stack(255, 0, 255))
    assert masks.dtype == np.uint8


def test_teachers_learn_for_a_fixed_time_from_augmented_pairs() -> None:
    fast = PRESETS["fast"]
    found = teacher_config(fast)
    assert (found.fixed_steps, found.steps_an_epoch) == (600, 10)
    # No validation case chooses the weights.
    assert (found.keep, found.augment) == ("last", "elastic")
    synthesis = dataclasses.replace(fast.synthesis, pseudo_label_steps=3)
    found = teacher_config(dataclasses.replace(fast, synthesis=synthesis))
    assert (found.fixed_steps, found.steps_an_epoch) == (3, 3)
