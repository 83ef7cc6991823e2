"""Both U-Nets as a Keras model, its files and its predictions. Paper: IV-B."""

import contextlib
import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from scipy.special import expit, softmax

from tfgansynth.arrays import FloatArray, Labels
from tfgansynth.config import UNetConfig
from tfgansynth.config_checks import check_halvings, settings_from
from tfgansynth.data.pipelines import network_inputs
from tfgansynth.keras_classes import PACKAGE
from tfgansynth.runtime.checkpoints import numbered, restore
from tfgansynth.runtime.kernels.convolution import Convolution, TransposedConvolution
from tfgansynth.runtime.weights import read_weights, save_keras, write_weights
from tfgansynth.segmentation.layers import Shape, connect
from tfgansynth.segmentation.losses import (
    CaseMean,
    DiceCrossEntropy,
    DiceError,
    PixelCrossEntropy,
)
from tfgansynth.segmentation.optimizer import build_optimizer

_PREDICTION_BATCH = 32
_LOSSES = {"paper": PixelCrossEntropy, "modern": DiceCrossEntropy}
_VALIDATION_LOGS = {"cross_entropy": "val_loss", "dice": "val_dice_error"}


@keras.saving.register_keras_serializable(PACKAGE)
class UNet(keras.Model):
    """A U-Net with average poolings: the paper's, or a modern one.

    In the paper's each level has two convolutions with ReLU and the same number of
    maps. In the modern one it has a residual block with group normalization, and maps
    double from level to level. Up-convolutions double the side on the way up, where the
    maps of the way down are concatenated. Weights start from the MSRA distribution (He
    et al. 2015), biases from zero.

    The model maps float32 (n, size, size, channels) in [-1, 1] to float32
    (n, size, size, classes + 1) logits, first that of the background. `fit` takes
    batches of such images and of class indices, int32 (n, size, size).

    Args:
        config: The network's and its training's numbers.
        size: Side of the images in pixels, a multiple of 2 ** depth.
        seed: Of the initial weights.
        channels: Of the images: 1 for grey, 3 for color.
        classes: Without the background.
        **kwargs: Arguments of `keras.Model`.

    Raises:
        InputError: The network cannot halve a side of `size` pixels so often.

    Attributes:
        loss_mean: Mean loss of the cases of an epoch, `loss` in the logs.
        dice_error: Dice error of the validation cases, `dice_error` in the logs. It is
            not measured in training, where it would cost 2 % of a narrow network's
            step.
    """

    def __init__(
        self,
        config: UNetConfig,
        *,
        size: int,
        seed: int = 0,
        channels: int = 1,
        classes: int = 1,
        **kwargs: Any,
    ) -> None:
        check_halvings(size, config.depth)
        shape = size, channels, classes
        inputs, logits = connect(
            config, shape, seed, Convolution, TransposedConvolution
        )
        super().__init__(inputs=inputs, outputs=logits, **{"name": "unet", **kwargs})
        self.config = config
        self.loss_mean = CaseMean(name="loss")
        self.dice_error = DiceError()
        self._arguments = {
            "size": size,
            "seed": seed,
            "channels": channels,
            "classes": classes,
        }

    def get_config(self) -> dict[str, Any]:
        """Return what `__init__` takes."""
        return {
            "config": dataclasses.asdict(self.config),
            **self._arguments,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Self:
        """Build a U-Net from what `get_config` returns."""
        own = settings_from(UNetConfig, config["config"])
        return cls(**{**config, "config": own})

    def compile(
        self,
        optimizer: Any = None,
        loss: Any = None,
        metrics: Any = None,
        **kwargs: Any,
    ) -> None:
        """Prepare for training, by default as the configuration says.

        Args:
            optimizer: None for the optimizer that the configuration names.
            loss: None for that of the architecture.
            metrics: Metrics beside loss and Dice error.
            **kwargs: Other arguments of `keras.Model.compile`.
        """
        super().compile(
            optimizer=build_optimizer(self.config) if optimizer is None else optimizer,
            loss=_LOSSES[self.config.architecture]() if loss is None else loss,
            metrics=metrics,
            **kwargs,
        )
        # A checkpoint needs the optimizer's variables to load into.
        self.optimizer.build(self.trainable_variables)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        """Compile as a saved model was."""
        self.compile(**keras.saving.deserialize_keras_object(config))

    @property
    def metrics(self) -> list[Any]:
        """The mean loss, the Dice error, and what `compile` was given."""
        return [self.loss_mean, self.dice_error, *self._compiled_metrics()]

    def get_metrics_result(self) -> dict[str, Any]:
        """Return the metrics of the last epoch or evaluation by name."""
        results: dict[str, Any] = super().get_metrics_result()
        if not float(self.dice_error.count):
            del results[self.dice_error.name]
        return results

    @property
    def monitor(self) -> str:
        """Name of the configured validation error in the logs of `fit`."""
        return _VALIDATION_LOGS[self.config.validation_error]

    def train_step(self, data: Any) -> dict[str, Any]:
        """Update the weights on one mini-batch.

        Args:
            data: Images float32 (n, S, S, C) and classes int32 (n, S, S).

        Returns:
            `loss`, of this mini-batch and before the update, and the metrics that
            `compile` was given.
        """
        images, classes = _without_weights(data)
        with tf.GradientTape() as tape:
            logits = self(images, training=True)
            loss = self.compute_loss(images, classes, logits)
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        return self._measure(loss, classes, logits)

    def test_step(self, data: Any) -> dict[str, Any]:
        """Measure the errors of one mini-batch."""
        images, classes = _without_weights(data)
        logits = self(images, training=False)
        loss = self.compute_loss(images, classes, logits)
        self.dice_error.update_state(classes, logits)
        results = self._measure(loss, classes, logits)
        return {**results, self.dice_error.name: self.dice_error.result()}

    def take_averages(self) -> None:
        """Replace the weights by their running averages, if there are any."""
        self.optimizer.finalize_variable_values(self.trainable_variables)

    @contextlib.contextmanager
    def averaged_weights(self) -> Iterator[None]:
        """Put the running averages in place of the weights inside the block."""
        if not self.optimizer.use_ema:
            yield
            return
        own = self.get_weights()
        self.take_averages()
        yield
        # `set_weights` would check each shape again.
        for variable, weight in zip(self.weights, own, strict=True):
            variable.assign(weight)

    def state(self) -> dict[str, Any]:
        """All variables of the network and its optimizer, by name."""
        return numbered(unet=self.variables, optimizer=self.optimizer.variables)

    def steps_done(self) -> int:
        """Number of mini-batches that the optimizer has taken."""
        return int(self.optimizer.iterations)

    def _compiled_metrics(self) -> list[Any]:
        own = ("loss", self.dice_error.name)
        return [metric for metric in super().metrics if metric.name not in own]

    def _measure(self, loss: Any, classes: Any, logits: Any) -> dict[str, Any]:
        self.loss_mean.add(loss, tf.shape(logits)[0])
        results = {self.loss_mean.name: loss}
        for metric in self._compiled_metrics():
            metric.update_state(classes, logits)
            result = metric.result()
            results |= result if isinstance(result, dict) else {metric.name: result}
        return results


def build_unet(
    config: UNetConfig, *, size: int, seed: int, channels: int = 1, classes: int = 1
) -> UNet:
    """Build the U-Net; the arguments are those of `UNet`."""
    return UNet(config, size=size, seed=seed, channels=channels, classes=classes)


def _without_weights(data: Any) -> tuple[Any, Any]:
    images, classes, weights = keras.utils.unpack_x_y_sample_weight(data)
    if classes is None or weights is not None:
        raise ValueError("expected batches of images and classes, and nothing else")
    return images, classes


def standard_layer_copy(unet: keras.Model, config: UNetConfig) -> keras.Model:
    """Copy a U-Net into Keras's own layers: its file loads without this package."""
    inputs, logits = connect(
        config,
        shape_of(unet),
        0,
        keras.layers.Conv2D,
        keras.layers.Conv2DTranspose,
    )
    copy = keras.Model(inputs, logits, name="unet")
    copy.set_weights(unet.get_weights())
    return copy


def shape_of(unet: keras.Model) -> Shape:
    """Side and channels of its images, and its classes without the background."""
    return unet.input_shape[1], unet.input_shape[-1], unet.output_shape[-1] - 1


def save_unet(
    unet: keras.Model, config: UNetConfig, path: Path, provenance: Mapping[str, Any]
) -> None:
    """Write a trained U-Net, once for `load_unet` and once for Keras.

    Args:
        unet: The U-Net.
        config: Its numbers.
        path: A `.safetensors` file. A `.keras` file beside it has Keras's own layers
            only and loads without this package.
        provenance: What it came from, plain for JSON.
    """
    metadata = {
        "config": json.dumps(dataclasses.asdict(config), sort_keys=True),
        "provenance": json.dumps(provenance, sort_keys=True),
    }
    write_weights(path, _by_path(unet), metadata)
    copy = standard_layer_copy(unet, config)
    save_keras(copy, path.with_suffix(".keras"), provenance)


def load_unet(config: UNetConfig, *, path: Path, **shape: int) -> UNet:
    """Build a U-Net with the weights that `save_unet` wrote.

    Args:
        config: The network's numbers.
        path: A `.safetensors` file.
        **shape: `size`, `channels` and `classes`, as for `UNet`.

    Raises:
        InputError: The file was altered, or is of another network.
    """
    arrays, _ = read_weights(path)
    unet = UNet(config, **shape)
    restore(_by_path(unet), arrays, path)
    return unet


def _by_path(unet: keras.Model) -> dict[str, Any]:
    return {weight.path: weight for weight in unet.weights}


def predict_masks(unet: keras.Model, images: FloatArray) -> Labels:
    """Segment images by the most probable class; the background wins a tie.

    Args:
        unet: A trained U-Net.
        images: (n, S, S) or (n, S, S, 3) in [0, 255].

    Returns:
        uint8 (n, S, S), class indices.
    """
    return np.asarray(np.argmax(_in_batches(unet, images), axis=-1), np.uint8)


def predict_probabilities(unet: keras.Model, images: NDArray[Any]) -> FloatArray:
    """Return the probability of each pixel to be of each class.

    Args:
        unet: A trained U-Net.
        images: (n, S, S) or (n, S, S, 3) in [0, 255].

    Returns:
        float32 (n, S, S, K) in [0, 1], without the background.
    """
    logits = _in_batches(unet, images)
    if logits.shape[-1] == 2:
        # Of one class, exactly as ever; a softmax rounds in another way.
        return np.asarray(expit(logits[..., 1:] - logits[..., :1]), np.float32)
    return np.asarray(softmax(logits, axis=-1)[..., 1:], np.float32)


def bottleneck_features(unet: keras.Model, images: FloatArray) -> FloatArray:
    """Describe images by the features of the U-Net's deepest level.

    Args:
        unet: A trained U-Net.
        images: (n, S, S) or (n, S, S, 3) in [0, 255].

    Returns:
        float32 (n, maps): the last maps before the way up, averaged over all places.
    """
    names = [layer.name for layer in unet.layers]
    # A U-Net of depth 0 has no way up.
    after = "up_convolution_1" if "up_convolution_1" in names else "logits"
    encoder = keras.Model(unet.input, unet.get_layer(after).input)
    return np.asarray(_in_batches(encoder, images).mean(axis=(1, 2)))


def _in_batches(network: keras.Model, images: NDArray[Any]) -> FloatArray:
    """Apply a network to images (n, S, S[, 3]) in [0, 255], some at a time."""
    inputs, _ = network_inputs(images, np.empty(0, np.uint8))
    starts = range(0, len(inputs), _PREDICTION_BATCH)
    parts = (inputs[start : start + _PREDICTION_BATCH] for start in starts)
    outputs = [network(part, training=False) for part in parts]
    # NumPy has no bfloat16.
    return np.concatenate(
        [np.asarray(keras.ops.cast(output, "float32")) for output in outputs]
    )
