"""Every number of the paper, of tf-dcgan and of the authors' code, once more.

A change of a number in the product must fail here. The paper's own tables are
pinned in `evaluation/test_tables.py`.
"""

import ast
import dataclasses
import inspect
import re
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from tfgansynth.arrays import to_signed
from tfgansynth.config import Config, UNetConfig
from tfgansynth.data.dataset import CaseTable
from tfgansynth.data.splits import make_folds
from tfgansynth.gan.dcgan import DCGAN
from tfgansynth.gan.networks import Discriminator, Generator
from tfgansynth.presets import PRESETS
from tfgansynth.segmentation.optimizer import CaffeNesterov, build_optimizer
from tfgansynth.segmentation.unet import build_unet
from tfgansynth.synthesis.masks import ClassRule
from tfgansynth.synthesis.rules import lung_rules

PAPER: dict[str, Any] = {
    "preset": "paper",
    "reduced": False,
    "lungs": "both",
    "target": "",
    "paper_figures": False,
    "seed": 0,
    "allow_duplicates": False,
    "data": {
        "size": 128,
        "soft_masks": False,
        "folds": 3,
        "n_validation": "auto",
        "n_development": 0,
        "n_reduced": 30,
        "phantoms": 247,
        "phantom_seed": 0,
    },
    "augmentation": {
        "grid": 3,
        "stddev": 2.5,
        "shift": 6.0,
        "rotation": 8.0,
        "grey": 0.1,
        "strong_rotation": 15.0,
        "strong_scale": 0.2,
        "strong_contrast": 0.25,
        "strong_gamma": 0.4,
        "strong_noise": 0.03,
        "strong_blur": 1.0,
        "cutmix_share": 0.5,
        "cutmix_alpha": 1.0,
        "learned_pairs": 100,
        "learned_variance": 0.95,
        "learned_strength": 1.0,
    },
    "gan": {
        "z_dim": 400,
        "latent_codes": False,
        "latent_temperature": 1.0,
        "latent_noise": 0.2,
        "latent_loss": 20.0,
        "latent_share": 0.5,
        "generator_maps": (512, 256, 128, 128, 128),
        "discriminator_maps": (128, 128, 256, 512, 512),
        "kernel_size": 5,
        "upsampling": "deconvolution",
        "init": "normal",
        "init_stddev": 0.05,
        "logits_init_stddev": 0.05,
        "pixel_scaling": "paper",
        "pixel_rounding": "nearest",
        "batch_norm_epsilon": 1e-5,
        "batch_norm_scale": False,
        "leaky_slope": 0.2,
        "discriminator_norm": "batch",
        "minibatch_stddev": 0,
        "loss": "non_saturating",
        "penalty_weight": 10.0,
        "augment": "none",
        "augment_shift": 16,
        "augment_cutout": 64,
        "augment_exposure": 0.25,
        "augment_real": "none",
        "generator_rate": 0.0004,
        "discriminator_rate": 0.0004,
        "beta_1": 0.5,
        "beta_2": 0.999,
        "epsilon": 1e-8,
        "discriminator_updates": 1,
        "generator_updates": 1,
        "average_decay": 0.0,
        "average_warmup": 10,
        "batch": 128,
        "steps": 12000,
        "sample_every": 200,
        "log_every": 20,
        "saturation_loss": 0.1,
        "saturation_steps": 500,
        "mode_collapse_share": 0.4,
        "fidelity_pairs": 16,
        "fidelity_blocks": 16,
        "unlabelled": False,
        "precision": "float32",
    },
    "synthesis": {
        "count": 120,
        "batch": 128,
        "hash_distance": 2,
        "near_duplicates": "hash",
        "max_draws": 40,
        "mask_threshold": 150,
        "components": "auto",
        "fill_holes": "auto",
        "pseudo_label_members": 0,
        "pseudo_label_steps": 20000,
        "pseudo_label_augment": "elastic",
        "augment": "none",
        "min_agreement": 0.0,
    },
    "unet": {
        "architecture": "paper",
        "depth": 4,
        "maps": 64,
        "most_maps": 256,
        "kernel_size": 3,
        "optimizer": "nesterov",
        "learning_rate": 0.00001,
        "momentum": 0.99,
        "weight_decay": 0.0005,
        "batch": 16,
        "validation_error": "cross_entropy",
        "stop_window": 10,
        "go_on_while_falling": False,
        "min_steps": 0,
        "max_epochs": 20000,
        "average_decay": 0.0,
        "keep": "last",
        "fixed_steps": 0,
        "steps_an_epoch": 0,
        "real_share": 0.0,
        "pretraining_steps": 0,
        "augment": "none",
        "precision": "float32",
    },
    "evaluation": {
        "equivalence_margin": 0.005,
        "budgets": (20000,),
        "budget_epoch": 50,
        "cross_fit_splits": 2,
        "cross_fit_steps": 10000,
        "surface_tolerance": 2.0,
        "failure_dice": 0.7,
    },
}


def changed(numbers: dict[str, Any], **sections: Any) -> dict[str, Any]:
    merged = {
        name: {**numbers[name], **values} if isinstance(values, dict) else values
        for name, values in sections.items()
    }
    return {**numbers, **merged}


AUTHORS = changed(
    PAPER,
    preset="authors",
    gan={
        "generator_maps": (512, 256, 128, 128, 128, 128),
        "discriminator_maps": (128, 128, 256, 512, 512, 512),
        "init": "truncated_normal",
        "logits_init_stddev": 0.02,
        "pixel_scaling": "authors",
        "pixel_rounding": "down",
        "generator_updates": 2,
        "steps": 20000,
    },
)

FAST = changed(
    PAPER,
    preset="fast",
    gan={
        "batch_norm_scale": True,
        "discriminator_norm": "spectral",
        "loss": "hinge",
        "augment": "differentiable",
        "generator_rate": 0.0002,
        "discriminator_rate": 0.0002,
        "average_decay": 0.995,
        "batch": 32,
        "steps": 2000,
        "precision": "auto",
    },
    unet={
        "optimizer": "adam",
        "learning_rate": 0.0005,
        "weight_decay": 0.0,
        "validation_error": "dice",
        "go_on_while_falling": True,
        "min_steps": 300,
        "max_epochs": 400,
        "average_decay": 0.98,
        "keep": "best",
        "precision": "auto",
    },
    synthesis={"near_duplicates": "pixels", "pseudo_label_steps": 600},
    evaluation={"budgets": (600,), "budget_epoch": 10, "cross_fit_steps": 300},
)


BEST = changed(
    FAST,
    preset="best",
    gan={"latent_codes": True, "latent_temperature": 2.0},
    synthesis={
        "count": 1000,
        "pseudo_label_members": 3,
        "augment": "elastic",
    },
)


@pytest.mark.parametrize(
    ("preset", "expected"),
    [("paper", PAPER), ("authors", AUTHORS), ("fast", FAST), ("best", BEST)],
)
def test_every_number_of_a_preset_is_pinned(
    preset: str, expected: dict[str, Any]
) -> None:
    assert dataclasses.asdict(PRESETS[preset]) == expected


def test_there_are_six_presets_and_the_papers_is_the_default() -> None:
    assert list(PRESETS) == ["paper", "authors", "fast", "best", "demo", "smoke"]
    assert Config() == PRESETS["paper"]


def test_the_smoke_preset_takes_the_same_path_as_the_fast_one() -> None:
    smoke, fast = (dataclasses.asdict(PRESETS[name]) for name in ("smoke", "fast"))
    for section, fields in {
        "data": list(fast["data"]),
        "gan": ["discriminator_norm", "loss", "augment", "average_decay"],
        "synthesis": ["batch", "max_draws", "mask_threshold"],
        "unet": ["depth", "optimizer", "weight_decay", "stop_window", "keep"],
    }.items():
        for field in fields:
            assert smoke[section][field] == fast[section][field], field


@pytest.mark.parametrize(
    ("lungs", "components"), [("both", 2), ("left", 1), ("right", 1)]
)
def test_a_mask_keeps_one_component_a_lung(lungs: Any, components: int) -> None:
    assert lung_rules(lungs, 1) == (ClassRule(components, 1, fill_holes=True),)


def test_the_papers_split_is_83_82_82_test_cases_and_144_145_145_training() -> None:
    ids = [f"JPCLN{number:03d}" for number in range(247)]

    folds = make_folds(ids, PRESETS["paper"], CaseTable())

    assert [len(fold.test) for fold in folds] == [83, 82, 82]
    assert [len(fold.training) for fold in folds] == [144, 145, 145]
    assert [len(fold.validation) for fold in folds] == [20, 20, 20]
    assert [len(fold.reduced) for fold in folds] == [30, 30, 30]
    assert sorted(case for fold in folds for case in fold.test) == ids
    for fold in folds:
        assert sorted((*fold.training, *fold.validation, *fold.test)) == ids
        assert set(fold.reduced) <= set(fold.training)


def test_pixels_are_scaled_to_minus_one_to_one() -> None:
    np.testing.assert_array_equal(to_signed(np.array([0, 127.5, 255])), [-1, 0, 1])


def field_docstrings() -> Iterator[tuple[str, str | None]]:
    values = [getattr(Config(), field.name) for field in dataclasses.fields(Config)]
    kinds = [Config, *(type(v) for v in values if dataclasses.is_dataclass(v))]
    classes = [
        node
        for kind in kinds
        for node in ast.parse(inspect.getsource(kind)).body
        if isinstance(node, ast.ClassDef)
    ]
    sections = {node.name for node in classes}
    for section in classes:
        for node, after in zip(section.body, [*section.body[1:], None], strict=True):
            if not isinstance(node, ast.AnnAssign):
                continue
            if ast.unparse(node.annotation) in sections:
                continue  # a nested section: its fields speak for themselves
            match after:
                case ast.Expr(value=ast.Constant(value=str(docstring))):
                    text: str | None = " ".join(docstring.split())
                case _:
                    text = None
            yield f"{section.name}.{ast.unparse(node.target)}", text


def test_the_docstring_of_every_field_ends_with_its_source() -> None:
    source = re.compile(r"\[(paper [IV]+(-[AB])?|tf-dcgan|authors' code|choice.*)\]$")
    fields = dict(field_docstrings())

    # As many as the dataclasses have: the parser above overlooks none.
    assert len(fields) == 7 + sum(
        len(section) for section in PAPER.values() if isinstance(section, dict)
    )
    assert [
        name for name, text in fields.items() if not (text and source.search(text))
    ] == []


# The networks at full size


@dataclasses.dataclass
class Networks:
    generator: Generator
    discriminator: Discriminator


def networks(preset: str) -> Networks:
    config = PRESETS[preset].gan
    common: dict[str, Any] = {"size": 128, "policy": "float32"}
    return Networks(
        Generator(config, seed=11, **common), Discriminator(config, seed=22, **common)
    )


@pytest.fixture(scope="module")
def paper() -> Networks:
    return networks("paper")


@pytest.fixture(scope="module")
def authors() -> Networks:
    return networks("authors")


def count(weights: list[Any]) -> int:
    return sum(int(np.prod(weight.shape)) for weight in weights)


def test_the_papers_generator_has_8_2_million_parameters(paper: Networks) -> None:
    # Dense 400 x 8192                              3,276,800
    # 5 x 5, 512 -> 256                             3,276,800
    # 5 x 5, 256 -> 128                               819,200
    # 5 x 5, 128 -> 128, twice                        819,200
    # 5 x 5, 128 -> 2, biases 2                         6,402
    # offsets of 512 + 256 + 3 x 128 maps               1,152
    assert count(paper.generator.trainable_variables) == 8_199_554
    # population mean and variance of the same maps     2,304
    assert count(paper.generator.non_trainable_variables) == 2_304
    assert paper.generator.count_params() == 8_201_858


def test_the_papers_discriminator_has_11_1_million_parameters(paper: Networks) -> None:
    # 5 x 5, 2 -> 128                                   6,400
    # 5 x 5, 128 -> 128                               409,600
    # 5 x 5, 128 -> 256                               819,200
    # 5 x 5, 256 -> 512                             3,276,800
    # 5 x 5, 512 -> 512                             6,553,600
    # Dense 4 x 4 x 512 -> 2, biases 2                 16,386
    # offsets of 1536 maps                              1,536
    assert count(paper.discriminator.trainable_variables) == 11_083_522
    assert count(paper.discriminator.non_trainable_variables) == 3_072
    assert paper.discriminator.count_params() == 11_086_594


def test_the_authors_networks_have_a_level_more(authors: Networks) -> None:
    # Dense 400 x 2048                                819,200
    # 512 -> 256, 256 -> 128 as in the paper        4,096,000
    # 128 -> 128 three times                        1,228,800
    # 128 -> 2                                          6,402
    # offsets of 512 + 256 + 4 x 128 maps               1,280
    assert count(authors.generator.trainable_variables) == 6_151_682
    assert count(authors.generator.non_trainable_variables) == 2_560
    # the paper's five convolutions                11,065,600
    # 512 -> 512 once more                          6,553,600
    # Dense 2 x 2 x 512 -> 2, biases 2                  4,098
    # offsets of 2048 maps                              2,048
    assert count(authors.discriminator.trainable_variables) == 17_625_346
    assert count(authors.discriminator.non_trainable_variables) == 4_096


def test_the_fast_presets_networks_are_the_papers_but_for_the_normalization() -> None:
    fast, paper = PRESETS["fast"].gan, PRESETS["paper"].gan
    for field in ("z_dim", "generator_maps", "discriminator_maps", "kernel_size"):
        assert getattr(fast, field) == getattr(paper, field)
    discriminator = Discriminator(fast, size=128, seed=0, policy="float32")
    # Biases in place of the offsets; a singular vector a convolution.
    assert count(discriminator.trainable_variables) == 11_083_522
    assert count(discriminator.non_trainable_variables) == 1_536 + 2


def level_shapes(generator: Generator) -> list[tuple[int, ...]]:
    z = tf.zeros((1, generator.config.z_dim))
    entering = [
        tuple(generator.before_norm(z, level, training=True).shape[1:])
        for level in range(len(generator.norms))
    ]
    return [*entering, tuple(generator(z, training=True).shape[1:])]


def test_the_papers_generator_doubles_from_4_to_128(paper: Networks) -> None:
    assert level_shapes(paper.generator) == [
        (4, 4, 512),
        (8, 8, 256),
        (16, 16, 128),
        (32, 32, 128),
        (64, 64, 128),
        (128, 128, 2),
    ]


def test_the_authors_generator_doubles_from_2_to_128(authors: Networks) -> None:
    assert level_shapes(authors.generator) == [
        (2, 2, 512),
        (4, 4, 256),
        (8, 8, 128),
        (16, 16, 128),
        (32, 32, 128),
        (64, 64, 128),
        (128, 128, 2),
    ]


def discriminator_shapes(discriminator: Discriminator) -> list[tuple[int, ...]]:
    x = tf.zeros((1, 128, 128, 2))
    shapes = []
    for convolution in discriminator.convolutions:
        x = convolution(x)
        shapes.append(tuple(x.shape[1:]))
    return [*shapes, tuple(discriminator(tf.zeros((1, 128, 128, 2))).shape[1:])]


def test_the_papers_discriminator_halves_from_128_to_4(paper: Networks) -> None:
    assert discriminator_shapes(paper.discriminator) == [
        (64, 64, 128),
        (32, 32, 128),
        (16, 16, 256),
        (8, 8, 512),
        (4, 4, 512),
        (2,),
    ]


def test_the_authors_discriminator_halves_from_128_to_2(authors: Networks) -> None:
    assert discriminator_shapes(authors.discriminator) == [
        (64, 64, 128),
        (32, 32, 128),
        (16, 16, 256),
        (8, 8, 512),
        (4, 4, 512),
        (2, 2, 512),
        (2,),
    ]


def named(network: keras.Model, ending: str) -> dict[str, NDArray[np.float32]]:
    return {
        weight.path: np.asarray(weight)
        for weight in network.variables
        if weight.path.endswith(ending)
    }


@pytest.mark.parametrize("network", ["generator", "discriminator"])
@pytest.mark.parametrize(
    ("preset", "stddev"),
    [
        ("paper", 0.05),
        # TensorFlow's stddev is that of the normal distribution before values
        # beyond two of it are drawn anew; what is left has 0.8796 of it. So it
        # was in TensorFlow 1, and so it is in the authors' code.
        ("authors", 0.05 * 0.87962566),
    ],
)
def test_weights_start_from_a_normal_distribution_of_standard_deviation_0_05(
    network: str, preset: str, stddev: float, request: pytest.FixtureRequest
) -> None:
    model = getattr(request.getfixturevalue(preset), network)
    kernels = named(model, "/kernel")

    assert len(kernels) == len(model.norms) + 1
    if preset == "authors" and network == "discriminator":
        # The authors' logits start at 0.02 instead of 0.05.
        (path,) = (path for path in kernels if path.endswith("logits/kernel"))
        kernels[path] = kernels[path] * np.float32(0.05 / 0.02)
    for path, kernel in kernels.items():
        n = kernel.size
        # Five standard errors of mean and standard deviation.
        assert abs(kernel.mean()) < 5 * stddev / n**0.5, path
        assert abs(kernel.std() / stddev - 1) < 5 / (2 * n) ** 0.5, path
        beyond = np.mean(np.abs(kernel) > 2 * 0.05)
        if preset == "paper":
            # 4.55 % of a normal distribution lie beyond two standard deviations.
            assert abs(beyond - 0.0455) < 5 * (0.0455 * 0.9545 / n) ** 0.5, path
        else:
            assert beyond == 0, path
    # No two kernels are one: each has a seed of its own.
    assert len({float(kernel.flat[0]) for kernel in kernels.values()}) == len(kernels)


@pytest.mark.parametrize("network", ["generator", "discriminator"])
def test_biases_and_normalizations_start_neutral(paper: Networks, network: str) -> None:
    model = getattr(paper, network)
    norms = len(model.norms)
    start = {"bias": (1, 0), "beta": (norms, 0), "gamma": (0, 1)}
    for ending, (number, value) in start.items():
        found = named(model, f"/{ending}")
        assert len(found) == number
        assert all(np.all(weights == value) for weights in found.values())
    assert all(norm.epsilon == 1e-5 for norm in model.norms)


def test_the_discriminators_leaky_relu_has_a_slope_of_0_2() -> None:
    # One level, its kernel 1 at the center: the network is the activation alone.
    config = dataclasses.replace(
        PRESETS["paper"].gan, discriminator_maps=(1,), kernel_size=5
    )
    model = Discriminator(config, size=2, seed=0, policy="float32")
    # Padding of an even side puts the window's center at index 1 for stride 2.
    kernel = np.zeros((5, 5, 2, 1), np.float32)
    kernel[1, 1, 0, 0] = 1
    model.convolutions[0].kernel.assign(kernel)
    model.classify.kernel.assign([[0.0, 1.0]])
    pairs = np.zeros((2, 2, 2, 2), np.float32)
    pairs[:, 0, 0, 0] = [10, -10]

    logits = np.asarray(model(pairs, training=False))[:, 1]

    np.testing.assert_allclose(logits, [10, -2], rtol=1e-4)


# The optimizers, the noise


@pytest.mark.parametrize(
    ("preset", "rate"), [("paper", 4e-4), ("authors", 4e-4), ("fast", 2e-4)]
)
def test_both_adams_have_the_papers_settings(preset: str, rate: float) -> None:
    config = dataclasses.replace(
        PRESETS[preset].gan, generator_maps=(3,), discriminator_maps=(3,)
    )
    gan = DCGAN(config, size=4, seed=0)
    gan.compile()

    assert gan.g_optimizer is not gan.d_optimizer
    for optimizer in (gan.g_optimizer, gan.d_optimizer):
        assert type(optimizer) is keras.optimizers.Adam
        settings = optimizer.get_config()
        assert settings.pop("learning_rate") == pytest.approx(rate, rel=1e-6)
        settings.pop("name")
        assert settings == {
            "beta_1": 0.5,
            "beta_2": 0.999,
            "epsilon": 1e-8,
            # Nothing that TensorFlow 1's Adam does not do.
            "amsgrad": False,
            "weight_decay": None,
            "clipnorm": None,
            "global_clipnorm": None,
            "clipvalue": None,
            "use_ema": False,
            "ema_momentum": 0.99,
            "ema_overwrite_frequency": None,
            "loss_scale_factor": None,
            "gradient_accumulation_steps": None,
        }


def test_z_has_400_numbers_uniform_in_minus_one_to_one() -> None:
    config = dataclasses.replace(
        PRESETS["paper"].gan, generator_maps=(3,), discriminator_maps=(3,)
    )

    z = np.asarray(DCGAN(config, size=4, seed=0).draw_z(500, stream=0))

    assert z.shape == (500, 400)
    assert z.dtype == np.float32
    assert z.min() >= -1
    assert z.max() < 1
    deciles, _ = np.histogram(z, bins=10, range=(-1, 1))
    # Five standard deviations of a count of 200,000 draws with p = 1/10.
    assert np.all(np.abs(deciles - 20_000) < 5 * (200_000 * 0.09) ** 0.5)


# The U-Net


@pytest.fixture(scope="module")
def unet() -> keras.Model:
    return build_unet(PRESETS["paper"].unet, size=128, seed=33)


def layers_of(model: keras.Model, kind: Any) -> list[Any]:
    return [layer for layer in model.layers if isinstance(layer, kind)]


def test_the_unet_has_four_average_poolings_and_only_plain_layers(
    unet: keras.Model,
) -> None:
    counts: dict[str, int] = {}
    for layer in unet.layers:
        counts[type(layer).__name__] = counts.get(type(layer).__name__, 0) + 1

    # No max pooling, batch normalization or dropout: the list is complete.
    assert counts == {
        "InputLayer": 1,
        "Convolution": 2 * 4 + 2 + 2 * 4 + 1,
        "AveragePooling2D": 4,
        "TransposedConvolution": 4,
        "Concatenate": 4,
    }
    poolings = layers_of(unet, keras.layers.AveragePooling2D)
    assert all(p.pool_size == (2, 2) and p.strides == (2, 2) for p in poolings)
    assert [p.output.shape[1] for p in poolings] == [64, 32, 16, 8]
    assert unet.input_shape == (None, 128, 128, 1)
    assert unet.output_shape == (None, 128, 128, 2)


def test_all_convolutions_of_the_unet_have_64_maps_and_kernels_of_3(
    unet: keras.Model,
) -> None:
    *convolutions, logits = layers_of(unet, keras.layers.Conv2D)
    assert {(c.filters, c.kernel_size) for c in convolutions} == {(64, (3, 3))}
    assert {c.activation for c in convolutions} == {keras.activations.relu}
    assert (logits.filters, logits.kernel_size) == (2, (1, 1))
    assert logits.activation is keras.activations.linear
    ups = layers_of(unet, keras.layers.Conv2DTranspose)
    assert {(u.filters, u.kernel_size, u.strides) for u in ups} == {
        (64, (2, 2), (2, 2))
    }
    # 3 x 3 from 1 map                 640
    # 3 x 3 from 64 maps, 13 times     480,064
    # 3 x 3 from 128 maps, 4 times     295,168
    # 2 x 2 up, 4 times                 65,792
    # 1 x 1 to 2                           130
    assert unet.count_params() == 841_794


def test_the_unets_weights_start_from_the_msra_distribution(
    unet: keras.Model,
) -> None:
    kernels = named(unet, "/kernel")
    assert len(kernels) == 2 * 4 + 2 + 2 * 4 + 4 + 1
    for path, kernel in kernels.items():
        fan_in = int(np.prod(kernel.shape[:-1]))
        stddev = (2 / fan_in) ** 0.5
        # Of a truncated normal distribution: its standard error is smaller.
        assert abs(kernel.std() / stddev - 1) < 5 / (2 * kernel.size) ** 0.5, path
        assert abs(kernel.mean()) < 5 * stddev / kernel.size**0.5, path
    assert all(np.all(bias == 0) for bias in named(unet, "/bias").values())


def test_the_unets_optimizer_has_the_papers_settings() -> None:
    optimizer = build_optimizer(PRESETS["paper"].unet)

    assert type(optimizer) is CaffeNesterov
    settings = optimizer.get_config()
    assert settings["learning_rate"] == pytest.approx(1e-5, rel=1e-6)
    assert settings["momentum"] == 0.99
    assert settings["coupled_decay"] == 5e-4
    assert settings["nesterov"] is True
    # Keras's own decay is not coupled: it must not come on top.
    assert settings["weight_decay"] is None


def test_weight_decay_passes_through_the_momentum_as_in_caffe() -> None:
    config = UNetConfig(learning_rate=0.1, momentum=0.9, weight_decay=0.5)
    optimizer = build_optimizer(config)
    variable = keras.Variable([2.0])
    optimizer.build([variable])
    weight, history = 2.0, 0.0
    for gradient in (1.0, -3.0, 0.5):
        optimizer.apply([tf.constant([gradient])], [variable])
        # Caffe's NesterovSolver: h' = m h + rate g; w -= (1 + m) h' - m h.
        before = history
        history = 0.9 * history + 0.1 * (gradient + 0.5 * weight)
        weight -= 1.9 * history - 0.9 * before
        np.testing.assert_allclose(np.asarray(variable), [weight], rtol=1e-5)
