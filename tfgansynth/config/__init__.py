"""Every number of the experiment, each with its source.

The docstring under each field ends with where its value comes from:
`[paper IV-B]` a section of Neff et al. 2017, `[tf-dcgan]` the implementation the
paper started from, `[authors' code]` what its authors later published, `[choice]`
ours. `docs/reference/configuration.md` is made from them.
"""

import dataclasses
from typing import Literal

from tfgansynth import ranges
from tfgansynth.config.data import (
    FEW_TRAINING,
    FEWEST_CASES,
    PAPER_REDUCED,
    PAPER_VALIDATION,
    VALIDATION_SHARE,
    AugmentationConfig,
    DataConfig,
)
from tfgansynth.config.evaluation import EvaluationConfig
from tfgansynth.config.gan import GANConfig
from tfgansynth.config.synthesis import SynthesisConfig
from tfgansynth.config.unet import UNetConfig
from tfgansynth.ranges import Precision

__all__ = [
    "FEWEST_CASES",
    "FEW_TRAINING",
    "PAPER_REDUCED",
    "PAPER_VALIDATION",
    "VALIDATION_SHARE",
    "AugmentationConfig",
    "Config",
    "DataConfig",
    "EvaluationConfig",
    "GANConfig",
    "Precision",
    "SynthesisConfig",
    "UNetConfig",
]

NETWORK_VERSIONS = {"gan": 2, "unet": 1}
"""Raised when the same configuration makes other networks than before: other
variables or another computation. A run folder resumes only with its own versions.

GAN 2: the start vectors of spectral normalization and the latent codes have random
streams of their own. Networks without either have the weights of version 1."""

EXPORT_POPULATION, EXPORT_BATCH = 1024, 64
"""Noise vectors whose moments an exported generator keeps, and how many of them are
measured at once. The same in every run, so that exports can be compared. [choice]"""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """One experiment, complete."""

    preset: Literal["paper", "authors", "fast", "best", "demo", "smoke"] = "paper"
    """Where the numbers start from: paper, authors, fast, best, demo or smoke.
    [choice]"""
    reduced: bool = False
    """Train on the reduced set: Table II instead of Table I. [paper IV-A]"""
    lungs: Literal["both", "left", "right"] = "both"
    """Which lungs of the patient, where the target is lungs. [paper IV]"""
    target: ranges.Name = dataclasses.field(default="", metadata=ranges.OPTIONAL)
    """What the masks show. Empty: as dataset.json says. [choice]"""
    paper_figures: bool = ranges.optional(False)
    """Show the paper's Tables I and II beside results on other data too. [choice]"""
    seed: ranges.Seed = 0
    """The one number that all randomness of the run derives from. [choice]"""
    allow_duplicates: bool = False
    """Run although copies of one picture cross the split; results say so. [choice]"""
    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    augmentation: AugmentationConfig = dataclasses.field(
        default_factory=AugmentationConfig
    )
    gan: GANConfig = dataclasses.field(default_factory=GANConfig)
    synthesis: SynthesisConfig = dataclasses.field(default_factory=SynthesisConfig)
    unet: UNetConfig = dataclasses.field(default_factory=UNetConfig)
    evaluation: EvaluationConfig = dataclasses.field(default_factory=EvaluationConfig)
