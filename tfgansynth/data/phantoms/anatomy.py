"""The patient of a phantom: lungs, heart, spine and posture, sampled in millimeters.

Coordinates: x points to the image's right, which is the patient's left. y points
down. The origin is the center of an average film. Paired structures use u, the
distance from the midline towards either side: x = side * u with `LEFT` or `RIGHT`.

The numbers are anatomy, in mm where no unit is given: plausible for adults, chosen
by eye, taken from no data set.
"""

import dataclasses

import numpy as np
from numpy.typing import ArrayLike, NDArray

Points = NDArray[np.float64]

FILM_MM = 350.0
"""Edge of the square film, as in the JSRT database (14 x 14 inches)."""
USUAL_CHEST_MM2 = 139.0 * 244.0
"""Half width times height of the average chest that the film frames."""

LEFT, RIGHT = 1, -1
SIDES = (LEFT, RIGHT)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Lung:
    """The shape of one lung in mm, between three smooth edges.

    Attributes:
        side: `LEFT` or `RIGHT`.
        apex_x: u of the apex.
        apex_y: y of the apex.
        height: From the apex to the costophrenic angle in mid inspiration.
        half_width: From the midline to the costal margin where it is widest.
        roundness: Exponent of the costal margin, a quarter of a superellipse. The
            higher it is, the more rectangular is the lung.
        widest: Share of the height at which the lung is widest.
        inlet: u of the mediastinal edge below the apex.
        lean: How far the mediastinum is shifted to the patient's left.
        flare: Distance by which the mediastinal edge moves outwards from top to bottom.
        bumps: Structures that bulge into the lung there (aortic knob, heart): center
            and width as shares of the height, bulge in mm.
        dome_x: u of the top of the diaphragm's dome.
        dome_y: y of the top of the dome.
        lateral_drop: Height of the dome above the costophrenic angle.
        medial_drop: Height of the dome above the diaphragm at the midline.
    """

    side: int
    apex_x: float
    apex_y: float
    height: float
    half_width: float
    roundness: float
    widest: float
    inlet: float
    lean: float
    flare: float
    bumps: tuple[tuple[float, float, float], ...]
    dome_x: float
    dome_y: float
    lateral_drop: float
    medial_drop: float

    def costal(self, y: ArrayLike) -> NDArray[np.floating]:
        """Return u of the costal margin at heights y."""
        s = (np.asarray(y) - self.apex_y) / (self.height * self.widest)
        rise = 1 - (1 - np.clip(s, 0, 1)) ** self.roundness
        taper = 0.035 * np.clip(s - 1, 0, 1) ** 2
        reach = self.half_width - self.apex_x
        return np.asarray(self.apex_x + reach * np.sqrt(rise) - self.half_width * taper)

    def medial(self, y: ArrayLike) -> NDArray[np.floating]:
        """Return u of the mediastinal edge at heights y."""
        s = (np.asarray(y) - self.apex_y) / self.height
        edge = self.inlet + self.side * self.lean + self.flare * s
        for center, width, bulge in self.bumps:
            edge = edge + bulge * _bump(s, center, width)
        turn = np.sqrt(1 - (1 - np.clip(s / 0.13, 0, 1)) ** 2)
        return np.asarray(self.apex_x + (edge - self.apex_x) * turn)

    def dome(self, u: ArrayLike) -> NDArray[np.floating]:
        """Return y of the diaphragm at distances u from the midline."""
        off = np.asarray(u) - self.dome_x
        lateral = np.clip(off / (self.half_width - self.dome_x), 0, 1.2)
        medial = np.clip(-off / self.dome_x, 0, 1.2)
        drop = self.lateral_drop * lateral**2.5 + self.medial_drop * medial**2
        return np.asarray(self.dome_y + drop)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """One patient on one film, lengths in mm.

    Attributes:
        left: The left lung.
        right: The right lung.
        fat: Tissue between ribs and skin, mm.
        curve: Sideways sway of the spine (scoliosis), mm.
        sway: Height at which the sway turns, radians.
        arch_y: y of the aortic arch; the carina is just below.
        placement: 2 x 3 matrix from mm to fractions of the film's edge.
    """

    left: Lung
    right: Lung
    fat: float
    curve: float
    sway: float
    arch_y: float
    placement: Points

    @property
    def lungs(self) -> tuple[Lung, Lung]:
        """Left lung, right lung."""
        return self.left, self.right

    def spine_x(self, y: ArrayLike) -> NDArray[np.floating]:
        """Return x of the spine's midline at heights y."""
        return np.asarray(self.curve * np.sin(np.asarray(y) / 90 + self.sway))


def _bump(s: NDArray[np.floating], center: float, width: float) -> Points:
    """Return a smooth bump of height 1 over s."""
    return np.asarray(np.exp(-(((s - center) / width) ** 2)))


def sample_patient(rng: np.random.Generator) -> Patient:
    """Draw one patient: build, heart size, diaphragm, posture, placement."""
    height = float(np.clip(rng.normal(244, 22), 192, 285))
    half_width = float(np.clip(rng.normal(139, 10), 116, 156))
    inspiration = rng.normal(0, 7)
    apex_y = -height / 2 - rng.normal(4, 5)
    lean = rng.normal(0, 4.5)
    heart = half_width * float(np.clip(rng.normal(0.94, 0.11), 0.72, 1.3))
    knob, trunk = rng.uniform(1, 10), rng.uniform(0, 9)
    left_bumps = (
        (rng.normal(0.3, 0.015), 0.075, knob),
        (rng.normal(0.45, 0.02), 0.08, trunk),
        (rng.normal(0.82, 0.04), rng.uniform(0.2, 0.27), heart * 0.62 - 29),
    )
    right_bumps = (
        (rng.normal(0.2, 0.03), 0.1, rng.uniform(0, 5)),
        (rng.normal(0.76, 0.03), rng.uniform(0.15, 0.2), heart * 0.34 - 27),
    )
    lungs = {}
    for side, bumps in ((LEFT, left_bumps), (RIGHT, right_bumps)):
        lift = rng.normal(8, 5) if side == RIGHT else rng.normal(2, 4)
        lateral_drop = float(np.clip(rng.normal(40, 8), 24, 60))
        base_y = apex_y + height + inspiration
        lungs[side] = Lung(
            side=side,
            apex_x=half_width * float(np.clip(rng.normal(0.39, 0.03), 0.32, 0.47)),
            apex_y=apex_y + rng.normal(0, 3),
            height=height,
            half_width=half_width + rng.normal(0, 3),
            roundness=rng.uniform(1.7, 2.5),
            widest=rng.uniform(0.82, 1.05),
            inlet=rng.uniform(20, 26),
            lean=lean,
            flare=rng.uniform(3, 9),
            bumps=bumps,
            dome_x=half_width * rng.uniform(0.42, 0.58),
            dome_y=base_y - lateral_drop - lift,
            lateral_drop=lateral_drop,
            medial_drop=rng.uniform(4, 16),
        )
    return Patient(
        left=lungs[LEFT],
        right=lungs[RIGHT],
        fat=float(np.clip(rng.gamma(4, 5), 9, 45)),
        curve=rng.normal(0, 3),
        sway=rng.uniform(0, 2 * np.pi),
        arch_y=apex_y + 0.3 * height,
        placement=_sample_placement(rng, half_width * height),
    )


def _sample_placement(rng: np.random.Generator, chest_mm2: float) -> Points:
    """Draw the position of the patient before the film: shift, rotation, scale.

    Small patients are imaged closer, so that the size on film varies less.
    """
    angle = np.deg2rad(np.clip(rng.normal(0, 2.2), -6, 6))
    framing = (USUAL_CHEST_MM2 / chest_mm2) ** 0.25
    scale = framing * float(np.clip(rng.normal(0.97, 0.045), 0.87, 1.03)) / FILM_MM
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shift = np.clip(rng.normal(0, (8, 9)), (-12, -16), (12, 16)) / FILM_MM + 0.5
    return np.hstack([turn * scale, shift[:, None]])
