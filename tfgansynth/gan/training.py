"""Training one GAN: the loop and its checkpoints."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tfgansynth.arrays import ByteArray, FloatArray, split_pair
from tfgansynth.config import GANConfig
from tfgansynth.data.pipelines import AugmentPair, gan_pairs
from tfgansynth.errors import InputError, RunError
from tfgansynth.gan import health
from tfgansynth.gan.dcgan import DCGAN
from tfgansynth.gan.fidelity import FidelityProbe
from tfgansynth.gan.networks import Generator
from tfgansynth.gan.recording import Recorder, open_records, probe_z
from tfgansynth.runtime import checkpoints
from tfgansynth.runtime.devices import compile_step
from tfgansynth.runtime.progress import Progress, duration
from tfgansynth.runtime.signals import deferred_signals
from tfgansynth.runtime.timing import RECORDS, START_UP, STEPS, Timer
from tfgansynth.seeds import derive_seed

_STEPS_TO_ANNOUNCE = 4
"""Steps after which the time that training takes is worth saying."""


def train_gan(
    pairs: FloatArray,
    config: GANConfig,
    *,
    validation: FloatArray,
    change: AugmentPair | None = None,
    mask_threshold: int,
    seed: int,
    folder: Path,
    provenance: Mapping[str, Any],
    timer: Timer | None = None,
) -> DCGAN:
    """Train a GAN to its last step, going on from its newest checkpoint.

    Args:
        pairs: float32 (n, S, S, 2) in [-1, 1], the real training pairs.
        config: The GAN's numbers.
        validation: float32 (n, S, S, 2) in [-1, 1], the fold's validation pairs. They
            only watch (`gan.fidelity`): no weight, sample or stop depends on them.
        change: Changes each training pair each time it is served.
        mask_threshold: Grey value from which a mask pixel is drawn as foreground.
        seed: Of initial weights, data order, noise and augmentation.
        folder: Takes `checkpoints/`, `samples/` and `tensorboard/`.
        provenance: What the pairs and the configuration are; saved with the weights.
        timer: Takes the time of start-up, input, steps and records.

    Returns:
        The trained GAN.

    Raises:
        RunError: A loss or a weight is NaN or infinite. The last checkpoint, which
            is sound, stays.
    """
    timer = timer or Timer()
    with timer.part(START_UP):
        gan = DCGAN(config, size=pairs.shape[1], seed=seed, n_cases=len(pairs))
        gan.learn_cases(pairs)
        saved = load_checkpoint(gan, folder, provenance)
    first = int(gan.step)
    if first == config.steps:
        return gan
    if first:
        print(f"GAN: going on after step {first} of {config.steps}")
    batches = gan_pairs(
        pairs,
        batch=config.batch,
        seed=derive_seed(seed, "batches"),
        first_step=first,
        augment=change,
    )
    step_function = compile_step(gan.train_step)
    with (
        open_records(
            config,
            folder,
            mask_threshold=mask_threshold,
            real_images=split_pair(pairs)[0],
            saved=saved,
        ) as recorder,
        _Training(
            gan,
            recorder,
            FidelityProbe.of(validation, config.z_dim),
            folder,
            provenance,
        ) as training,
        Progress("GAN step", config.steps) as progress,
    ):
        if not first:
            with deferred_signals(), timer.part(RECORDS):
                training.sample()
        for step, real in enumerate(timer.waits(batches), start=first + 1):
            logged = step % config.log_every == 0
            sampled = step % config.sample_every == 0 or step == config.steps
            # A step and its records are one: an interrupt comes before or after.
            with deferred_signals():
                with timer.call(STEPS):
                    scalars = step_function(real)
                    if logged or sampled:
                        # Waits for a GPU, so that its steps do not count as records.
                        scalars = {name: float(v) for name, v in scalars.items()}
                with timer.part(RECORDS):
                    if logged:
                        recorder.scalars(step, scalars, 1 / progress.seconds_per_step)
                    progress.update(step)
                    if step == first + _STEPS_TO_ANNOUNCE:
                        _announce(progress, config.steps - step)
                    if logged or sampled:
                        training.stop_at(health.fault_of_losses(scalars))
                    if sampled:
                        training.sample()
                        training.save()
            if step == config.steps:
                break
    return gan


def load_gan(
    config: GANConfig,
    *,
    size: int,
    n_cases: int,
    seed: int,
    folder: Path,
    provenance: Mapping[str, Any],
) -> DCGAN:
    """Load a GAN that has been trained to its last step on so many cases.

    Raises:
        InputError: Training has not come to its end in this folder.
    """
    gan = DCGAN(config, size=size, seed=seed, n_cases=n_cases)
    load_checkpoint(gan, folder, provenance)
    step = int(gan.step)
    if step < config.steps:
        raise InputError(
            f"{folder}: its GAN is at step {step} of {config.steps}: "
            "run tools/train_gan.py with the same options first"
        )
    return gan


def is_trained(config: GANConfig, folder: Path, provenance: Mapping[str, Any]) -> bool:
    """Whether a fully trained GAN lies in this folder, and can be read."""
    arrays = checkpoints.load_newest(folder / "checkpoints", provenance)
    return arrays is not None and int(arrays["step"]) == config.steps


def load_checkpoint(
    gan: DCGAN, folder: Path, provenance: Mapping[str, Any]
) -> dict[str, NDArray[Any]]:
    """Set all variables of a GAN from its newest checkpoint.

    Returns:
        All arrays of the checkpoint; empty if there is none.

    Raises:
        InputError: It is of other networks, or of a longer training.
    """
    arrays = checkpoints.load_newest(folder / "checkpoints", provenance)
    if arrays is None:
        return {}
    checkpoints.restore(gan.state(), arrays, folder)
    step = int(gan.step)
    if step > gan.config.steps:
        raise InputError(
            f"{folder}: its GAN is at step {step}, beyond the {gan.config.steps} "
            "configured: name another --out"
        )
    return arrays


def sample_bytes(generator: Generator, z: Any) -> tuple[ByteArray, ByteArray]:
    """Sample with the moments of this batch, as the paper's chain does.

    Args:
        generator: The generator.
        z: float32 (m, z_dim).

    Returns:
        uint8 images and uint8 grey masks, each (m, S, S).
    """
    return split_pair(np.asarray(generator(z, training=True)))


@dataclasses.dataclass(frozen=True, slots=True)
class _Training:
    """A GAN between two steps; as a context, saved where it is interrupted.

    What is not sound is neither sampled nor saved, but ends training.
    """

    gan: DCGAN
    recorder: Recorder
    probe: FidelityProbe
    folder: Path
    provenance: Mapping[str, Any]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, KeyboardInterrupt) and self.step:
            self.save()
            print(f"GAN: checkpoint of step {self.step} written")

    @property
    def step(self) -> int:
        """Steps done."""
        return int(self.gan.step)

    def stop_at(self, fault: str) -> None:
        """End training if there is a fault."""
        if not fault:
            return
        kept = checkpoints.newest_step(self.folder / "checkpoints")
        left = f"the checkpoint of step {kept} is kept" if kept else "nothing was saved"
        raise RunError(
            f"GAN: {fault} at step {self.step}: training stopped; {left}; try a lower "
            "--gan.generator-rate or --gan.discriminator-rate with another --out"
        )

    def sample(self) -> None:
        """Record what the generator makes of the probes."""
        self._sound_state()
        generator = self.gan.sampling_generator()

        def draw(z: FloatArray) -> FloatArray:
            pairs = np.asarray(generator(z, training=True))
            if not np.isfinite(pairs).all():
                self.stop_at("the generator's pixels are not finite")
            return pairs

        pairs = draw(probe_z(self.gan.config.z_dim))
        weights = {
            weight.path: np.asarray(weight)
            for weight in self.gan.generator.trainable_variables
        }
        fidelity = self.probe.figures(draw)
        self.recorder.samples(self.step, *split_pair(pairs), fidelity, weights)

    def save(self) -> None:
        """Write a checkpoint."""
        # The records first: a checkpoint of the last step says that all is done.
        arrays = {**self._sound_state(), **self.recorder.save()}
        checkpoints.save(
            self.folder / "checkpoints", self.step, arrays, self.provenance
        )

    def _sound_state(self) -> dict[str, NDArray[Any]]:
        state = {name: np.asarray(value) for name, value in self.gan.state().items()}
        self.stop_at(health.fault_of_weights(state))
        return state


def _announce(progress: Progress, steps_left: int) -> None:
    rate = progress.seconds_per_step
    print(
        f"GAN: about {duration(rate * steps_left)} for {steps_left} steps here; "
        "Ctrl-C stops, the same command goes on from the last checkpoint",
        flush=True,
    )
