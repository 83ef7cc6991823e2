import contextlib
import dataclasses
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tyro._parsers import ParserSpecification

from tests import once
from tests.gan.small import SIZE, SMALL
from tests.segmentation.squares import TINY, same_weights, train
from tfgansynth.cli.options import FoldOptions, Options, parse
from tfgansynth.config import GANConfig
from tfgansynth.data import loading
from tfgansynth.data.copies.duplicates import find_duplicates
from tfgansynth.data.phantoms.phantom import make_phantoms
from tfgansynth.errors import InputError
from tfgansynth.experiment import experiment_data
from tfgansynth.gan.dcgan import DCGAN
from tfgansynth.gan.training import train_gan
from tfgansynth.reporting.html import results
from tfgansynth.runtime.stage import Stage
from tfgansynth.runtime.timing import Timer
from tfgansynth.segmentation import unet as unet_module


def test_the_product_uses_it() -> None:
    assert vars(loading)["make_phantoms"] is once.phantoms
    assert vars(experiment_data)["find_duplicates"] is once.duplicates
    assert hasattr(vars(results)["forest"], "__wrapped__")


@pytest.mark.parametrize("size", [32, 64])
def test_phantoms_are_those_that_are_drawn_anew(size: int) -> None:
    for _ in range(2):
        found = once.phantoms(2, seed=3, lungs="left", size=size)
        for ours, new in zip(
            found, make_phantoms(2, seed=3, lungs="left", size=size), strict=True
        ):
            assert ours.case_id == new.case_id
            np.testing.assert_array_equal(ours.image, new.image)
            np.testing.assert_array_equal(ours.mask, new.mask)


def test_no_test_changes_what_others_get() -> None:
    (case,) = once.phantoms(1, seed=3, size=32)

    with pytest.raises(ValueError, match="read-only"):
        case.image[0, 0] = 1


def test_other_images_or_names_are_searched_anew() -> None:
    one, other = (case.image for case in once.phantoms(2, seed=3, size=64))

    for images in ({"a": one, "b": one}, {"a": one, "c": one}, {"a": one, "b": other}):
        assert once.duplicates(images) == once.duplicates(images)
        assert once.duplicates(images) == find_duplicates(images)


def test_equal_values_are_not_made_again_and_others_are() -> None:
    calls = []

    @once.kept
    def total(values: Iterable[float], *, start: float = 0.0) -> list[float]:
        calls.append(start)
        return [sum(values, start)]

    first = total(iter([1.0, 2.0]))
    first.append(9.0)  # stays the caller's own

    assert total([1.0, 2.0]) == [3.0]
    assert total([1.0, 2.0], start=1.0) == total([2.0, 2.0]) == [4.0]
    assert calls == [0.0, 1.0, 0.0]


@pytest.mark.parametrize("kind", [Options, FoldOptions])
@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--fold", "2", "--gan.steps", "7", "--reduced"),
        ("--fold", "2", "--preset", "smoke"),
        ("--fold", "2", "--gan.steps", "some"),
        ("--fold", "2", "--gan.step", "7"),
        ("--fold", "2", "--help-all"),
    ],
)
def test_options_are_parsed_as_if_described_anew(
    kind: type[Options], arguments: tuple[str, ...]
) -> None:
    def ended() -> str:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            try:
                return repr(parse(kind, arguments, program="test"))
            except (InputError, SystemExit) as end:
                return f"{end!r} {printed.getvalue()}"

    found = [ended(), ended()]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            *(ParserSpecification, "from_callable_or_type"),
            staticmethod(once._describe),
        )
        anew = ended()
    assert found == [anew, anew]


def assert_same(one: Any, other: Any) -> None:
    found, expected = one.state(), other.state()
    assert found.keys() == expected.keys()
    for name, variable in expected.items():
        np.testing.assert_array_equal(found[name], variable, name)


def test_a_unet_that_was_traced_before_trains_as_a_new_one(tmp_path: Path) -> None:
    config = dataclasses.replace(
        TINY, optimizer="nesterov", average_decay=0.5, max_epochs=2
    )
    # Settings of the training alone, and one that a step depends on.
    shorter = dataclasses.replace(config, max_epochs=3, min_steps=1, fixed_steps=3)
    slower = dataclasses.replace(config, learning_rate=0.01)
    trainings = (config, 0), (shorter, 1), (slower, 0)
    new = [
        train(tmp_path / f"new-{number}", each, seed=seed)
        for number, (each, seed) in enumerate(trainings)
    ]
    for other, _ in new[1:]:
        assert not same_weights(new[0][0], other)

    with once.networks_traced():
        again = []
        for number, place in enumerate([0, 1, 2, 0]):
            each, seed = trainings[place]
            unet, history = train(tmp_path / str(number), each, seed=seed)
            again.append(unet)
            assert_same(unet, new[place][0])
            assert history == new[place][1]
            assert unet.config == each
            copy = unet_module.standard_layer_copy(unet, each)
            assert same_weights(copy, unet)
    assert again[0] is again[1] is again[3]
    assert again[2] is not again[0]


def test_a_gan_that_was_traced_before_trains_as_a_new_one(tmp_path: Path) -> None:
    config = dataclasses.replace(
        SMALL, batch=4, steps=3, log_every=1, sample_every=3, average_decay=0.9
    )
    pairs = np.random.default_rng(0).uniform(-1, 1, (6, SIZE, SIZE, 2))

    def trained(name: str, seed: int, config: GANConfig = config) -> DCGAN:
        stage = Stage(tmp_path / name, {}, seed, Timer(), "GAN")
        sets = pairs.astype(np.float32), pairs[:2].astype(np.float32)
        return train_gan(*sets, config, stage, mask_threshold=150)[0]

    new = trained("new", 1)
    with once.networks_traced():
        # Settings of the training alone.
        longer = dataclasses.replace(config, steps=4, log_every=2, sample_every=2)
        again = [trained("0", 0), trained("1", 1, longer), trained("2", 1)]
    assert again[1] is again[2]
    assert_same(again[2], new)
    assert again[2].config == again[2].generator.config == config
