"""What a benchmark finds out: plain values, as the report and its JSON show them."""

import dataclasses
import statistics
from collections.abc import Mapping

from tfgansynth.config import Config, Precision

GAN, UNET = "GAN", "U-Net"
"""The networks by name."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class GPU:
    """One GPU that TensorFlow sees."""

    name: str
    compute_capability: str
    """Such as `9.0`; empty where TensorFlow does not tell."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """Hardware and software that were found."""

    processor: str
    cores: int
    """Cores this process may use."""
    features: Mapping[str, bool]
    """Vector and matrix instructions: found or not; empty where the system does
    not tell."""
    gpus: tuple[GPU, ...]
    memory_bytes: int
    """Main memory."""
    accelerated: Precision
    """The number format that `auto` takes here."""
    kernels: str
    """Whose filter gradients ours takes, in words."""
    versions: Mapping[str, str | None]
    """Version of each package; None if it is not installed."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Peak:
    """What the machine reaches in one number format, in GFLOP/s."""

    precision: Precision
    rates: Mapping[str, float]
    """By kind of computation."""

    @property
    def best(self) -> float:
        """The highest rate: what the networks are held against."""
        return max(self.rates.values())


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One contestant's training steps."""

    name: str
    precision: Precision
    seconds: tuple[float, ...] = ()
    """Time of a step in seconds, one value a round."""
    device: str = ""
    """`CPU` or `GPU`."""
    peak_bytes: int = 0
    """Highest memory use: the GPU's where it runs on one, else the process's."""
    failure: str = ""
    """Why there are no times; empty if there are."""

    @property
    def median_seconds(self) -> float:
        """Median time of a step in seconds."""
        return statistics.median(self.seconds)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Duel:
    """A peer's steps, and ours taken in turn with them."""

    peer: Entry
    our_seconds: tuple[float, ...] = ()

    @property
    def ratios(self) -> tuple[float, ...]:
        """The peer's time over ours, one value a round: above 1, ours is faster."""
        rounds = zip(self.peer.seconds, self.our_seconds, strict=True)
        return tuple(theirs / ours for theirs, ours in rounds)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class NetworkResult:
    """A network's own training step and its peers'."""

    network: str
    """`GAN` or `UNET`."""
    batch: int
    """Pairs a step."""
    multiply_adds: int
    """Of one step; see `flops`."""
    ours: Entry
    duels: tuple[Duel, ...]

    @property
    def gflops(self) -> float:
        """Rate of our step in GFLOP/s; a multiply-add is two."""
        return 2 * self.multiply_adds / self.ours.median_seconds / 1e9


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Benchmark:
    """Everything one run of the benchmark found out."""

    config: Config
    repeats: int
    machine: Machine
    peaks: Mapping[Precision, Peak]
    networks: tuple[NetworkResult, ...]

    def share_of_peak(self, result: NetworkResult) -> float:
        """The network's rate over the machine's in the same number format."""
        return result.gflops / self.peaks[result.ours.precision].best
