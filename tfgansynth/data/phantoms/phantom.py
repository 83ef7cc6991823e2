"""Procedural chest radiographs with lung masks, for when no data set is at hand.

A phantom is made as a radiograph is. Anatomy is sampled in millimeters, its
attenuation is summed along the beam (soft tissue and bone, less the air of the
lungs), scatter veils the transmitted beam, and a film curve turns exposure into
grey levels. The lung mask is the region whose air was taken out, so that mask
and visible lung edge are one and the same shape.

Coordinates: x points to the image's right, which is the patient's left, y down,
provenance at the center of an average film. Paired structures use u, the distance
from the midline towards either side: x = side * u with `LEFT` or `RIGHT`.

The numbers below are anatomy, in mm where no unit is given: plausible for
adults, chosen by eye, taken from no data set.
"""

import ctypes
import dataclasses
import functools
import os
import signal
import sys
import threading
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Literal

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import Akima1DInterpolator

from tfgansynth.arrays import ByteArray, FloatArray, MaskArray
from tfgansynth.data.dataset import RawCase

Lungs = Literal["both", "left", "right"]
Points = NDArray[np.float64]

FILM_MM = 350.0
"""Edge of the square film, as in the JSRT database (14 x 14 inches)."""
USUAL_CHEST_MM2 = 139.0 * 244.0
"""Half width times height of the average chest that the film frames."""
CORNER_MM = 3.0
"""How far the lungs' corners, as the costophrenic angle, are rounded off."""

SOFT_PER_MM = 0.020
"""Attenuation of soft tissue, 1/mm; the bones below are given for their depth."""
AIR_DEPTH_MM = 105.0
"""Soft tissue that the deepest part of a lung displaces."""
RIB, VERTEBRA, PROCESS, CLAVICLE, SHOULDER = 0.62, 0.62, 0.26, 0.70, 0.60

_PR_SET_PDEATHSIG = 1
"""Of Linux: the signal that a process gets when its parent ends."""
_WORTH_A_PROCESS = 50
"""Phantoms whose drawing takes longer than starting another process."""

LEFT, RIGHT = 1, -1
SIDES = (LEFT, RIGHT)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Lung:
    """Shape of one lung, mm, between three smooth edges.

    Attributes:
        side: `LEFT` or `RIGHT`.
        apex_x: u of the apex.
        apex_y: y of the apex.
        height: From the apex to the costophrenic angle in mid inspiration.
        half_width: From the midline to the costal margin where it is widest.
        roundness: Exponent of the costal margin, a quarter of a superellipse;
            higher is boxier.
        widest: Share of the height at which the lung is widest.
        inlet: u of the mediastinal edge below the apex.
        lean: How far the mediastinum is shifted to the patient's left.
        flare: How much farther out the mediastinal edge ends than it begins.
        bumps: What bulges into the lung there (aortic knob, heart): center and
            width as shares of the height, bulge in mm.
        dome_x: u of the top of the diaphragm's dome.
        dome_y: y of the same.
        lateral_drop: From the dome's top down to the costophrenic angle.
        medial_drop: From the dome's top down to the midline.
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
class _Patient:
    """One patient on one film, lengths in mm.

    Attributes:
        left: The left lung.
        right: The right lung.
        fat: Tissue between ribs and skin, mm.
        curve: Sideways sway of the spine (scoliosis), mm.
        sway: Height at which the sway turns, radians.
        arch_y: Height of the aortic arch; the carina lies just below.
        placement: 2 x 3 matrix from mm to fractions of the film's edge.
    """

    left: _Lung
    right: _Lung
    fat: float
    curve: float
    sway: float
    arch_y: float
    placement: Points

    @property
    def lungs(self) -> tuple[_Lung, _Lung]:
        """Left lung, right lung."""
        return self.left, self.right

    def spine_x(self, y: ArrayLike) -> NDArray[np.floating]:
        """Return x of the spine's midline at heights y."""
        return np.asarray(self.curve * np.sin(np.asarray(y) / 90 + self.sway))


class _Film:
    """Maps mm to pixels and draws anti-aliased shapes at one film size."""

    def __init__(self, patient: _Patient, size: int) -> None:
        self.size = size
        self.matrix = patient.placement * size
        self.px_per_mm = float(np.sqrt(np.linalg.det(self.matrix[:, :2])))
        pixels = np.indices((size, size), np.float32)[::-1].reshape(2, -1) + 0.5
        inverse = np.linalg.inv(self.matrix[:, :2])
        x, y = inverse @ (pixels - self.matrix[:, 2:])
        self.x: FloatArray = x.reshape(size, size).astype(np.float32)
        self.y: FloatArray = y.reshape(size, size).astype(np.float32)

    def blank(self) -> ByteArray:
        """Return an empty plane, uint8 (size, size)."""
        return np.zeros((self.size, self.size), np.uint8)

    def pixels(self, points: Points) -> NDArray[np.int32]:
        """Map (n, 2) points in mm to pixels, in sixteenths, as OpenCV draws them."""
        placed = points @ self.matrix[:, :2].T + self.matrix[:, 2] - 0.5
        return np.asarray(np.rint(placed * 16), np.int32)

    def fill(self, plane: ByteArray, outline: Points, level: float) -> None:
        """Fill a closed outline (n, 2), mm, with a level in [0, 1]."""
        shade = round(255 * level)
        cv2.fillPoly(plane, [self.pixels(outline)], shade, cv2.LINE_AA, 4)

    def lines(
        self, plane: ByteArray, paths: Points, mm: ArrayLike, level: ArrayLike
    ) -> None:
        """Draw open paths (n, k, 2), mm, of widths in mm, at levels in [0, 1].

        A line thinner than a pixel is drawn one pixel wide and fainter.
        """
        px = np.broadcast_to(mm, len(paths)) * self.px_per_mm
        shades = np.rint(255 * np.asarray(level) * np.minimum(px, 1)).tolist()
        widths = np.maximum(np.rint(px), 1).astype(int).tolist()
        for path, width, shade in zip(self.pixels(paths), widths, shades, strict=True):
            cv2.polylines(plane, [path], False, shade, width, cv2.LINE_AA, 4)

    def coverage(self, plane: ByteArray, sigma_mm: float) -> FloatArray:
        """Return a drawn plane as blurred shares in [0, 1]."""
        return self.blur(plane, sigma_mm) / np.float32(255)

    def blur(self, plane: NDArray[np.generic], sigma_mm: float) -> FloatArray:
        """Blur a plane by a Gaussian of the given width."""
        sigma = sigma_mm * self.px_per_mm
        soft = cv2.GaussianBlur(plane.astype(np.float32), (0, 0), sigma)
        return np.asarray(soft, np.float32)


def _bump(s: NDArray[np.floating], center: float, width: float) -> Points:
    """Return a smooth bump of height 1 over s."""
    return np.asarray(np.exp(-(((s - center) / width) ** 2)))


def _smooth(u: ArrayLike, y: ArrayLike, side: int = LEFT, count: int = 60) -> Points:
    """Return `count` points (x, y) on a smooth curve through knots (u, y)."""
    knots = np.stack([side * np.asarray(u, np.float64), np.asarray(y)], 1)
    length = np.cumsum([0, *np.hypot(*np.diff(knots, axis=0).T)])
    curve = Akima1DInterpolator(length, knots)
    return np.asarray(curve(np.linspace(0, length[-1], count)))


def _strip(path: Points, half_width: ArrayLike) -> Points:
    """Return the outline of a band along a path (n, 2); half widths in mm."""
    along = np.gradient(path, axis=0)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    across /= np.linalg.norm(across, axis=1, keepdims=True) + 1e-9
    offset = across * np.broadcast_to(half_width, len(path))[:, None]
    return np.concatenate([path + offset, (path - offset)[::-1]])


def _oval(x: float, y: float, half_width: float, half_height: float) -> Points:
    """Return the outline (40, 2) of an upright ellipse."""
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    return np.stack(
        [x + half_width * np.cos(angle), y + half_height * np.sin(angle)], 1
    )


def _sample_patient(rng: np.random.Generator) -> _Patient:
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
        lungs[side] = _Lung(
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
    return _Patient(
        left=lungs[LEFT],
        right=lungs[RIGHT],
        fat=float(np.clip(rng.gamma(4, 5), 9, 45)),
        curve=rng.normal(0, 3),
        sway=rng.uniform(0, 2 * np.pi),
        arch_y=apex_y + 0.3 * height,
        placement=_sample_placement(rng, half_width * height),
    )


def _sample_placement(rng: np.random.Generator, chest_mm2: float) -> Points:
    """Draw how the patient stands before the film: shift, rotation, scale.

    Small patients are imaged closer, so that size on film varies less than size.
    """
    angle = np.deg2rad(np.clip(rng.normal(0, 2.2), -6, 6))
    framing = (USUAL_CHEST_MM2 / chest_mm2) ** 0.25
    scale = framing * float(np.clip(rng.normal(0.97, 0.045), 0.87, 1.03)) / FILM_MM
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shift = np.clip(rng.normal(0, (8, 9)), (-12, -16), (12, 16)) / FILM_MM + 0.5
    return np.hstack([turn * scale, shift[:, None]])


def _lung_field(film: _Film, lung: _Lung) -> tuple[MaskArray, FloatArray]:
    """Return a lung's mask and its depth of air as a share of the deepest."""
    u = film.x * lung.side
    knots = np.linspace(-FILM_MM, FILM_MM, 1401)
    costal = _lookup(film.y, knots, lung.costal(knots)) - u
    medial = u - _lookup(film.y, knots, lung.medial(knots))
    base = _lookup(u, knots, lung.dome(knots)) - film.y
    inside = _soft_minimum(_soft_minimum(costal, medial), base)
    inside = np.minimum(inside, film.y - lung.apex_y)
    depth = _onset(costal, 0.5, 20) * _onset(medial, 0.6, 16) * _onset(base, 0.7, 14)
    # Behind the dome lung reaches further down, seen faintly through the liver.
    sulcus = 0.3 * np.exp(np.minimum(base, 0) / 14) * (base < 0.5)
    sulcus *= _onset(costal, 0, 25) * _onset(medial, 0, 20)
    covered = np.clip(inside * film.px_per_mm + 0.5, 0, 1)
    return inside > 0, covered * depth + (1 - covered) * sulcus


def _lookup(at: FloatArray, knots: Points, values: NDArray[np.floating]) -> FloatArray:
    """Interpolate values given at knots for every pixel of a plane."""
    found = np.interp(at.ravel(), knots, values).reshape(at.shape)
    return np.asarray(found, np.float32)


def _soft_minimum(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return the smaller of two distances, mm, rounded off where they are alike."""
    near = np.exp(-np.abs(a - b) / CORNER_MM)
    return np.asarray(np.minimum(a, b) - CORNER_MM * np.log1p(near), np.float32)


def _onset(mm: FloatArray, edge: float, length: float) -> FloatArray:
    """Rise from `edge` at 0 mm towards 1 over a length in mm."""
    rise = 1 - (1 - edge) * np.exp(-np.maximum(mm, 0) / length)
    return np.asarray(rise, np.float32)


def _body(film: _Film, patient: _Patient, rng: np.random.Generator) -> FloatArray:
    """Return the thickness of soft tissue along the beam, mm."""
    neck = rng.uniform(50, 64) + 0.3 * patient.fat
    slope, arm = rng.uniform(34, 54), rng.uniform(0, 26)
    flanks = []
    for lung in patient.lungs:
        wall, axilla = lung.half_width + patient.fat, rng.uniform(78, 104)
        # Down the neck, over the shoulder, round the arm, up into the axilla,
        # down the flank.
        u = np.array([neck, neck + 2, neck + 34, 150, 205, 250 + arm, 290 + 2 * arm])
        y = np.array([-150, -60, -slope, -20, 12, 120, 260])
        v = wall + np.array([61 + 2 * arm, 36 + arm, 13, 4, 2, 0, 6])
        z = axilla + np.array([150, 62, 0, 50, 120, 190, 330])
        flank = np.concatenate([u, v]), lung.apex_y + np.concatenate([y, z])
        flanks.append(_smooth(*flank, lung.side, count=160))
    outline = np.concatenate([flanks[0], flanks[1][::-1]])
    skin = film.blank()
    film.fill(skin, outline, 1.0)
    depth = rng.uniform(185, 215) + 1.2 * patient.fat
    return (0.28 + 0.72 * _rounding(film, outline)) * depth * film.coverage(skin, 0.4)


def _rounding(film: _Film, outline: Points) -> FloatArray:
    """Return how far the body has reached its full depth, in [0, 1].

    Drawn at half size with margins: the film's edge must not thin the body.
    """
    margin = film.size // 4
    plane = np.zeros(((film.size + 1) // 2 + 2 * margin,) * 2, np.uint8)
    cv2.fillPoly(plane, [film.pixels(outline) // 2 + 16 * margin], 255, cv2.LINE_8, 4)
    inward = cv2.distanceTransform(plane, cv2.DIST_L2, 5) * 2 / film.px_per_mm
    depth = film.blur(np.sqrt(1 - np.clip(1 - inward / 62, 0, 1) ** 4), 2.5)
    inner = depth[margin : len(depth) - margin, margin : len(depth) - margin]
    side = 2 * len(inner)
    return np.asarray(cv2.resize(inner, (side, side))[: film.size, : film.size])


def _chest_wall(film: _Film, patient: _Patient, rng: np.random.Generator) -> FloatArray:
    """Return pectoral muscles and, in some patients, breasts, mm."""
    extra = np.zeros_like(film.x)
    breasts = rng.random() < 0.45
    drop, bulk = rng.uniform(-4, 34), rng.uniform(14, 34) + 0.4 * patient.fat
    for lung in patient.lungs:
        u, y = film.x * lung.side, film.y - lung.apex_y
        pectoral = np.exp(-(((u - 105) / 45) ** 2) - ((y - 62) / 40) ** 2)
        extra += rng.uniform(6, 22) * pectoral
        below = y - 0.66 * lung.height - drop - rng.normal(0, 3)
        # Full and sharply outlined below, running out softly above.
        across = (u - 0.66 * lung.half_width) / (62 + 0.4 * patient.fat)
        down = np.where(below > 0, below, 0.55 * below) / (54 + 0.4 * patient.fat)
        dome = np.sqrt(np.clip(1 - across**2 - down**2, 0, 1))
        extra += breasts * bulk * dome
    return extra


def _mediastinum(
    film: _Film, patient: _Patient, rng: np.random.Generator
) -> FloatArray:
    """Return heart, great vessels and descending aorta, mm."""
    left, right = patient.lungs
    y = np.linspace(left.apex_y + 20, left.dome_y + 25, 50)
    borders = [np.stack([lung.side * lung.medial(y), y], 1) for lung in (left, right)]
    between, aorta = film.blank(), film.blank()
    film.fill(between, np.concatenate([borders[0], borders[1][::-1]]), 1.0)
    beside_spine = np.stack([patient.spine_x(y) + 17, y], 1)[8:]
    film.fill(aorta, _strip(beside_spine, 11), 1.0)
    heart_y = left.apex_y + 0.76 * left.height
    heart = rng.uniform(4, 20) * np.exp(-(((film.y - heart_y) / 60) ** 2))
    heart_and_vessels = film.coverage(between, 7) * (12 + heart)
    return np.asarray(heart_and_vessels + 7 * film.coverage(aorta, 1.5), np.float32)


def _airways(film: _Film, patient: _Patient, rng: np.random.Generator) -> FloatArray:
    """Return the air of trachea and main bronchi, mm."""
    carina = patient.arch_y + rng.uniform(14, 24)
    x = float(patient.spine_x(carina)) + rng.normal(0, 2)
    # The aortic arch pushes the trachea to the patient's right.
    trachea = _smooth((x, x, x - 4, x - 1), carina + np.array([-175, -70, -22, 0]))
    plane = film.blank()
    film.fill(plane, _strip(trachea, rng.uniform(6.5, 9)), 1.0)
    for reach, fall in ((36, 30), (-26, 34)):
        fork = carina + np.array([-5, 0.55 * fall, fall])
        bronchus = _smooth((x, x + reach / 2, x + reach), fork)
        film.fill(plane, _strip(bronchus, np.linspace(6.5, 4.5, 60)), 0.4)
    return film.coverage(plane, 1.6) * np.float32(rng.uniform(24, 36))


def _abdomen(film: _Film, patient: _Patient, rng: np.random.Generator) -> FloatArray:
    """Return liver and other organs less the gas of stomach and bowel, mm."""
    left, right = patient.lungs
    u = np.abs(film.x)
    under = film.y - np.where(film.x > 0, left.dome(u), right.dome(u))
    gas = film.blank()
    if rng.random() < 0.6:
        wide, high = rng.uniform(14, 30), rng.uniform(7, 17)
        stomach = left.dome_y + high + rng.uniform(9, 15)
        bubble = _oval(left.dome_x + rng.normal(0, 8), stomach, wide, high)
        film.fill(gas, bubble, 1.0)
    for _ in range(rng.integers(0, 6)):
        x, y = rng.uniform(30, 115), left.dome_y + rng.uniform(45, 110)
        film.fill(gas, _oval(x, y, *rng.uniform(5, 15, 2)), rng.uniform(0.3, 0.7))
    organs = np.where(film.x < 25, 24, 14) * np.clip(under / 60, 0, 1)
    air = film.coverage(gas, 3.0) * np.clip(under - 5, 0, 1)
    return np.asarray(organs - rng.uniform(30, 55) * air, np.float32)


def _ribs(film: _Film, patient: _Patient, rng: np.random.Generator) -> FloatArray:
    """Return attenuation of ten pairs of ribs.

    A rib is a tilted ring: from the spine out and down to the chest wall, and
    on, lower still, towards the sternum, short of which it turns to cartilage.
    """
    back, front = film.blank(), film.blank()
    pitch = patient.left.height * rng.uniform(0.088, 0.1)
    steepness, density = rng.uniform(0.75, 1.2), rng.uniform(0.8, 1.2)
    for lung in patient.lungs:
        for k in range(10):
            top = lung.apex_y + pitch * (1.015 * k - 0.1) + rng.normal(0, 0.9)
            drop = steepness * (42 + 11 * min(k, 8)) + rng.normal(0, 2)
            wall = float(lung.costal(top + drop / 2)) + 2.5
            angle = np.linspace(0.06, rng.uniform(0.74, 0.8) * np.pi, 70)
            behind = angle < np.pi / 2
            u = wall * np.sin(angle) ** 0.85
            y = top + drop * ((1 - np.cos(angle)) / 2) ** 0.75
            y -= min(k, 5) * np.sin(2 * angle) ** 2 * behind
            x = lung.side * u + patient.spine_x(y) * np.cos(angle)
            path = np.stack([x, y], 1)
            half = 5.0 - 1.3 * np.sin(angle) ** 4 + 1.2 * ~behind
            half *= np.sqrt(np.clip((angle[-1] - angle) / 0.12, 0, 1))
            level = float(np.clip(rng.normal(0.8, 0.06), 0.6, 1))
            level *= 0.6 if k in (0, 8, 9) else 1
            turn = int(behind.sum())
            _bone(film, back, path[: turn + 1], half[: turn + 1], level)
            if k < 7:
                _bone(film, front, path[turn - 1 :], half[turn - 1 :], 0.7 * level)
    both = film.coverage(back, 0.8) + film.coverage(front, 0.8)
    return both * np.float32(RIB * density)


def _bone(
    film: _Film, plane: ByteArray, path: Points, half_width: ArrayLike, level: float
) -> None:
    """Draw a long bone: dense cortex at its edges, marrow along its middle."""
    film.fill(plane, _strip(path, half_width), level)
    film.fill(plane, _strip(path, np.multiply(half_width, 0.62)), 0.62 * level)


def _spine(film: _Film, patient: _Patient, rng: np.random.Generator) -> FloatArray:
    """Return attenuation of vertebral bodies, discs, pedicles and processes."""
    column, marks = film.blank(), film.blank()
    y = np.arange(-250, 260, 4.0)
    line = np.stack([patient.spine_x(y), y], 1)
    film.fill(column, _strip(line, 15 + y / 115), 0.55)
    pitch = rng.uniform(20, 24)
    for middle in np.arange(-250 + rng.uniform(0, pitch), 250, pitch):
        x, half = float(patient.spine_x(middle)), 16 + middle / 115
        body = np.stack([np.full(5, x), middle + 0.19 * pitch * np.arange(-2, 3)], 1)
        waist = np.array([0, 1.2, 1.8, 1.2, 0])
        film.fill(column, _strip(body, half - waist), 0.88)
        film.fill(column, _strip(0.8 * body + 0.2 * body[2], half - 2 - waist), 0.78)
        for side in SIDES:
            pedicle = _oval(x + side * 0.62 * half, middle - 0.08 * pitch, 2.6, 4)
            wing = [[x + side * half, middle - 2], [x + side * (half + 15), middle - 5]]
            film.fill(marks, pedicle, 0.9)
            film.lines(marks, np.array([wing]), 6, 0.35)
        film.fill(marks, _oval(x, middle + 0.27 * pitch, 2.4, 6), 0.8)
    bodies = VERTEBRA * film.coverage(column, 1.0)
    return np.asarray(bodies + PROCESS * film.coverage(marks, 1.2), np.float32)


def _shoulders(film: _Film, patient: _Patient, rng: np.random.Generator) -> FloatArray:
    """Return attenuation of clavicles, scapulae and upper arms."""
    collar, blade = film.blank(), film.blank()
    rise, spread, sternum = rng.normal(0, 7), rng.uniform(0, 26), rng.uniform(30, 46)
    along = np.linspace(0, 1, 60)
    for lung in patient.lungs:
        side, top, wall = lung.side, lung.apex_y, lung.half_width
        tilt = rise + rng.normal(0, 3)
        bow = top + np.array([sternum, sternum - 15, 10 - tilt, 4 - 1.4 * tilt])
        clavicle = _smooth((13, 48, 95, 150), bow, side)
        thick = 5.2 + 3 * (1 - 1.55 * along) ** 4
        _bone(
            film, collar, clavicle, thick * np.sqrt(np.minimum(12 - 12 * along, 1)), 1
        )
        edge = wall - 24 + spread
        u = np.array([edge - 6, edge + 2, edge + 14, edge + 24, edge + 38, wall + 38])
        scapula = _smooth(u, top + np.array([26, 80, 138, 132, 80, 46]), side)
        film.fill(blade, scapula, 0.22)
        film.lines(blade, scapula[None], 2.6, 0.5)
        ridge = top + np.array([38, 18, 6])
        spine = _smooth((edge, edge + 30, 164), ridge, side)
        _bone(film, blade, spine, 2 + 4 * along, 0.6)
        film.fill(blade, _oval(side * (wall + 50), top + 38, 22, 23), 0.5)
        outward = wall + np.array([56, 80, 110])
        humerus = _smooth(outward, top + np.array([44, 110, 220]), side)
        _bone(film, blade, humerus, 17 - 6 * along, 0.8)
    clavicles = CLAVICLE * film.coverage(collar, 0.8)
    return np.asarray(clavicles + SHOULDER * film.coverage(blade, 1.0), np.float32)


def _vessels(film: _Film, patient: _Patient, rng: np.random.Generator) -> FloatArray:
    """Return hila and the vessels that branch from them, mm, lung or no lung."""
    hila = np.zeros_like(film.x)
    planes = film.blank(), film.blank()
    for lung in patient.lungs:
        # The left hilum stands a little higher than the right.
        y = patient.arch_y + (26 if lung.side == LEFT else 36) + rng.normal(0, 3)
        u = float(lung.medial(y)) + 5
        for _ in range(5):
            across = film.x * lung.side - u - rng.normal(4, 5)
            down = film.y - y - rng.normal(6, 13)
            width = rng.uniform(6, 11)
            node = np.exp(-(across**2 + down**2) / (2 * width**2))
            hila += rng.uniform(10, 20) * node
        for plane in planes:
            _branches(film, plane, np.array([lung.side * u, y]), lung.side, rng)
    trees = film.coverage(planes[0], 0.5) + film.coverage(planes[1], 0.5)
    return np.asarray(hila + 17 * trees, np.float32)


def _branches(
    film: _Film,
    plane: ByteArray,
    root: Points,
    side: int,
    rng: np.random.Generator,
) -> None:
    """Draw vessels that fork and taper from a root (x, y) to the periphery."""
    angles = np.linspace(-1.3, 1.4, 6) + rng.normal(0, 0.2, 6)
    calibers = rng.uniform(2.6, 5.0, len(angles))
    tips = root + rng.normal(0, (3, 8), (len(angles), 2))
    for level in range(6):
        step = (12.5 - 1.2 * level) * rng.uniform(0.7, 1.2, (len(tips), 1))
        ahead = angles + rng.normal(0, 0.3, len(angles))
        middle = tips + step * np.stack([side * np.cos(angles), np.sin(angles)], 1)
        ends = middle + step * np.stack([side * np.cos(ahead), np.sin(ahead)], 1)
        paths = np.stack([tips, middle, ends], 1)
        film.lines(plane, paths, calibers, np.minimum(0.15 + calibers / 6, 1))
        forks = np.tile([-1.0, 1.0], len(ends)) * rng.uniform(0.1, 0.55, 2 * len(ends))
        tips, angles = np.repeat(ends, 2, 0), np.repeat(ahead, 2) + forks
        calibers = np.repeat(calibers, 2) * rng.uniform(0.55, 0.9, len(tips))


def _texture(film: _Film, grain: np.random.Generator) -> FloatArray:
    """Return the cloudiness of lung tissue, mm, at a few scales."""
    total = np.zeros_like(film.x)
    for sigma_mm, depth in ((1.6, 1.0), (4.0, 0.8), (14.0, 1.0)):
        cloud = film.blur(grain.standard_normal(film.x.shape, np.float32), sigma_mm)
        total += depth * cloud / cloud.std()
    return total


def _expose(
    film: _Film,
    attenuation: FloatArray,
    lung: MaskArray,
    rng: np.random.Generator,
    grain: np.random.Generator,
) -> FloatArray:
    """Return the radiograph, whole grey levels in [0, 255], bones bright."""
    beam = np.exp(-attenuation)
    scatter = rng.uniform(0.12, 0.3)
    beam = (1 - scatter) * beam + scatter * film.blur(beam, rng.uniform(18, 28))
    noise = film.blur(grain.standard_normal(beam.shape, np.float32), 0.45)
    noise *= rng.uniform(0.012, 0.03) / noise.std()
    # Quantum noise: the fewer photons arrive, the more they scatter in number.
    density = noise * np.sqrt(np.median(beam[lung]) / beam) - np.log(beam)
    # Digital processing evens out the coarse differences in brightness.
    density -= rng.uniform(0.1, 0.5) * film.blur(density, 30)
    # Automatic exposure: lung and mediastinum land on chosen grey levels of the
    # film curve, a sigmoid.
    anchors = np.median(density[lung]), np.quantile(density, 0.93)
    grey = np.array([rng.uniform(0.22, 0.42), rng.uniform(0.84, 0.93)])
    low, high = np.log(grey / (1 - grey))
    contrast = (high - low) / (anchors[1] - anchors[0])
    film_curve = 1 / (1 + np.exp(-low - contrast * (density - anchors[0])))
    return np.asarray(np.rint(255 * film_curve), np.float32)


def phantom_case_ids(count: int) -> list[str]:
    """Return the ids of the first `count` phantoms: `phantom-001` and on."""
    return [f"phantom-{number:03d}" for number in range(1, count + 1)]


def make_phantom(index: int, seed: int, lungs: Lungs, size: int = 256) -> RawCase:
    """Draw one phantom, which depends on nothing but seed and index.

    Args:
        index: From 0; case `phantom-001` is index 0.
        seed: Of the whole set.
        lungs: Which lungs the mask marks, as the patient has them: the left lung
            is on the right of the image. The image is the same for all three.
        size: Edge of image and mask, pixels.

    Returns:
        The case; image float32 (size, size), whole grey levels in [0, 255], bones
        bright; mask bool (size, size).
    """
    # Film grain has its own stream: the anatomy must not depend on the size.
    rng, grain = np.random.default_rng([seed, index]).spawn(2)
    patient = _sample_patient(rng)
    film = _Film(patient, size)
    left, left_air = _lung_field(film, patient.left)
    right, right_air = _lung_field(film, patient.right)
    masks = {"left": left, "right": right, "both": left | right}
    air = np.maximum(left_air, right_air)
    # Lung in front of and behind the heart shows faintly through it.
    air = np.maximum(air, 0.55 * film.blur(masks["both"], 16) * ~masks["both"])
    soft_mm = (
        _body(film, patient, rng)
        + _chest_wall(film, patient, rng)
        + _mediastinum(film, patient, rng)
        - _airways(film, patient, rng)
        + _abdomen(film, patient, rng)
        + air * (_vessels(film, patient, rng) + _texture(film, grain) - AIR_DEPTH_MM)
    )
    bone = (
        _ribs(film, patient, rng)
        + _spine(film, patient, rng)
        + _shoulders(film, patient, rng)
    )
    attenuation = SOFT_PER_MM * np.maximum(soft_mm, 0) + bone
    image = _expose(film, attenuation, masks["both"], rng, grain)
    return RawCase(phantom_case_ids(index + 1)[-1], image, masks[lungs])


def make_phantoms(
    count: int = 247, *, seed: int, lungs: Lungs = "both", size: int = 256
) -> tuple[RawCase, ...]:
    """Draw the first `count` phantoms of a seed; 247 as many as JSRT has.

    Where it can be, they are drawn by all processors at once; each of them is as
    if it were alone.
    """
    draw = functools.partial(make_phantom, seed=seed, lungs=lungs, size=size)
    workers = min(os.cpu_count() or 1, count // _WORTH_A_PROCESS)
    if workers < 2 or not _may_fork():
        return tuple(map(draw, range(count)))
    n_threads = cv2.getNumThreads()
    # A fork copies none of OpenCV's threads: the workers would wait for them forever.
    cv2.setNumThreads(1)
    try:
        with ProcessPoolExecutor(
            workers,
            mp_context=get_context("fork"),
            initializer=_begin_worker,
            initargs=(os.getpid(),),
        ) as pool:
            return tuple(pool.map(draw, range(count), chunksize=8))
    finally:
        cv2.setNumThreads(n_threads)


def _may_fork() -> bool:
    """Whether a copy of this process works: one of threads, as TensorFlow's, hangs."""
    alone = threading.active_count() == 1 and "tensorflow" not in sys.modules
    return alone and sys.platform == "linux"


def _begin_worker(parent: int) -> None:
    # Ctrl-C reaches the whole group; the parent alone is to say so.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A parent that is killed tells nobody: its workers would wait for ever.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
