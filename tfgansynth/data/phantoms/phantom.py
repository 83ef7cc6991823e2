"""Procedural chest radiographs with lung masks, for when no data set is at hand.

A phantom is made as a radiograph is. The anatomy is sampled in millimeters. Its
attenuation is summed along the beam: soft tissue and bone, less the air of the
lungs. Scatter veils the transmitted beam, and a film curve turns exposure into grey
levels. The lung mask is the region whose air is taken out, so that the mask and the
visible edge of the lung have one shape.
"""

import numpy as np

from tfgansynth.arrays import FloatArray, MaskArray
from tfgansynth.data.dataset import RawCase
from tfgansynth.data.lungs import Lungs
from tfgansynth.data.phantoms.anatomy import sample_patient
from tfgansynth.data.phantoms.bones import ribs, shoulders, spine
from tfgansynth.data.phantoms.film import Film
from tfgansynth.data.phantoms.tissue import (
    abdomen_mm,
    airways_mm,
    body_mm,
    chest_wall_mm,
    lung_field,
    mediastinum_mm,
    texture_mm,
    vessels_mm,
)

SOFT_PER_MM = 0.020
"""Attenuation of soft tissue, 1/mm."""
AIR_DEPTH_MM = 105.0
"""Soft tissue that the deepest part of a lung displaces."""

SIDE = 256
"""Side of a phantom in pixels, if it is not told."""


def make_phantom(index: int, seed: int, lungs: Lungs, size: int = SIDE) -> RawCase:
    """Draw one phantom, which depends on seed and index only.

    Args:
        index: From 0; case `phantom-001` is index 0.
        seed: The seed of the whole set.
        lungs: The lungs in the mask. The patient's left lung is on the right of the
            image. The image is the same for all three values.
        size: Side of image and mask in pixels.

    Returns:
        The case; image float32 (size, size), whole grey levels in [0, 255], bones
        bright; mask bool (size, size).
    """
    # Film grain has its own stream, so that the anatomy does not depend on the size.
    rng, grain = np.random.default_rng([seed, index]).spawn(2)
    patient = sample_patient(rng)
    film = Film(patient, size)
    left, left_air = lung_field(film, patient.left)
    right, right_air = lung_field(film, patient.right)
    masks = {"left": left, "right": right, "both": left | right}
    air = np.maximum(left_air, right_air)
    # Lung in front of and behind the heart is faintly visible through it.
    air = np.maximum(air, 0.55 * film.blur(masks["both"], 16) * ~masks["both"])
    soft_mm = (
        body_mm(film, patient, rng)
        + chest_wall_mm(film, patient, rng)
        + mediastinum_mm(film, patient, rng)
        - airways_mm(film, patient, rng)
        + abdomen_mm(film, patient, rng)
        + air
        * (vessels_mm(film, patient, rng) + texture_mm(film, grain) - AIR_DEPTH_MM)
    )
    bone = (
        ribs(film, patient, rng)
        + spine(film, patient, rng)
        + shoulders(film, patient, rng)
    )
    attenuation = SOFT_PER_MM * np.maximum(soft_mm, 0) + bone
    image = _expose(film, attenuation, masks["both"], rng, grain)
    return RawCase(f"phantom-{index + 1:03d}", image, masks[lungs])


def make_phantoms(
    count: int = 247, *, seed: int, lungs: Lungs = "both", size: int = SIDE
) -> tuple[RawCase, ...]:
    """Draw the first `count` phantoms of a seed; see `make_phantom`.

    The default count is the number of radiographs in JSRT. A phantom of 256 px takes
    about 40 ms on one core.
    """
    return tuple(make_phantom(index, seed, lungs, size) for index in range(count))


def _expose(
    film: Film,
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
    # Quantum noise: the fewer photons arrive, the larger is the relative noise.
    density = noise * np.sqrt(np.median(beam[lung]) / beam) - np.log(beam)
    # Digital processing reduces coarse differences in brightness.
    density -= rng.uniform(0.1, 0.5) * film.blur(density, 30)
    # Automatic exposure: lung and mediastinum get chosen grey levels on the film
    # curve, a sigmoid.
    anchors = np.median(density[lung]), np.quantile(density, 0.93)
    grey = np.array([rng.uniform(0.22, 0.42), rng.uniform(0.84, 0.93)])
    low, high = np.log(grey / (1 - grey))
    contrast = (high - low) / (anchors[1] - anchors[0])
    film_curve = 1 / (1 + np.exp(-low - contrast * (density - anchors[0])))
    return np.asarray(np.rint(255 * film_curve), np.float32)
