"""The bones of a phantom, as attenuation along the beam."""

import numpy as np
from numpy.typing import ArrayLike

from tfgansynth.arrays import ByteArray, FloatArray
from tfgansynth.data.phantoms.anatomy import SIDES, Patient, Points
from tfgansynth.data.phantoms.film import Film, oval, smooth, strip

RIB, VERTEBRA, PROCESS, CLAVICLE, SHOULDER = 0.62, 0.62, 0.26, 0.70, 0.60
"""Attenuation of each kind of bone over its whole depth."""


def ribs(film: Film, patient: Patient, rng: np.random.Generator) -> FloatArray:
    """Return attenuation of ten pairs of ribs.

    A rib is a tilted ring: from the spine outwards and down to the chest wall, then
    further down towards the sternum. It turns to cartilage before it reaches it.
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
    film: Film, plane: ByteArray, path: Points, half_width: ArrayLike, level: float
) -> None:
    """Draw a long bone: dense cortex at its edges, marrow along its middle."""
    film.fill(plane, strip(path, half_width), level)
    film.fill(plane, strip(path, np.multiply(half_width, 0.62)), 0.62 * level)


def spine(film: Film, patient: Patient, rng: np.random.Generator) -> FloatArray:
    """Return attenuation of vertebral bodies, discs, pedicles and processes."""
    column, marks = film.blank(), film.blank()
    y = np.arange(-250, 260, 4.0)
    line = np.stack([patient.spine_x(y), y], 1)
    film.fill(column, strip(line, 15 + y / 115), 0.55)
    pitch = rng.uniform(20, 24)
    for middle in np.arange(-250 + rng.uniform(0, pitch), 250, pitch):
        x, half = float(patient.spine_x(middle)), 16 + middle / 115
        body = np.stack([np.full(5, x), middle + 0.19 * pitch * np.arange(-2, 3)], 1)
        waist = np.array([0, 1.2, 1.8, 1.2, 0])
        film.fill(column, strip(body, half - waist), 0.88)
        film.fill(column, strip(0.8 * body + 0.2 * body[2], half - 2 - waist), 0.78)
        for side in SIDES:
            pedicle = oval(x + side * 0.62 * half, middle - 0.08 * pitch, 2.6, 4)
            wing = [[x + side * half, middle - 2], [x + side * (half + 15), middle - 5]]
            film.fill(marks, pedicle, 0.9)
            film.lines(marks, np.array([wing]), 6, 0.35)
        film.fill(marks, oval(x, middle + 0.27 * pitch, 2.4, 6), 0.8)
    bodies = VERTEBRA * film.coverage(column, 1.0)
    return np.asarray(bodies + PROCESS * film.coverage(marks, 1.2), np.float32)


def shoulders(film: Film, patient: Patient, rng: np.random.Generator) -> FloatArray:
    """Return attenuation of clavicles, scapulae and upper arms."""
    collar, blade = film.blank(), film.blank()
    rise, spread, sternum = rng.normal(0, 7), rng.uniform(0, 26), rng.uniform(30, 46)
    along = np.linspace(0, 1, 60)
    for lung in patient.lungs:
        side, top, wall = lung.side, lung.apex_y, lung.half_width
        tilt = rise + rng.normal(0, 3)
        bow = top + np.array([sternum, sternum - 15, 10 - tilt, 4 - 1.4 * tilt])
        clavicle = smooth((13, 48, 95, 150), bow, side)
        thick = 5.2 + 3 * (1 - 1.55 * along) ** 4
        _bone(
            film, collar, clavicle, thick * np.sqrt(np.minimum(12 - 12 * along, 1)), 1
        )
        edge = wall - 24 + spread
        u = np.array([edge - 6, edge + 2, edge + 14, edge + 24, edge + 38, wall + 38])
        scapula = smooth(u, top + np.array([26, 80, 138, 132, 80, 46]), side)
        film.fill(blade, scapula, 0.22)
        film.lines(blade, scapula[None], 2.6, 0.5)
        ridge = top + np.array([38, 18, 6])
        spine = smooth((edge, edge + 30, 164), ridge, side)
        _bone(film, blade, spine, 2 + 4 * along, 0.6)
        film.fill(blade, oval(side * (wall + 50), top + 38, 22, 23), 0.5)
        outward = wall + np.array([56, 80, 110])
        humerus = smooth(outward, top + np.array([44, 110, 220]), side)
        _bone(film, blade, humerus, 17 - 6 * along, 0.8)
    clavicles = CLAVICLE * film.coverage(collar, 0.8)
    return np.asarray(clavicles + SHOULDER * film.coverage(blade, 1.0), np.float32)
