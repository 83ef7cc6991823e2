"""Writing a trained generator as models that others can use."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tfgansynth.arrays import HALF_RANGES
from tfgansynth.config import EXPORT_BATCH, EXPORT_POPULATION
from tfgansynth.gan.networks import Generator
from tfgansynth.runtime import storage
from tfgansynth.runtime.weights import save_keras, write_weights

PROVENANCE = "provenance.json"
"""What an exported generator came from, with the hashes of all files of its folder."""
WEIGHTS = "generator.safetensors"
"""An exported generator's weights, with configuration and provenance."""


@dataclasses.dataclass(frozen=True, slots=True)
class FreezingReport:
    """How far frozen moments move the samples, over the same noise vectors.

    Attributes:
        n_population: Noise vectors whose moments were frozen.
        n_compared: Noise vectors compared.
        image_difference: Mean absolute difference of the images, grey levels of 255.
        mask_agreement: Share of mask pixels on the same side of the threshold.
    """

    n_population: int
    n_compared: int
    image_difference: float
    mask_agreement: float


def freeze_moments(generator: Generator, *, seed: int) -> None:
    """Set the population moments of all normalizations, from the lowest up.

    Each level's moments are taken over many noise vectors that passed the levels
    below with *their* population moments, so that the frozen generator is the
    limit of an ever larger batch.
    """
    rng = np.random.default_rng(seed)
    z_dim = generator.config.z_dim
    chunks = [
        rng.uniform(-1, 1, (EXPORT_BATCH, z_dim)).astype(np.float32)
        for _ in range(EXPORT_POPULATION // EXPORT_BATCH)
    ]

    for level, norm in enumerate(generator.norms):
        # The variance is that of differences to the mean.
        measure = tf.function(
            lambda z, level=level: tf.nn.moments(
                tf.cast(generator.before_norm(z, level, training=False), tf.float32),
                axes=(0, 1, 2),
            )
        )
        # float32 sums of squares would cancel where a mean is far from zero. Chan et
        # al. 1979: chunks of equal size add their variances and that of their means.
        means, variances = (
            np.array(figures, np.float64)
            for figures in zip(*map(measure, chunks), strict=True)
        )
        norm.population_mean.assign(means.mean(axis=0))
        norm.population_variance.assign(variances.mean(axis=0) + means.var(axis=0))


def compare_frozen(
    generator: Generator, *, batch: int, mask_threshold: int, seed: int
) -> FreezingReport:
    """Compare samples by frozen moments with those by the batch's moments."""
    rng = np.random.default_rng(seed)
    z = rng.uniform(-1, 1, (batch, generator.config.z_dim)).astype(np.float32)
    batch_images, batch_masks = generator.sample(z)
    images, masks = generator.split(np.asarray(generator(z, training=False)))
    difference = np.abs(images.astype(np.float32) - batch_images)
    same = (masks >= mask_threshold) == (batch_masks >= mask_threshold)
    return FreezingReport(
        n_population=EXPORT_POPULATION,
        n_compared=batch,
        image_difference=float(difference.mean()),
        mask_agreement=float(same.mean()),
    )


class _SampledGenerator(tf.Module):
    """What the SavedModel holds: two functions and the generator's weights."""

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self._generator = generator
        self._weights = generator.variables
        z_dim = generator.config.z_dim
        self.pairs = tf.function(
            self._pairs, input_signature=[tf.TensorSpec((None, z_dim), tf.float32, "z")]
        )
        self.sample = tf.function(
            self._sample,
            input_signature=[
                tf.TensorSpec((), tf.int64, "seed"),
                tf.TensorSpec((), tf.int32, "count"),
            ],
        )

    def _pairs(self, z: Any) -> dict[str, Any]:
        return {"pairs": self._generator(z, training=False)}

    def _sample(self, seed: Any, count: Any) -> dict[str, Any]:
        """Each sample has a seed of its own, so that n never changes the first ones."""
        z_dim = self._generator.config.z_dim
        z = tf.map_fn(
            lambda index: tf.random.stateless_uniform(
                (z_dim,), tf.stack([seed, index]), -1.0, 1.0
            ),
            tf.range(tf.cast(count, tf.int64)),
            fn_output_signature=tf.TensorSpec((z_dim,), tf.float32),
        )
        pairs = self._generator(z, training=False)
        config = self._generator.config
        rounded = {"nearest": tf.round, "down": tf.floor}[config.pixel_rounding]
        grey = rounded((pairs + 1) * HALF_RANGES[config.pixel_scaling])
        pixels = tf.cast(tf.clip_by_value(grey, 0, 255), tf.uint8)
        channels = self._generator.channels
        images, masks = pixels[..., :channels], pixels[..., channels:]
        # A single channel or class has no axis of its own.
        return {
            name: planes[..., 0] if planes.shape[-1] == 1 else planes
            for name, planes in (("images", images), ("masks", masks))
        }


def named_weights(generator: Generator) -> dict[str, Any]:
    """All weights of a generator by the names that `WEIGHTS` has for them."""
    return {weight.path.partition("/")[2]: weight for weight in generator.weights}


def export_generator(
    generator: Generator,
    provenance: Mapping[str, Any],
    card: str,
    folder: Path,
) -> None:
    """Write `generator/`, `generator.keras` and `model_card.md`.

    `generator/` is what to pass on: a SavedModel, `generator.safetensors` (the weights,
    with configuration and provenance in the header), the card, and `provenance.json`
    with the hashes of all files. The hashes show damage, not malice: whoever changes a
    part can change its hash.

    Args:
        generator: A generator whose moments are frozen.
        provenance: What it came from: data set, fold, seed, training cases.
        card: What others must know about it, in Markdown.
        folder: The folder of the fold's GAN.
    """
    # What builds the generator again.
    config = {
        "gan": dataclasses.asdict(generator.config),
        "size": generator.size,
        "policy": generator.policy,
    }
    if generator.pair_shape[-1] > 2:
        config |= {"channels": generator.channels, "classes": generator.classes}
    # What is exported runs without our kernels.
    module = _SampledGenerator(generator.standard_layer_copy())
    with storage.whole_folder(folder / "generator") as partial:
        tf.saved_model.save(
            module,
            str(partial),
            signatures={"serving_default": module.pairs, "sample": module.sample},
        )
        # It has a random number, without which equal generators make equal files.
        (partial / "fingerprint.pb").unlink()
        write_weights(
            partial / WEIGHTS,
            named_weights(generator),
            {
                "config": json.dumps(config, sort_keys=True),
                "provenance": json.dumps(provenance, sort_keys=True),
            },
        )
        storage.write_text(partial / "model_card.md", card)
        files = storage.hash_folder(partial)
        storage.write_record(partial / PROVENANCE, {**provenance, "files": files})
    save_keras(generator, folder / "generator.keras", provenance)
    storage.write_text(folder / "model_card.md", card)
