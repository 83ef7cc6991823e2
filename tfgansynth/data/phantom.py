"""Procedural chest radiographs with lung masks, for when no data set is at hand.

A phantom is drawn as a film is made. Anatomy is sampled in millimetres, its
attenuation is summed along the beam (soft tissue and bone, less the air of the
lungs), scatter veils the transmitted beam, and a film curve turns exposure into
grey levels. The lung mask is the region whose air was taken out, so that mask
and visible lung edge are one and the same shape.

Coordinates: x points to the image's right, which is the patient's left, y down,
origin at the center of an average film. Paired structures use u, the distance
from the midline towards either side: x = side * u with `LEFT` or `RIGHT`.
"""

import dataclasses
from typing import Literal

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import Akima1DInterpolator

from tfgansynth.data.dataset import RawCase
from tfgansynth.pixels import FloatArray, MaskArray

Lungs = Literal["both", "left", "right"]
Points = NDArray[np.float64]

FILM_MM = 350.0
"""Edge of the square film, as in the JSRT database (14 x 14 inches)."""
USUAL_CHEST_MM2 = 139.0 * 244.0
"""Half width times height of the average chest that the film frames."""
CORNER_MM = 3.0
"""How far the lungs' corners, as the costophrenic angle, are rounded off."""
LEFT, RIGHT = 1, -1
SIDES = (LEFT, RIGHT)

SOFT_PER_MM = 0.020
"""Linear attenuation of soft tissue at a chest tube voltage, 1/mm."""
AIR_DEPTH_MM = 105.0
"""Soft tissue that the deepest part of a lung displaces, mm."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Lung:
    """Shape of one lung, mm; heights are fractions of the lung's height.

    The costal margin is a quarter of a superellipse from the apex down to the
    widest level, the mediastinal edge a straight line with a bump for each
    structure that bulges into the lung, the base a dome.
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

    def blank(self) -> NDArray[np.uint8]:
        """Return an empty plane, uint8 (size, size)."""
        return np.zeros((self.size, self.size), np.uint8)

    def pixels(self, points: Points) -> NDArray[np.int32]:
        """Map (n, 2) points in mm to pixels, in sixteenths, as OpenCV draws them."""
        placed = points @ self.matrix[:, :2].T + self.matrix[:, 2] - 0.5
        return np.asarray(np.rint(placed * 16), np.int32)

    def fill(self, plane: NDArray[np.uint8], outline: Points, level: float) -> None:
        """Fill a closed outline (n, 2), mm, with a level in [0, 1]."""
        shade = round(255 * level)
        cv2.fillPoly(plane, [self.pixels(outline)], shade, cv2.LINE_AA, 4)

    def lines(
        self, plane: NDArray[np.uint8], paths: Points, mm: ArrayLike, level: ArrayLike
    ) -> None:
        """Draw open paths (n, k, 2), mm, of widths in mm, at levels in [0, 1].

        A line thinner than a pixel is drawn one pixel wide and fainter.
        """
        px = np.broadcast_to(mm, len(paths)) * self.px_per_mm
        shades = np.rint(255 * np.asarray(level) * np.minimum(px, 1)).tolist()
        widths = np.maximum(np.rint(px), 1).astype(int).tolist()
        for path, width, shade in zip(self.pixels(paths), widths, shades, strict=True):
            cv2.polylines(plane, [path], False, shade, width, cv2.LINE_AA, 4)

    def blur(self, plane: NDArray[np.generic], sigma_mm: float) -> FloatArray:
        """Blur a plane by a Gaussian of the given width."""
        sigma = sigma_mm * self.px_per_mm
        soft = cv2.GaussianBlur(plane.astype(np.float32), (0, 0), sigma)
        return np.asarray(soft, np.float32)


def _bump(s: NDArray[np.floating], center: float, width: float) -> Points:
    """Return a smooth bump of height 1 over s."""
    return np.asarray(np.exp(-(((s - center) / width) ** 2)))


def _smooth(knots: ArrayLike, count: int = 60) -> Points:
    """Return `count` points on a smooth curve through knots (n, 2)."""
    corners = np.asarray(knots, np.float64)
    steps = np.hypot(*np.diff(corners, axis=0).T)
    length = np.concatenate([[0], np.cumsum(steps)])
    return np.asarray(
        Akima1DInterpolator(length, corners)(np.linspace(0, length[-1], count))
    )


def _strip(path: Points, half_width: ArrayLike) -> Points:
    """Return the outline of a band along a path (n, 2); half widths in mm."""
    along = np.gradient(path, axis=0)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    across /= np.linalg.norm(across, axis=1, keepdims=True) + 1e-9
    offset = across * np.broadcast_to(half_width, len(path))[:, None]
    return np.concatenate([path + offset, (path - offset)[::-1]])


def _oval(center: ArrayLike, radii: ArrayLike, tilt: float = 0.0) -> Points:
    """Return an ellipse's outline (40, 2); tilt in radians."""
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1) * np.asarray(radii)
    turn = np.array([[np.cos(tilt), np.sin(tilt)], [-np.sin(tilt), np.cos(tilt)]])
    return np.asarray(circle @ turn + np.asarray(center))


def _mirrored(side: int, knots: ArrayLike) -> Points:
    """Turn (u, y) points of one side into (x, y) points."""
    return np.asarray(knots, np.float64) * (side, 1)


def _sample_patient(rng: np.random.Generator) -> _Patient:
    """Draw one patient: build, heart size, diaphragm, posture, placement."""
    height = float(np.clip(rng.normal(244, 20), 192, 285))
    half_width = float(np.clip(rng.normal(139, 9), 116, 158))
    inspiration = rng.normal(0, 7)
    apex_y = -height / 2 - rng.normal(4, 5)
    lean = rng.normal(0, 3.5)
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
        lift = rng.normal(5, 5) if side == RIGHT else 0.0
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
    scale = framing * float(np.clip(rng.normal(0.97, 0.045), 0.87, 1.06)) / FILM_MM
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shift = np.clip(rng.normal(0, (8, 9)), -18, 18) / FILM_MM + 0.5
    return np.hstack([turn * scale, shift[:, None]])


def _lung_field(film: _Film, lung: _Lung) -> tuple[FloatArray, FloatArray]:
    """Return signed depth inside the lung's edge, mm, and air depth in [0, 1]."""
    u = film.x * lung.side
    levels = np.linspace(-FILM_MM, FILM_MM, 1401)
    rows = film.y.ravel()
    costal = np.interp(rows, levels, lung.costal(levels)).reshape(u.shape) - u
    medial = u - np.interp(rows, levels, lung.medial(levels)).reshape(u.shape)
    base = np.interp(u.ravel(), levels, lung.dome(levels)).reshape(u.shape) - film.y
    inside = _soft_minimum(_soft_minimum(costal, medial), base)
    inside = np.minimum(inside, film.y - lung.apex_y).astype(np.float32)
    depth = _onset(costal, 0.5, 20) * _onset(medial, 0.6, 16) * _onset(base, 0.7, 14)
    # Behind the dome lung reaches further down, seen faintly through the liver.
    sulcus = 0.3 * np.exp(np.minimum(base, 0) / 14) * _onset(costal, 0, 25)
    sulcus *= _onset(medial, 0, 20)
    covered = np.clip(inside * film.px_per_mm + 0.5, 0, 1)
    air = covered * depth + (1 - covered) * sulcus * (base < 0.5)
    return inside, air.astype(np.float32)


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
    sides = []
    neck = rng.uniform(50, 64) + 0.3 * patient.fat
    slope, arm = rng.uniform(14, 34), rng.uniform(0, 26)
    for lung in patient.lungs:
        top, wall = lung.apex_y, lung.half_width + patient.fat
        axilla = top + rng.uniform(78, 104)
        sides.append(
            _mirrored(
                lung.side,
                [
                    (neck, top - 150),
                    (neck + 2, top - 60),
                    (neck + 34, top - slope - 20),
                    (150, top - 20),
                    (205, top + 12),
                    (250 + arm, top + 120),
                    (290 + 2 * arm, top + 260),
                    (215 + 2 * arm, top + 250),
                    (wall + 36 + arm, axilla + 62),
                    (wall + 13, axilla),
                    (wall + 4, axilla + 50),
                    (wall + 2, axilla + 120),
                    (wall - 2 + 0.3 * patient.fat, axilla + 190),
                    (wall + 6, axilla + 330),
                ],
            )
        )
    left, right = (_smooth(side, 160) for side in sides)
    outline = np.concatenate([left, right[::-1]])
    # Drawn on a film with margins: the film's edge must not thin the body.
    margin, coarse = film.size // 2, 2
    plane = np.zeros(((film.size + 2 * margin) // coarse,) * 2, np.uint8)
    placed = (film.pixels(outline) + 16 * margin) // coarse
    cv2.fillPoly(plane, [placed], 255, cv2.LINE_8, 4)
    far = cv2.distanceTransform(plane, cv2.DIST_L2, 5) * coarse / film.px_per_mm
    near = np.clip(1 - far / 62, 0, 1)
    thick = film.blur(np.sqrt(1 - near**4), 5 / coarse)
    thick = cv2.resize(thick, None, fx=coarse, fy=coarse)
    thick = thick[margin:-margin, margin:-margin][: film.size, : film.size]
    skin = film.blank()
    film.fill(skin, outline, 1.0)
    depth = rng.uniform(185, 215) + 1.2 * patient.fat
    return np.asarray((thick * 0.72 + 0.28) * depth * (skin / 255), np.float32)


def _muscles_and_breasts(
    film: _Film, patient: _Patient, rng: np.random.Generator
) -> FloatArray:
    """Return extra soft tissue over the chest wall, mm."""
    extra = np.zeros_like(film.x)
    female = rng.random() < 0.45
    drop, bulk = rng.uniform(-4, 34), rng.uniform(14, 34) + 0.4 * patient.fat
    for lung in patient.lungs:
        u, y = film.x * lung.side, film.y - lung.apex_y
        # The pectoral muscle thickens towards the axilla.
        pectoral = np.exp(-(((u - 105) / 45) ** 2) - ((y - 62) / 40) ** 2)
        extra += rng.uniform(6, 22) * pectoral
        if female:
            middle = (
                0.66 * lung.half_width,
                0.66 * lung.height + drop + rng.normal(0, 3),
            )
            radii = 62 + 0.4 * patient.fat, 54 + 0.4 * patient.fat
            sag = np.where(y > middle[1], 1.0, 0.55)
            r2 = ((u - middle[0]) / radii[0]) ** 2 + (
                sag * (y - middle[1]) / radii[1]
            ) ** 2
            extra += bulk * np.sqrt(np.clip(1 - r2, 0, 1))
    return extra


def _mediastinum(
    film: _Film, patient: _Patient, rng: np.random.Generator
) -> FloatArray:
    """Return heart and great vessels less the trachea's air, mm of soft tissue."""
    left, right = patient.lungs
    y = np.linspace(left.apex_y + 20, left.dome_y + 25, 50)
    edge = np.stack([left.medial(y), y], 1)
    back = np.stack([-right.medial(y), y], 1)
    plane = film.blank()
    film.fill(plane, np.concatenate([edge, back[::-1]]), 1.0)
    heart_y = left.apex_y + 0.76 * left.height
    middle = np.exp(-(((film.y - heart_y) / 60) ** 2))
    bulk = film.blur(plane, 7) / 255 * (12 + rng.uniform(4, 20) * middle)
    # The descending aorta, a faint band left of the spine.
    aorta = np.stack([patient.spine_x(y) + 17, y], 1)[8:]
    band = film.blank()
    film.fill(band, _strip(aorta, 11), 1.0)
    bulk += 7 * film.blur(band, 1.5) / 255
    return np.asarray(bulk - _airways(film, patient, rng), np.float32)


def _airways(film: _Film, patient: _Patient, rng: np.random.Generator) -> FloatArray:
    """Return the air of trachea and main bronchi, mm."""
    carina_y = patient.arch_y + rng.uniform(14, 24)
    top = patient.left.apex_y - 120
    x = float(patient.spine_x(carina_y)) + rng.normal(0, 2)
    trachea = _smooth(
        [(x, top), (x, carina_y - 70), (x - 4, carina_y - 22), (x - 1, carina_y)]
    )
    plane = film.blank()
    film.fill(plane, _strip(trachea, rng.uniform(6.5, 9)), 1.0)
    wide = np.linspace(6.5, 4.5, 60)
    for reach, fall in ((36, 30), (-26, 34)):
        bronchus = _smooth(
            [
                (x, carina_y - 5),
                (x + reach / 2, carina_y + fall * 0.55),
                (x + reach, carina_y + fall),
            ]
        )
        film.fill(plane, _strip(bronchus, wide), 0.6)
    return film.blur(plane, 1.6) / 255 * np.float32(rng.uniform(20, 30))


def _abdomen(film: _Film, patient: _Patient, rng: np.random.Generator) -> FloatArray:
    """Return liver and other organs less the gas of stomach and bowel, mm."""
    u = np.abs(film.x)
    left, right = patient.lungs
    floor = np.where(film.x > 0, left.dome(u), right.dome(u))
    below = np.clip((film.y - floor) / 60, 0, 1)
    bulk = np.where(film.x < 25, 24, 14) * below
    gas = film.blank()
    if rng.random() < 0.6:
        radii = rng.uniform(14, 30), rng.uniform(7, 17)
        center = (
            left.dome_x + rng.normal(0, 8),
            left.dome_y + radii[1] + rng.uniform(9, 15),
        )
        film.fill(gas, _oval(center, radii, rng.uniform(-0.1, 0.35)), 1.0)
    for _ in range(rng.integers(0, 6)):
        center = rng.uniform(30, 115), left.dome_y + rng.uniform(45, 110)
        radii = rng.uniform(5, 15, 2)
        film.fill(gas, _oval(center, radii, rng.uniform(0, 3)), rng.uniform(0.3, 0.7))
    air = film.blur(gas, 2.2) / 255 * np.clip(film.y - floor - 5, 0, 1)
    return np.asarray(bulk - rng.uniform(30, 55) * air, np.float32)


def _ribs(film: _Film, patient: _Patient, rng: np.random.Generator) -> FloatArray:
    """Return attenuation of ten pairs of ribs: arcs behind, arcs in front.

    A rib is a tilted ring: from the spine out and down to the chest wall, and
    on, lower still, towards the sternum, short of which it turns to cartilage.
    """
    back, front = film.blank(), film.blank()
    pitch = patient.left.height * rng.uniform(0.088, 0.1)
    steepness = rng.uniform(0.75, 1.2)
    strength = rng.uniform(0.8, 1.2)
    for lung in patient.lungs:
        for k in range(10):
            y = lung.apex_y + pitch * (k - 0.1 + 0.015 * k) + rng.normal(0, 0.9)
            drop = steepness * (42 + 11 * min(k, 8)) + rng.normal(0, 2)
            wall = float(lung.costal(y + drop / 2)) + 2.5
            angle = np.linspace(0.06, rng.uniform(0.74, 0.8) * np.pi, 70)
            u = wall * np.sin(angle) ** 0.85
            behind = angle < np.pi / 2
            sag = drop * ((1 - np.cos(angle)) / 2) ** 0.75
            sag -= min(k, 5) * np.sin(2 * angle) ** 2 * behind
            path = np.stack([lung.side * u, y + sag], 1)
            path[:, 0] += patient.spine_x(path[:, 1]) * np.cos(angle)
            half = 5.0 - 1.3 * np.sin(angle) ** 4 + 1.2 * ~behind
            half *= np.sqrt(np.clip((angle[-1] - angle) / 0.12, 0, 1))
            turn = int(np.argmin(behind)) + 1
            level = float(np.clip(rng.normal(0.8, 0.06), 0.6, 1))
            level *= 0.6 if k in (0, 8, 9) else 1
            _tube(film, back, path[:turn], half[:turn], level)
            if k < 7:
                _tube(film, front, path[turn - 2 :], half[turn - 2 :], 0.7 * level)
    bone = back.astype(np.float32) + front
    return film.blur(bone, 0.8) * np.float32(0.62 * strength / 255)


def _tube(
    film: _Film, plane: NDArray[np.uint8], path: Points, half: Points, level: float
) -> None:
    """Draw a hollow bone: cortex at `level`, marrow, thinner to the beam, inside."""
    film.fill(plane, _strip(path, half), level)
    film.fill(plane, _strip(path, half * 0.62), 0.62 * level)


def _spine(film: _Film, patient: _Patient, rng: np.random.Generator) -> FloatArray:
    """Return attenuation of vertebral bodies, discs, pedicles and processes."""
    plane, marks = film.blank(), film.blank()
    y = np.arange(-250, 260, 4.0)
    column = np.stack([patient.spine_x(y), y], 1)
    half = 13.5 + 3.5 * (y + 200) / 400
    film.fill(plane, _strip(column, half), 0.55)
    pitch = rng.uniform(20, 24)
    for middle in np.arange(-250 + rng.uniform(0, pitch), 250, pitch):
        x = float(patient.spine_x(middle))
        w = 14.5 + 3.5 * (middle + 200) / 400
        h = 0.38 * pitch
        waist = w - 1.8
        body = [
            (x - w, middle - h),
            (x + w, middle - h),
            (x + waist, middle),
            (x + w, middle + h),
            (x - w, middle + h),
            (x - waist, middle),
        ]
        film.fill(plane, np.array(body), 0.85)
        inner = np.array(
            [
                (x - 0.9 * w, middle - 0.8 * h),
                (x + 0.9 * w, middle - 0.8 * h),
                (x + 0.9 * w, middle + 0.8 * h),
                (x - 0.9 * w, middle + 0.8 * h),
            ]
        )
        film.fill(plane, inner, 0.78)
        for side in SIDES:
            film.fill(
                marks, _oval((x + side * 0.62 * w, middle - 0.2 * h), (2.6, 4)), 0.9
            )
            wing = [(x + side * w, middle - 2), (x + side * (w + 15), middle - 5)]
            film.lines(marks, np.array([wing]), 6, 0.35)
        film.fill(marks, _oval((x, middle + 0.7 * h), (2.4, 6)), 0.8)
    bone = film.blur(plane, 1.0) * 0.62 + film.blur(marks, 1.2) * 0.26
    return np.asarray(bone / 255, np.float32)


def _shoulders(film: _Film, patient: _Patient, rng: np.random.Generator) -> FloatArray:
    """Return attenuation of clavicles, scapulae and upper arms."""
    collar, blade = film.blank(), film.blank()
    rise, spread = rng.normal(0, 7), rng.uniform(0, 26)
    medial_y = rng.uniform(30, 46)
    for lung in patient.lungs:
        top, wall = lung.apex_y, lung.half_width
        tilt = rise + rng.normal(0, 3)
        clavicle = _smooth(
            [
                (13, top + medial_y),
                (48, top + medial_y - 15),
                (95, top + 10 - tilt),
                (145, top + 4 - 1.4 * tilt),
            ]
        )
        ends = 5.2 + 3.0 * np.linspace(1, -0.55, 60) ** 4
        _tube(film, collar, _mirrored(lung.side, clavicle), ends, 1.0)
        edge = wall - 24 + spread
        scapula = _smooth(
            [
                (edge - 6, top + 26),
                (edge + 2, top + 80),
                (edge + 14, top + 138),
                (edge + 24, top + 132),
                (edge + 38, top + 80),
                (wall + 38, top + 46),
            ]
        )
        film.fill(blade, _mirrored(lung.side, scapula), 0.22)
        film.lines(blade, _mirrored(lung.side, scapula)[None], 2.6, 0.5)
        spur = _smooth([(edge, top + 38), (edge + 30, top + 18), (164, top + 6)])
        _tube(film, blade, _mirrored(lung.side, spur), np.linspace(2, 6, 60), 0.6)
        head = _oval((wall + 50, top + 38), (22, 23))
        film.fill(blade, _mirrored(lung.side, head), 0.5)
        shaft = _smooth(
            [(wall + 56, top + 44), (wall + 80, top + 110), (wall + 110, top + 220)]
        )
        _tube(film, blade, _mirrored(lung.side, shaft), np.linspace(17, 11, 60), 0.8)
    bone = film.blur(collar, 0.8) * 0.7 + film.blur(blade, 1.0) * 0.6
    return np.asarray(bone / 255, np.float32)


def _vessels(film: _Film, patient: _Patient, rng: np.random.Generator) -> FloatArray:
    """Return hila and vessels that branch and taper, mm of soft tissue.

    They are drawn everywhere; the caller keeps them where there is lung.
    """
    planes = [film.blank() for _ in range(2)]
    hila = np.zeros_like(film.x)
    for lung in patient.lungs:
        hilum_y = patient.arch_y + (26 if lung.side == LEFT else 36) + rng.normal(0, 3)
        hilum_u = float(lung.medial(hilum_y)) + 5
        for _ in range(5):
            du, dy = rng.normal((4, 6), (5, 13))
            r = rng.uniform(6, 11)
            off = (film.x * lung.side - hilum_u - du) ** 2 + (
                film.y - hilum_y - dy
            ) ** 2
            hila += rng.uniform(10, 20) * np.exp(-off / (2 * r * r))
        for plane in planes:
            fan = np.linspace(-1.3, 1.4, 6) + rng.normal(0, 0.2, 6)
            # Lower-lobe vessels are the longer and wider ones.
            _branches(film, plane, lung.side, (hilum_u, hilum_y), fan, rng)
    tree = planes[0].astype(np.float32) + planes[1]
    return np.asarray(hila + film.blur(tree, 0.5) * (17 / 255), np.float32)


def _branches(
    film: _Film,
    plane: NDArray[np.uint8],
    side: int,
    root: tuple[float, float],
    angles: Points,
    rng: np.random.Generator,
) -> None:
    """Draw a vessel tree; angles in radians from lateral, downwards positive."""
    tips = np.tile(root, (len(angles), 1)) + rng.normal(0, (3, 8), (len(angles), 2))
    calibers = rng.uniform(2.6, 5.0, len(angles))
    for level in range(6):
        step = (25 - 2.4 * level) * rng.uniform(0.7, 1.2, (len(tips), 1))
        ahead = angles + rng.normal(0, 0.3, len(angles))
        middle = tips + step / 2 * np.stack([np.cos(angles), np.sin(angles)], 1)
        ends = middle + step / 2 * np.stack([np.cos(ahead), np.sin(ahead)], 1)
        paths = _mirrored(side, np.stack([tips, middle, ends], 1))
        film.lines(plane, paths, calibers, np.minimum(0.15 + calibers / 6, 1))
        tips, turns = np.repeat(ends, 2, 0), np.tile([-1.0, 1.0], len(ends))
        spread = turns * rng.uniform(0.1, 0.55, len(tips))
        angles = np.repeat(ahead, 2) + spread
        calibers = np.repeat(calibers, 2) * rng.uniform(0.55, 0.9, len(tips))


def _texture(film: _Film, rng: np.random.Generator) -> FloatArray:
    """Return unit-variance cloudiness of lung tissue at a few scales."""
    total = np.zeros_like(film.x)
    for sigma_mm, weight in ((1.6, 0.6), (4.0, 0.5), (14.0, 0.6)):
        grain = rng.standard_normal(film.x.shape, np.float32)
        soft = film.blur(grain, sigma_mm)
        total += weight * soft / (soft.std() + 1e-9)
    return total


def _expose(
    film: _Film, attenuation: FloatArray, lung: MaskArray, rng: np.random.Generator
) -> FloatArray:
    """Return the film, whole grey levels in [0, 255], of an attenuation map."""
    beam = np.exp(-attenuation)
    veil = film.blur(beam, rng.uniform(18, 28))
    scatter = rng.uniform(0.12, 0.3)
    seen = (1 - scatter) * beam + scatter * veil
    grain = film.blur(rng.standard_normal(beam.shape, np.float32), 0.45)
    noise = rng.uniform(0.012, 0.03) * np.sqrt(np.median(seen[lung]) / seen)
    density = -np.log(seen) + np.minimum(noise, 0.1) * grain / grain.std()
    # Digital processing evens out the coarse differences in brightness.
    density -= rng.uniform(0.1, 0.5) * film.blur(density, 30)
    # Automatic exposure: lung and mediastinum land on chosen grey levels.
    dark, bright = np.median(density[lung]), np.quantile(density, 0.93)
    low, high = rng.uniform(0.22, 0.42), rng.uniform(0.84, 0.93)
    logit_low, logit_high = np.log(low / (1 - low)), np.log(high / (1 - high))
    slope = (logit_high - logit_low) / (bright - dark)
    film_curve = 1 / (1 + np.exp(-(logit_low + slope * (density - dark))))
    return np.rint(255 * film_curve).astype(np.float32)


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
    rng = np.random.default_rng([seed, index])
    patient = _sample_patient(rng)
    film = _Film(patient, size)
    (left, left_air), (right, right_air) = (
        _lung_field(film, lung) for lung in patient.lungs
    )
    fields = {"left": left, "right": right, "both": np.maximum(left, right)}
    lung = fields["both"] > 0
    air = np.maximum(left_air, right_air)
    # Lung in front of and behind the heart shows faintly through it.
    air = np.maximum(air, 0.55 * film.blur(lung, 16) * (1 - lung))
    soft_mm = (
        _body(film, patient, rng)
        + _muscles_and_breasts(film, patient, rng)
        + _mediastinum(film, patient, rng)
        + _abdomen(film, patient, rng)
        + air * (_vessels(film, patient, rng) + 1.6 * _texture(film, rng))
        - air * AIR_DEPTH_MM
    )
    bone = (
        _ribs(film, patient, rng)
        + _spine(film, patient, rng)
        + _shoulders(film, patient, rng)
    )
    attenuation = SOFT_PER_MM * np.maximum(soft_mm, 0) + bone
    image = _expose(film, attenuation, lung, rng)
    return RawCase(phantom_case_ids(index + 1)[-1], image, fields[lungs] > 0)


def make_phantoms(
    count: int = 247, *, seed: int, lungs: Lungs = "both", size: int = 256
) -> tuple[RawCase, ...]:
    """Draw the first `count` phantoms of a seed; 247 as many as JSRT has."""
    return tuple(make_phantom(index, seed, lungs, size) for index in range(count))
