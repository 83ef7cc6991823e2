"""U-Nets that give generated images their masks.

A generator of few cases draws masks that fit its images only roughly. A U-Net trained
on the same cases with classical augmentation segments such an image more exactly, and
the mean of several is steadier than any. What a set teaches then is what these networks
know of images that no person has labelled (distillation: Hinton et al. 2015).

Validation cases do not choose the weights: a set may learn from training cases only.
"""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfgansynth.arrays import ByteArray, FloatArray, MaskArray
from tfgansynth.config import Config, UNetConfig
from tfgansynth.data.held_out import FoldCases
from tfgansynth.experiment.experiment_data import Experiment
from tfgansynth.experiment.provenance import unet_provenance
from tfgansynth.experiment.unet_training import ensure_unet
from tfgansynth.records.files import pseudo_label_name
from tfgansynth.runtime import storage
from tfgansynth.seeds import derive_seed
from tfgansynth.segmentation.unet import load_unet, predict_probabilities
from tfgansynth.synthesis.sampling import Sampler


@dataclasses.dataclass(frozen=True, slots=True)
class Teachers:
    """The trained teachers of a fold.

    Attributes:
        networks: One or more.
        hashes: SHA-256 of each one's model, by its folder below the fold's.
    """

    networks: tuple[Any, ...]
    hashes: dict[str, str]

    def segment(self, images: NDArray[Any]) -> MaskArray:
        """Segment images by the mean of all opinions.

        Args:
            images: (n, S, S) in [0, 255].

        Returns:
            Bool (n, S, S): where foreground is the more probable.
        """
        opinions = [predict_probabilities(each, images) for each in self.networks]
        return np.asarray(np.mean(opinions, axis=0) > 0.5)

    def relabel(self, sampler: Sampler) -> Sampler:
        """Return a generator of the same images with the teachers' masks."""

        def relabelled(z: FloatArray) -> tuple[ByteArray, ByteArray]:
            images, _ = sampler(z)
            return images, self.segment(images).astype(np.uint8) * np.uint8(255)

        return relabelled


def ensure_teachers(experiment: Experiment, fold: FoldCases) -> Teachers:
    """Train the fold's teachers, as far as they are not there, and load them.

    Raises:
        InputError: A finished teacher was altered.
    """
    config, root = experiment.config, experiment.run.fold(fold.number)
    paths = [
        _ensure_teacher(experiment, fold, number)
        for number in range(1, config.synthesis.pseudo_label_members + 1)
    ]
    return Teachers(
        networks=tuple(
            load_unet(teacher_config(config), size=config.data.size, path=path)
            for path in paths
        ),
        hashes={
            path.parent.relative_to(root).as_posix(): storage.hash_file(path)
            for path in paths
        },
    )


def teacher_config(config: Config) -> UNetConfig:
    """The numbers of a teacher's training: a fixed length, augmented pairs."""
    steps = config.synthesis.pseudo_label_steps
    return dataclasses.replace(
        config.unet,
        fixed_steps=steps,
        steps_an_epoch=min(config.evaluation.budget_epoch, steps),
        augment="elastic",
        real_share=0.0,
        keep="last",
    )


def _ensure_teacher(experiment: Experiment, fold: FoldCases, number: int) -> Path:
    """Train one teacher on all training cases; return the path of its model."""
    config = teacher_config(experiment.config)
    return ensure_unet(
        experiment,
        fold,
        fold.training,
        config,
        seed=derive_seed(experiment.config.seed, "teacher", fold.number, number),
        folder=experiment.run.fold(fold.number) / pseudo_label_name(number),
        provenance={
            **unet_provenance(experiment, fold, fold.training, None),
            "unet": dataclasses.asdict(config),
            "teacher": number,
        },
        label=f"fold {fold.number}, teacher {number}:",
    )
