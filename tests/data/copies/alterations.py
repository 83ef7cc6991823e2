"""Copies of a picture as they occur in data sets, and textures that look alike.

Images are float32 (S, S), [0, 255].
"""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from tfgansynth.arrays import ByteArray, FloatArray, resize_area

Alteration = Callable[[FloatArray], FloatArray]


def grey(film: NDArray[np.floating[Any]]) -> ByteArray:
    return np.asarray(np.clip(np.rint(film), 0, 255), np.uint8)


def decoded(pixels: NDArray[np.generic]) -> FloatArray:
    return np.asarray(grey(np.asarray(pixels, np.float32)), np.float32)


def jpeg(film: FloatArray, quality: int) -> FloatArray:
    _, code = cv2.imencode(".jpg", grey(film), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(code, cv2.IMREAD_GRAYSCALE), np.float32)


def blurred(film: FloatArray) -> FloatArray:
    return decoded(cv2.GaussianBlur(film, (0, 0), len(film) / 128))


def clahe(film: FloatArray) -> FloatArray:
    return decoded(cv2.createCLAHE(4, (8, 8)).apply(grey(film)))


def equalized(film: FloatArray) -> FloatArray:
    return decoded(cv2.equalizeHist(grey(film)))


def exposed(film: FloatArray, contrast: float, brightness: float) -> FloatArray:
    return decoded(contrast * (film - 128) + 128 + brightness)


def gamma(film: FloatArray, exponent: float) -> FloatArray:
    return decoded(255 * (film / 255) ** exponent)


def noisy(film: FloatArray, deviation: float) -> FloatArray:
    noise = np.random.default_rng(1).normal(0, deviation, film.shape)
    return decoded(film + noise)


def moved(
    film: FloatArray,
    *,
    degrees: float = 0,
    scale: float = 1,
    shift: float = 0,
    shear: float = 0,
) -> FloatArray:
    """Move a film about its center, with black where nothing is."""
    side = len(film)
    center = (side - 1) / 2
    warp = cv2.getRotationMatrix2D((center, center), degrees, scale)
    warp = warp + np.array(
        [[0, shear, shift * side - shear * center], [0, 0, shift * side]]
    )
    return decoded(cv2.warpAffine(film, warp, film.shape))


def mirrored(film: FloatArray) -> FloatArray:
    return film[:, ::-1].copy()


def turned(film: FloatArray, quarters: int) -> FloatArray:
    return np.rot90(film, quarters).copy()


def cropped(film: FloatArray, start: float, end: float) -> FloatArray:
    """Cut a share off the left and upper, and off the right and lower sides."""
    side = len(film)
    inner = film[round(start * side) : side - round(end * side)]
    inner = inner[:, round(start * side) : side - round(end * side)]
    return decoded(cv2.resize(inner, film.shape))


def bordered(film: FloatArray, level: int) -> FloatArray:
    """Paint a border of 8 % over the film."""
    width = round(0.08 * len(film))
    copy = np.full_like(film, level)
    inner = slice(width, -width)
    copy[inner, inner] = film[inner, inner]
    return copy


def framed(film: FloatArray, level: int) -> FloatArray:
    """Put the whole film into a frame of 10 %."""
    side = len(film)
    width = round(0.1 * side)
    copy = np.full_like(film, level)
    copy[width:-width, width:-width] = resize_area(film, side - 2 * width)
    return copy


def marked(film: FloatArray) -> FloatArray:
    copy = film.copy()
    side = len(film) // 10
    copy[side : 2 * side, 3 * side : 4 * side] = 255
    return copy


def annotated(film: FloatArray) -> FloatArray:
    """Draw a label over 11 % of the film, a circle and an arrow."""
    copy, unit = grey(film), len(film) / 256

    def at(x: int, y: int) -> tuple[int, int]:
        return round(x * unit), round(y * unit)

    font, width = cv2.FONT_HERSHEY_SIMPLEX, max(1, round(4 * unit))
    cv2.rectangle(copy, at(20, 20), at(150, 75), 255, -1)
    cv2.putText(copy, "AP 12.3.", at(25, 60), font, 0.9 * unit, 0, width // 2)
    cv2.circle(copy, at(170, 150), round(40 * unit), 255, width)
    cv2.arrowedLine(copy, at(60, 220), at(140, 165), 255, width)
    return decoded(copy)


def bent(film: FloatArray, pixels: float) -> FloatArray:
    """Bend a film smoothly by at most so many pixels of 256."""
    side = len(film)
    rng = np.random.default_rng(5)
    rows, columns = np.mgrid[:side, :side].astype(np.float32)
    down, right = (
        cv2.GaussianBlur(plane, (0, 0), side / 16)
        for plane in rng.normal(size=(2, side, side)).astype(np.float32)
    )
    down, right = (
        plane / np.abs(plane).max() * pixels * side / 256 for plane in (down, right)
    )
    mode = cv2.BORDER_REFLECT
    return decoded(
        cv2.remap(film, columns + right, rows + down, cv2.INTER_LINEAR, borderMode=mode)
    )


ALTERATIONS: dict[str, Alteration] = {
    "blur": blurred,
    "brighter": lambda film: exposed(film, 1, 40),
    "contrast 0.6": lambda film: exposed(film, 0.6, 0),
    "contrast 1.5": lambda film: exposed(film, 1.5, 0),
    "gamma 0.5": lambda film: gamma(film, 0.5),
    "gamma 2": lambda film: gamma(film, 2),
    "histogram equalized": equalized,
    "CLAHE": clahe,
    "half the resolution": lambda film: resize_area(film, len(film) // 2),
    "JPEG 30": lambda film: jpeg(film, 30),
    "JPEG 10": lambda film: jpeg(film, 10),
    "noise of 10 grey levels": lambda film: noisy(film, 10),
    "inverted": lambda film: 255 - film,
    "mirrored": mirrored,
    "upside down": lambda film: film[::-1].copy(),
    "quarter turn": lambda film: turned(film, 1),
    "half turn": lambda film: turned(film, 2),
    "three quarters' turn": lambda film: turned(film, 3),
    "turned by 3 degrees": lambda film: moved(film, degrees=3),
    "turned by 7 degrees": lambda film: moved(film, degrees=7),
    "turned by 10 degrees": lambda film: moved(film, degrees=10),
    "turned by 15 degrees": lambda film: moved(film, degrees=-15),
    "shear 0.1": lambda film: moved(film, shear=0.1),
    "shifted by 10 %": lambda film: moved(film, shift=0.1),
    "zoom 1.25": lambda film: moved(film, scale=1.25),
    "10 % cut off each side": lambda film: cropped(film, 0.1, 0.1),
    "20 % cut off one corner": lambda film: cropped(film, 0.2, 0),
    "black border of 8 %": lambda film: bordered(film, 0),
    "white border of 8 %": lambda film: bordered(film, 255),
    "black frame": lambda film: framed(film, 0),
    "white frame": lambda film: framed(film, 255),
    "marker": marked,
    "large annotation": annotated,
    "bent by 4 pixels": lambda film: bent(film, 4),
    "mirrored, 7 degrees, JPEG 30": lambda film: jpeg(
        moved(mirrored(film), degrees=7), 30
    ),
    "inverted, quarter turn, JPEG 30": lambda film: jpeg(255 - turned(film, 1), 30),
}

HARD_ALTERATIONS: dict[str, Alteration] = {
    "noise of 30 grey levels": lambda film: noisy(film, 30),
    "JPEG 3": lambda film: jpeg(film, 3),
}
"""Not always found."""


def _unsteady(pattern: NDArray[Any], rng: np.random.Generator) -> FloatArray:
    soft = cv2.GaussianBlur(np.asarray(pattern, np.float32), (0, 0), 1)
    return decoded(soft + rng.normal(0, 5, pattern.shape))


def _rotated(
    side: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coordinates of pixels in a random direction from a random place."""
    y, x = np.mgrid[:side, :side]
    angle = rng.uniform(-0.6, 0.6)
    u = x * np.cos(angle) + y * np.sin(angle) + rng.uniform(0, side)
    v = y * np.cos(angle) - x * np.sin(angle) + rng.uniform(0, side)
    return u, v


def grid(side: int, rng: np.random.Generator) -> FloatArray:
    u, v = _rotated(side, rng)
    mesh, line = side / 16, side / 100
    lines = (u % mesh < line) | (v % mesh < line)
    return _unsteady(60 + 140 * lines, rng)


def straight_grid(side: int, rng: np.random.Generator) -> FloatArray:
    y, x = np.mgrid[:side, :side] + rng.uniform(0, side, (2, 1, 1))
    mesh, line = side / 8, side / 64
    return _unsteady(60 + 140 * ((x % mesh < line) | (y % mesh < line)), rng)


def checkers(side: int, rng: np.random.Generator) -> FloatArray:
    u, v = _rotated(side, rng)
    mesh = side / 16
    return _unsteady(80 + 90 * ((u // mesh + v // mesh) % 2), rng)


def stripes(side: int, rng: np.random.Generator) -> FloatArray:
    u, _ = _rotated(side, rng)
    return _unsteady(128 + 80 * np.sin(u * 2 * np.pi * 16 / side), rng)


def cells(side: int, rng: np.random.Generator, jitter: float = 1) -> FloatArray:
    """Membranes between cells around points of a loose lattice."""
    n_cells = 11
    lattice = np.mgrid[-1 : n_cells + 1, -1 : n_cells + 1].reshape(2, -1).T + 0.5
    centers = (
        (lattice + jitter * rng.uniform(-0.5, 0.5, lattice.shape)) * side / n_cells
    )
    pixels = np.mgrid[:side, :side].reshape(2, -1).T
    near, _ = cKDTree(centers).query(pixels, k=2)
    is_membrane = (near[:, 1] - near[:, 0]).reshape(side, side) < side / 80
    return _unsteady(np.where(is_membrane, 60, 180), rng)


def cell_layer(side: int, rng: np.random.Generator) -> FloatArray:
    return cells(side, rng, jitter=0.4)


def honeycomb(side: int, rng: np.random.Generator) -> FloatArray:
    return cells(side, rng, jitter=0.1)


def discs(side: int, rng: np.random.Generator) -> FloatArray:
    """Nuclei on a dark ground."""
    image = np.full((side, side), 40, np.uint8)
    for x, y in rng.integers(0, side, (60, 2)).tolist():
        radius = round(side * rng.uniform(0.025, 0.04))
        cv2.circle(image, (x, y), radius, int(rng.integers(150, 230)), -1)
    return _unsteady(image, rng)


def one_disc(side: int, rng: np.random.Generator) -> FloatArray:
    y, x = np.mgrid[:side, :side] - side / 2
    return _unsteady(40 + 150 * (np.hypot(x, y) < rng.uniform(0.23, 0.3) * side), rng)


def fine_noise(side: int, rng: np.random.Generator) -> FloatArray:
    return rng.uniform(0, 255, (side, side)).astype(np.float32)


def coarse_noise(side: int, rng: np.random.Generator) -> FloatArray:
    field = cv2.GaussianBlur(rng.normal(size=(side, side)), (0, 0), side / 64)
    return decoded(128 + 40 * field / field.std())


TEXTURES: dict[str, Callable[[int, np.random.Generator], FloatArray]] = {
    "turned grids": grid,
    "straight grids": straight_grid,
    "checkers": checkers,
    "stripes": stripes,
    "membranes": cells,
    "cell layers": cell_layer,
    "honeycombs": honeycomb,
    "nuclei": discs,
    "single discs": one_disc,
    "fine noise": fine_noise,
    "coarse noise": coarse_noise,
}
"""Images of a texture look alike, but no one is a copy of another."""


def textures(name: str, side: int, count: int) -> list[FloatArray]:
    rng = np.random.default_rng(len(name))
    return [TEXTURES[name](side, rng) for _ in range(count)]
