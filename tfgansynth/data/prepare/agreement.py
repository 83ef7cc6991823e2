"""What the files of a folder must agree on if nobody has prepared it."""

import dataclasses
from pathlib import Path

from tfgansynth.data.importers.images import Mask, Picture
from tfgansynth.data.prepare.intensities import used_bits
from tfgansynth.data.prepare.polarity import Cover, cover, inverted, large
from tfgansynth.errors import Fault

_COMMAND = "make a data set with tfgansynth prepare-data"


@dataclasses.dataclass(slots=True)
class Agreement:
    """Gathers what images and masks have in common, file by file."""

    n_images: int = 0
    tops: dict[Path, int] = dataclasses.field(default_factory=dict)
    in_color: list[Path] = dataclasses.field(default_factory=list)
    turned: list[Path] = dataclasses.field(default_factory=list)
    levels: dict[int, Path] = dataclasses.field(default_factory=dict)
    covers: dict[Path, Cover] = dataclasses.field(default_factory=dict)

    def add_image(self, path: Path, picture: Picture) -> None:
        """Take note of an image."""
        self.n_images += 1
        if picture.top is not None:
            self.tops[path] = picture.top
        if picture.is_color:
            self.in_color.append(path)
        if picture.is_turned:
            self.turned.append(path)

    def add_mask(self, path: Path, mask: Mask) -> None:
        """Take note of a mask."""
        self.covers[path] = cover(mask.labels > 0)
        if mask.level is not None:
            self.levels.setdefault(mask.level, path)

    def faults(self) -> list[Fault]:
        """Return what would give wrong results without a word."""
        return [*self._few_bits(), *self._levels(), *self._inverted()]

    def notes(self) -> list[Fault]:
        """Return what a person should look at."""
        notes = []
        if self.in_color:
            notes.append(
                self._of_many(
                    self.in_color,
                    f"in color, and read as grey; {_COMMAND} to keep the colors",
                )
            )
        if self.turned:
            notes.append(
                self._of_many(
                    self.turned,
                    "stored turned (EXIF), and read upright; its mask must fit that",
                )
            )
        names = {path.name: path for path in self.covers}
        found, line = large({path.name: c.area for path, c in self.covers.items()})
        if found:
            notes.append(Fault(names[found[0]], line))
        return notes

    def _of_many(self, paths: list[Path], what: str) -> Fault:
        others = len(paths) - 1
        more = f" (and {others} more of {self.n_images})" if others else ""
        return Fault(paths[0], f"is {what}{more}")

    def _few_bits(self) -> list[Fault]:
        if not self.tops:
            return []
        path = max(self.tops, key=lambda each: self.tops[each])
        top = self.tops[path]
        if (bits := used_bits(top)) == 16:
            return []
        return [
            Fault(
                path,
                f"has values up to {top} in 16 bits, and no other image has larger "
                f"ones: with {bits} bits in 16, {top // 257 + 1} of 256 grey levels "
                f"are left; {_COMMAND}, which stretches them",
            )
        ]

    def _levels(self) -> list[Fault]:
        if len(self.levels) < 2:
            return []
        (value, first), (other, path), *_ = self.levels.items()
        return [
            Fault(
                path,
                f"has the values 0 and {other}, {first.name} has 0 and {value}: is "
                f"each a class? {_COMMAND} --classes NAME=VALUE ..., or with "
                "--foreground any",
            )
        ]

    def _inverted(self) -> list[Fault]:
        names = {path.name: path for path in self.covers}
        odd, why = inverted({path.name: each for path, each in self.covers.items()})
        if not odd:
            return []
        return [
            Fault(
                names[odd[0]],
                f"{why}; {_COMMAND} --polarity border turns them, --polarity keep "
                "takes all as they are",
            )
        ]
