"""Ensembles of U-Nets: one gives images their masks, the other segments out of fold.

The pseudo-label ensemble gives generated images their masks. A generator of few cases
draws masks that fit its images only roughly. A U-Net trained on the same cases with
classical augmentation segments such an image more exactly, and the mean of several is
steadier than any. A set then teaches what these networks know of images that no person
has labelled (distillation: Hinton et al. 2015).

The cross-fitted ensemble segments cases and pairs out of fold: the real training cases
are split, and each member is trained on all parts but one. A real case is segmented by
the member that has not seen it. A synthetic pair is segmented by the member that has
not seen the training case nearest to its image: if the pair is a copy of that case, a
network that knows the case by heart would agree with it too well.

Validation cases choose the weights of neither, unlike those of the tables' U-Nets.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfgansynth.arrays import FloatArray, Labels, largest_class
from tfgansynth.config import UNetConfig
from tfgansynth.runtime import storage
from tfgansynth.segmentation.unet import (
    bottleneck_features,
    load_unet,
    predict_masks,
    predict_probabilities,
)


@dataclasses.dataclass(frozen=True, slots=True)
class PseudoLabelEnsemble:
    """The trained networks that give generated images their masks.

    Attributes:
        networks: One or more.
        hashes: SHA-256 of each one's model, by its folder below the fold's.
    """

    networks: tuple[Any, ...]
    hashes: dict[str, str]

    def segment(self, images: NDArray[Any]) -> Labels:
        """Segment images by the mean of all predictions.

        Args:
            images: (n, S, S) or (n, S, S, 3) in [0, 255].

        Returns:
            uint8 (n, S, S): the most probable class; the background wins a tie.
        """
        predictions = [predict_probabilities(each, images) for each in self.networks]
        mean = np.mean(predictions, axis=0)
        background = 1 - mean.sum(axis=-1)
        return largest_class(mean, mean.max(axis=-1) > background)


@dataclasses.dataclass(frozen=True, slots=True)
class CrossFittedEnsemble:
    """The trained networks that segment out of fold.

    Attributes:
        parts: For each network, the indices of the training cases that it has not
            seen, ascending.
        networks: Two or more.
        hashes: SHA-256 of each one's model, by its folder below the fold's.
    """

    parts: tuple[NDArray[np.int64], ...]
    networks: tuple[Any, ...]
    hashes: dict[str, str]

    def segment(self, images: FloatArray, cases: NDArray[np.int64]) -> Labels:
        """Segment images, each by the network that has not seen a certain case.

        Args:
            images: (n, S, S) or (n, S, S, 3) in [0, 255].
            cases: (n,), indices of the training cases.

        Returns:
            uint8 (n, S, S), class indices.
        """
        masks = np.zeros(images.shape[:3], np.uint8)
        for part, network in zip(self.parts, self.networks, strict=True):
            chosen = np.isin(cases, part)
            if chosen.any():
                masks[chosen] = predict_masks(network, images[chosen])
        return masks

    def on_unseen(
        self, n_held_out: int
    ) -> Iterator[tuple[NDArray[np.int64], Callable[[FloatArray], FloatArray]]]:
        """Yield the real cases that each network has not seen, and what describes them.

        Held-out cases are counted on from the training cases. Images (n, S, S[, 3]) are
        described by the bottleneck, float32 (n, maps).
        """
        n_training = sum(map(len, self.parts))
        for part, network in zip(self.parts, self.networks, strict=True):
            held_out = np.arange(n_training, n_training + n_held_out)
            yield (
                np.append(part, held_out),
                functools.partial(bottleneck_features, network),
            )


def load_networks(
    root: Path, names: Sequence[str], model: str, config: UNetConfig, **shape: int
) -> tuple[tuple[Any, ...], dict[str, str]]:
    """Load the networks of an ensemble from folders below that of their fold.

    The shape is as for `load_unet`.

    Returns:
        The networks, and the SHA-256 of each one's file by its folder.
    """
    files = {name: root / name / model for name in names}
    networks = tuple(load_unet(config, path=p, **shape) for p in files.values())
    return networks, {name: storage.hash_file(path) for name, path in files.items()}
