"""The results of a benchmark: plain values, as the report and its JSON show them."""

import dataclasses
import statistics
from collections.abc import Mapping

from tfgansynth.config import Config, Precision

GAN, UNET = "GAN", "U-Net"
"""Names of the two networks."""
PART = {GAN: "gan", UNET: "unet"}
"""The part of the configuration that each network's settings are in."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class GPU:
    """One GPU that TensorFlow sees."""

    name: str
    compute_capability: str
    """For example `9.0`; empty if TensorFlow does not know it."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """The hardware and software of a machine."""

    processor: str
    cores: int
    """Cores this process may use."""
    features: Mapping[str, bool]
    """Vector and matrix instructions: found or not; empty if the system does not
    list them."""
    gpus: tuple[GPU, ...]
    memory_bytes: int
    """Main memory."""
    accelerated: Precision
    """The number format that `auto` selects here."""
    onednn: bool
    """Whether TensorFlow computes with oneDNN."""
    kernels: str
    """Which kernels compute our filter gradients, in words."""
    versions: Mapping[str, str | None]
    """Version of each package; None if it is not installed."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Timing:
    """The training steps of one implementation."""

    name: str
    precision: Precision
    seconds: tuple[float, ...] = ()
    """Time of a step in seconds, one value a round."""
    device: str = ""
    """`CPU` or `GPU`."""
    peak_bytes: int = 0
    """Highest memory use: the GPU's if it runs on one, else the process's."""
    failure: str = ""
    """Why there are no times; empty if there are some."""

    @property
    def median_seconds(self) -> float:
        """Median time of a step in seconds."""
        return statistics.median(self.seconds)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class BenchmarkPair:
    """The steps of another implementation, and ours taken in alternation with them."""

    peer: Timing
    our_seconds: tuple[float, ...] = ()

    @property
    def ratios(self) -> tuple[float, ...]:
        """The peer's time over ours, one value a round; above 1 ours is faster."""
        rounds = zip(self.peer.seconds, self.our_seconds, strict=True)
        return tuple(theirs / ours for theirs, ours in rounds)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class NetworkResult:
    """The training step of one network, in our and in other implementations."""

    network: str
    """`GAN` or `UNET`."""
    batch: int
    """Pairs a step."""
    multiply_adds: int
    """Of one step; see `flops`."""
    ours: Timing
    pairs: tuple[BenchmarkPair, ...]

    @property
    def gflops(self) -> float:
        """The rate of our step in GFLOP/s; a multiply-add counts as two."""
        return 2 * self.multiply_adds / self.ours.median_seconds / 1e9


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Benchmark:
    """All results of one run of the benchmark."""

    config: Config
    repeats: int
    machine: Machine
    peaks: Mapping[Precision, Mapping[str, float]]
    """What the machine reaches in GFLOP/s: by number format, then by computation."""
    networks: tuple[NetworkResult, ...]

    def share_of_peak(self, result: NetworkResult) -> float:
        """Return the network's rate over the machine's best in the same format."""
        return result.gflops / max(self.peaks[result.ours.precision].values())
