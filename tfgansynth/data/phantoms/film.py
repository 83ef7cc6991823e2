"""The film of a phantom: from millimeters to pixels, curves and anti-aliased shapes."""

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import Akima1DInterpolator

from tfgansynth.arrays import ByteArray, FloatArray
from tfgansynth.data.phantoms.anatomy import LEFT, Patient, Points


class Film:
    """Maps mm to pixels and draws anti-aliased shapes on a film of one size."""

    def __init__(self, patient: Patient, size: int) -> None:
        """Place a patient on a film of `size` pixels a side."""
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


def smooth(u: ArrayLike, y: ArrayLike, side: int = LEFT, count: int = 60) -> Points:
    """Return `count` points (x, y) on a smooth curve through knots (u, y)."""
    knots = np.stack([side * np.asarray(u, np.float64), np.asarray(y)], 1)
    length = np.cumsum([0, *np.hypot(*np.diff(knots, axis=0).T)])
    curve = Akima1DInterpolator(length, knots)
    return np.asarray(curve(np.linspace(0, length[-1], count)))


def strip(path: Points, half_width: ArrayLike) -> Points:
    """Return the outline of a band along a path (n, 2); half widths in mm."""
    along = np.gradient(path, axis=0)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    across /= np.linalg.norm(across, axis=1, keepdims=True) + 1e-9
    offset = across * np.broadcast_to(half_width, len(path))[:, None]
    return np.concatenate([path + offset, (path - offset)[::-1]])


def oval(x: float, y: float, half_width: float, half_height: float) -> Points:
    """Return the outline (40, 2) of an upright ellipse."""
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    return np.stack(
        [x + half_width * np.cos(angle), y + half_height * np.sin(angle)], 1
    )
