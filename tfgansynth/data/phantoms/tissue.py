"""The soft tissue and the air of a phantom, as thickness along the beam in mm."""

import cv2
import numpy as np
from numpy.typing import NDArray

from tfgansynth.arrays import ByteArray, FloatArray, MaskArray
from tfgansynth.data.phantoms.anatomy import FILM_MM, LEFT, Lung, Patient, Points
from tfgansynth.data.phantoms.film import Film, oval, smooth, strip

CORNER_MM = 3.0
"""How far the lungs' corners, such as the costophrenic angle, are rounded off."""


def lung_field(film: Film, lung: Lung) -> tuple[MaskArray, FloatArray]:
    """Return a lung's mask and its depth of air as a share of the deepest."""
    u = film.x * lung.side
    knots = np.linspace(-FILM_MM, FILM_MM, 1401)
    costal = _lookup(film.y, knots, lung.costal(knots)) - u
    medial = u - _lookup(film.y, knots, lung.medial(knots))
    base = _lookup(u, knots, lung.dome(knots)) - film.y
    inside = _soft_minimum(_soft_minimum(costal, medial), base)
    inside = np.minimum(inside, film.y - lung.apex_y)
    depth = _onset(costal, 0.5, 20) * _onset(medial, 0.6, 16) * _onset(base, 0.7, 14)
    # Behind the dome the lung extends further down, faintly visible.
    sulcus = 0.3 * np.exp(np.minimum(base, 0) / 14) * (base < 0.5)
    sulcus *= _onset(costal, 0, 25) * _onset(medial, 0, 20)
    covered = np.clip(inside * film.px_per_mm + 0.5, 0, 1)
    return inside > 0, covered * depth + (1 - covered) * sulcus


def _lookup(at: FloatArray, knots: Points, values: NDArray[np.floating]) -> FloatArray:
    """Interpolate values given at knots for every pixel of a plane."""
    found = np.interp(at.ravel(), knots, values).reshape(at.shape)
    return np.asarray(found, np.float32)


def _soft_minimum(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return the smaller of two distances in mm, smoothed where they are similar."""
    near = np.exp(-np.abs(a - b) / CORNER_MM)
    return np.asarray(np.minimum(a, b) - CORNER_MM * np.log1p(near), np.float32)


def _onset(mm: FloatArray, edge: float, length: float) -> FloatArray:
    """Rise from `edge` at 0 mm towards 1 over a length in mm."""
    rise = 1 - (1 - edge) * np.exp(-np.maximum(mm, 0) / length)
    return np.asarray(rise, np.float32)


def body_mm(film: Film, patient: Patient, rng: np.random.Generator) -> FloatArray:
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
        flanks.append(smooth(*flank, lung.side, count=160))
    outline = np.concatenate([flanks[0], flanks[1][::-1]])
    skin = film.blank()
    film.fill(skin, outline, 1.0)
    depth = rng.uniform(185, 215) + 1.2 * patient.fat
    return (0.28 + 0.72 * _rounding(film, outline)) * depth * film.coverage(skin, 0.4)


def _rounding(film: Film, outline: Points) -> FloatArray:
    """Return the depth of the body as a share of its full depth, in [0, 1].

    It is drawn at half size with margins, so that the edge of the film does not make
    the body thinner.
    """
    margin = film.size // 4
    plane = np.zeros(((film.size + 1) // 2 + 2 * margin,) * 2, np.uint8)
    cv2.fillPoly(plane, [film.pixels(outline) // 2 + 16 * margin], 255, cv2.LINE_8, 4)
    inward = cv2.distanceTransform(plane, cv2.DIST_L2, 5) * 2 / film.px_per_mm
    depth = film.blur(np.sqrt(1 - np.clip(1 - inward / 62, 0, 1) ** 4), 2.5)
    inner = depth[margin : len(depth) - margin, margin : len(depth) - margin]
    side = 2 * len(inner)
    return np.asarray(cv2.resize(inner, (side, side))[: film.size, : film.size])


def chest_wall_mm(film: Film, patient: Patient, rng: np.random.Generator) -> FloatArray:
    """Return pectoral muscles and, in some patients, breasts, mm."""
    extra = np.zeros_like(film.x)
    breasts = rng.random() < 0.45
    drop, bulk = rng.uniform(-4, 34), rng.uniform(14, 34) + 0.4 * patient.fat
    for lung in patient.lungs:
        u, y = film.x * lung.side, film.y - lung.apex_y
        pectoral = np.exp(-(((u - 105) / 45) ** 2) - ((y - 62) / 40) ** 2)
        extra += rng.uniform(6, 22) * pectoral
        below = y - 0.66 * lung.height - drop - rng.normal(0, 3)
        # Sharply outlined below, gradually ending above.
        across = (u - 0.66 * lung.half_width) / (62 + 0.4 * patient.fat)
        down = np.where(below > 0, below, 0.55 * below) / (54 + 0.4 * patient.fat)
        dome = np.sqrt(np.clip(1 - across**2 - down**2, 0, 1))
        extra += breasts * bulk * dome
    return extra


def mediastinum_mm(
    film: Film, patient: Patient, rng: np.random.Generator
) -> FloatArray:
    """Return heart, great vessels and descending aorta, mm."""
    left, right = patient.lungs
    y = np.linspace(left.apex_y + 20, left.dome_y + 25, 50)
    borders = [np.stack([lung.side * lung.medial(y), y], 1) for lung in (left, right)]
    between, aorta = film.blank(), film.blank()
    film.fill(between, np.concatenate([borders[0], borders[1][::-1]]), 1.0)
    beside_spine = np.stack([patient.spine_x(y) + 17, y], 1)[8:]
    film.fill(aorta, strip(beside_spine, 11), 1.0)
    heart_y = left.apex_y + 0.76 * left.height
    heart = rng.uniform(4, 20) * np.exp(-(((film.y - heart_y) / 60) ** 2))
    heart_and_vessels = film.coverage(between, 7) * (12 + heart)
    return np.asarray(heart_and_vessels + 7 * film.coverage(aorta, 1.5), np.float32)


def airways_mm(film: Film, patient: Patient, rng: np.random.Generator) -> FloatArray:
    """Return the air of trachea and main bronchi, mm."""
    carina = patient.arch_y + rng.uniform(14, 24)
    x = float(patient.spine_x(carina)) + rng.normal(0, 2)
    # The aortic arch pushes the trachea to the patient's right.
    trachea = smooth((x, x, x - 4, x - 1), carina + np.array([-175, -70, -22, 0]))
    plane = film.blank()
    film.fill(plane, strip(trachea, rng.uniform(6.5, 9)), 1.0)
    for reach, fall in ((36, 30), (-26, 34)):
        fork = carina + np.array([-5, 0.55 * fall, fall])
        bronchus = smooth((x, x + reach / 2, x + reach), fork)
        film.fill(plane, strip(bronchus, np.linspace(6.5, 4.5, 60)), 0.4)
    return film.coverage(plane, 1.6) * np.float32(rng.uniform(24, 36))


def abdomen_mm(film: Film, patient: Patient, rng: np.random.Generator) -> FloatArray:
    """Return liver and other organs less the gas of stomach and bowel, mm."""
    left, right = patient.lungs
    u = np.abs(film.x)
    under = film.y - np.where(film.x > 0, left.dome(u), right.dome(u))
    gas = film.blank()
    if rng.random() < 0.6:
        wide, high = rng.uniform(14, 30), rng.uniform(7, 17)
        stomach = left.dome_y + high + rng.uniform(9, 15)
        bubble = oval(left.dome_x + rng.normal(0, 8), stomach, wide, high)
        film.fill(gas, bubble, 1.0)
    for _ in range(rng.integers(0, 6)):
        x, y = rng.uniform(30, 115), left.dome_y + rng.uniform(45, 110)
        film.fill(gas, oval(x, y, *rng.uniform(5, 15, 2)), rng.uniform(0.3, 0.7))
    organs = np.where(film.x < 25, 24, 14) * np.clip(under / 60, 0, 1)
    air = film.coverage(gas, 3.0) * np.clip(under - 5, 0, 1)
    return np.asarray(organs - rng.uniform(30, 55) * air, np.float32)


def vessels_mm(film: Film, patient: Patient, rng: np.random.Generator) -> FloatArray:
    """Return hila and the vessels that branch from them in mm, everywhere."""
    hila = np.zeros_like(film.x)
    planes = film.blank(), film.blank()
    for lung in patient.lungs:
        # The left hilum is a little higher than the right one.
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
    film: Film,
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


def texture_mm(film: Film, grain: np.random.Generator) -> FloatArray:
    """Return the cloudiness of lung tissue, mm, at a few scales."""
    total = np.zeros_like(film.x)
    for sigma_mm, depth in ((1.6, 1.0), (4.0, 0.8), (14.0, 1.0)):
        cloud = film.blur(grain.standard_normal(film.x.shape, np.float32), sigma_mm)
        total += depth * cloud / cloud.std()
    return total
