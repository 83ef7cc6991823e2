"""Drawing a synthetic set: distinct pairs with clean masks."""

import dataclasses
import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfgansynth import pictures
from tfgansynth.arrays import ByteArray, FloatArray, Labels, MaskArray
from tfgansynth.config import SynthesisConfig
from tfgansynth.data.dataset import LUNGS, Case
from tfgansynth.data.deformations import Deformations
from tfgansynth.data.importers.canonical import read_color, read_indices
from tfgansynth.data.importers.images import read_grey, read_mask
from tfgansynth.data.similarity import DistinctFilter, count_alike
from tfgansynth.errors import InputError
from tfgansynth.runtime import storage
from tfgansynth.synthesis.failures import ModeCollapseError, empty_masks
from tfgansynth.synthesis.masks import ClassRule, clean_masks

_SHEET_COLUMNS = 15
_SHEET_PAIRS = 120
"""The paper's number of pairs: what one can look through, and viewers can show."""
_MOST_PNG_BYTES = 64 << 20
_AUGMENTATION = 1
"""Separates the random stream of the augmentation from that of z."""
DRAWN = "drawn_"
"""Begins the names of what augmented pairs were before."""
DEFORMATIONS = "deformations.npz"
"""The deformations that pairs were augmented with, where training cases taught them."""
MANIFEST = "manifest.json"
"""What a set came from, with its pairs and their hashes."""

Sampler = Callable[[FloatArray], tuple[ByteArray, ByteArray]]
"""z, float32 (m, z_dim) in [-1, 1] -> uint8 images (m, S, S[, 3]) and grey masks, uint8
(m, S, S, K)."""

Augmentation = Callable[
    [ByteArray, Labels, np.random.Generator], tuple[ByteArray, Labels]
]
"""Changes images, uint8 (m, S, S[, 3]), and their masks, uint8 (m, S, S), at random."""

Filter = Callable[[ByteArray, Labels], MaskArray]
"""uint8 images and clean masks (m, S, S) -> bool (m,): which pairs may be taken."""


@dataclasses.dataclass(frozen=True, slots=True)
class Draw:
    """Where one synthetic pair came from.

    Attributes:
        batch: Number of the batch of z, from 0.
        index: Place in that batch.
        perceptual_hash: 64-bit hash of the image, as hexadecimal digits.
    """

    batch: int
    index: int
    perceptual_hash: str


@dataclasses.dataclass(frozen=True, slots=True)
class SyntheticSet:
    """Synthetic pairs, ready to train on.

    Attributes:
        images: uint8 (n, S, S), or (n, S, S, 3) in color.
        masks: uint8 (n, S, S), clean: class indices.
        draws: Where each pair came from.
        n_drawn: Pairs drawn in all.
        n_similar: Pairs dropped because they are almost identical to a kept one.
        n_empty: Pairs dropped because nothing of their mask was left, beyond the
            negatives that are kept.
        n_disagreeing: Pairs dropped by a filter.
        before: Images and clean masks before augmentation, where there is one.
    """

    images: ByteArray
    masks: Labels
    draws: tuple[Draw, ...]
    n_drawn: int
    n_similar: int
    n_empty: int
    n_disagreeing: int = 0
    before: tuple[ByteArray, Labels] | None = None

    @property
    def n_alike(self) -> int:
        """Pairs kept by their hashes, with almost the pixels of an earlier image."""
        return count_alike(self.images)

    @property
    def n_kept_empty(self) -> int:
        """Pairs whose mask is empty, as that of training cases is."""
        return int((~self.masks.any(axis=(1, 2))).sum())


def draw_z(seed: int, batch: int, count: int, z_dim: int) -> FloatArray:
    """Draw one batch of noise, float32 (count, z_dim), uniform in [-1, 1)."""
    rng = np.random.default_rng([seed, batch])
    return rng.uniform(-1, 1, (count, z_dim)).astype(np.float32)


def augmentation_stream(z_seed: int, batch: int) -> np.random.Generator:
    """The randomness of the augmentation of a batch of drawn pairs."""
    return np.random.default_rng([z_seed, batch, _AUGMENTATION])


def as_in_training(cases: Sequence[Case], count: int) -> dict[str, Any]:
    """What `draw_set` is to know of the masks of training cases, for so many pairs.

    As large a share of the pairs as of the cases may be negatives, rounded up.
    """
    n_negatives = sum(not case.mask.any() for case in cases)
    return {
        "real_area": float(np.mean([case.coverage.mean() for case in cases])),
        "most_empty": -(-count * n_negatives // len(cases)),
    }


def draw_set(
    sampler: Sampler,
    config: SynthesisConfig,
    *,
    z_dim: int,
    z_seed: int,
    rules: Sequence[ClassRule],
    augment: Augmentation | None = None,
    agrees: Filter | None = None,
    real_area: float | None = None,
    most_empty: int = 0,
) -> SyntheticSet:
    """Draw pairs until enough distinct ones are there. Paper: IV-B.

    Args:
        sampler: The generator.
        config: The synthetic set's numbers.
        z_dim: Length of the noise vector.
        z_seed: Determines all noise.
        rules: What a clean mask keeps of each class.
        augment: Changes a batch of images and masks at random.
        agrees: Tells whose image and mask agree; only those are taken, and a pair
            that is not taken does not stand in the way of one almost identical.
        real_area: Share of the pixels that the target covers in the training masks, for
            messages; see `as_in_training`.
        most_empty: How many pairs with an empty mask are kept; see `as_in_training`.

    Raises:
        ModeCollapseError: Too few of the drawn pairs were distinct.
        EmptyMasksError: Most of their masks were empty, or all that were kept.
        InputError: Too few agreed, or no pair was asked for.
    """
    if config.count < 1:
        raise InputError(f"count: expected at least 1 pair, got {config.count}")
    distinct = DistinctFilter(
        config.hash_distance, by_pixels=config.near_duplicates == "pixels"
    )
    images: list[ByteArray] = []
    masks: list[Labels] = []
    before_images: list[ByteArray] = []
    before_masks: list[Labels] = []
    draws: list[Draw] = []
    levels = np.zeros(256, np.int64)
    n_drawn = n_similar = n_empty = n_kept_empty = n_disagreeing = 0
    batch = 0
    while len(images) < config.count:
        if n_drawn >= config.max_draws * config.count:
            if n_empty > n_similar + n_disagreeing:
                raise empty_masks(n_empty, n_drawn, levels, config, real_area)
            found = f"only {len(images)} of {n_drawn} generated pairs"
            dropped = f"{n_similar} almost identical, {n_empty} with an empty mask"
            if agrees:
                raise InputError(
                    f"{found} passed the filter ({n_disagreeing} disagree, {dropped}), "
                    f"{config.count} were asked for: lower --synthesis.min-agreement "
                    f"{config.min_agreement}, train the GAN longer, or ask for fewer"
                )
            raise ModeCollapseError(
                f"mode collapse: {found} were distinct and had a mask ({dropped}), "
                f"{config.count} were asked for: train the GAN longer or with another "
                "--seed, or ask for fewer"
            )
        drawn, greys = sampler(draw_z(z_seed, batch, config.batch, z_dim))
        levels += np.bincount(greys.ravel(), minlength=len(levels))
        cleaned = clean_masks(greys, rules, threshold=config.mask_threshold)
        before = drawn, cleaned
        if augment:
            drawn, cleaned = augment(drawn, cleaned, augmentation_stream(z_seed, batch))
        agreeing = agrees(drawn, cleaned) if agrees else np.ones(len(drawn), np.bool_)
        for index, (image, mask) in enumerate(zip(drawn, cleaned, strict=True)):
            if len(images) == config.count:
                break
            n_drawn += 1
            if not mask.any() and n_kept_empty >= most_empty:
                n_empty += 1
            elif not agreeing[index]:
                n_disagreeing += 1
            elif (text := distinct.add(image)) is None:
                n_similar += 1
            else:
                n_kept_empty += not mask.any()
                images.append(image)
                masks.append(mask)
                before_images.append(before[0][index])
                before_masks.append(before[1][index])
                draws.append(Draw(batch, index, text))
        batch += 1
    if not any(mask.any() for mask in masks):
        raise empty_masks(len(masks), len(masks), levels, config, real_area)
    return SyntheticSet(
        images=np.stack(images),
        masks=np.stack(masks),
        draws=tuple(draws),
        n_drawn=n_drawn,
        n_similar=n_similar,
        n_empty=n_empty,
        n_disagreeing=n_disagreeing,
        before=(np.stack(before_images), np.stack(before_masks)) if augment else None,
    )


def pair_name(index: int) -> str:
    """Stem of the file names of the pair with this index, from 0."""
    return f"synthetic-{index + 1:05d}"


def write_set(
    synthetic: SyntheticSet,
    manifest: dict[str, Any],
    folder: Path,
    deformations: Deformations | None = None,
) -> None:
    """Write images/, masks/, manifest.json and contact_sheet.png, all or nothing.

    Augmented pairs are kept as drawn too, for the audit for copies, and so are the
    deformations that were learned, to augment them again. The contact sheet shows the
    first 120 pairs. Masks of one class are black and white; those of several have class
    indices.

    Args:
        synthetic: The pairs.
        manifest: What is known of their provenance; the pairs are added to it. Its
            `dataset` names the classes.
        folder: Where the set appears once it is complete.
        deformations: Those that were learned to augment it.
    """
    brightest = np.uint8(255 if n_classes(manifest) == 1 else 1)
    kept = {
        "kept_by_hash_alone": synthetic.n_alike,
        "kept_with_an_empty_mask": synthetic.n_kept_empty,
    }
    with storage.whole_folder(folder) as partial:
        planes = {"image": synthetic.images, "mask": synthetic.masks * brightest}
        if synthetic.before:
            images, masks = synthetic.before
            planes |= {f"{DRAWN}image": images, f"{DRAWN}mask": masks * brightest}
        entries = []
        for index, draw in enumerate(synthetic.draws):
            name = f"{pair_name(index)}.png"
            entry = {"name": name, **dataclasses.asdict(draw)}
            for kind, stack in planes.items():
                path = partial / f"{kind}s" / name
                storage.write_png(path, stack[index])
                entry[f"{kind}_sha256"] = storage.hash_file(path)
            entries.append(entry)
        content = {
            **manifest,
            "drawn": synthetic.n_drawn,
            "dropped_as_almost_identical": synthetic.n_similar,
            "dropped_for_an_empty_mask": synthetic.n_empty,
            **kept,
            "pairs": entries,
        }
        if deformations:
            path = partial / DEFORMATIONS
            storage.write_arrays(path, {"modes": deformations.modes})
            content["deformations_sha256"] = storage.hash_file(path)
        for name in (name for name, number in kept.items() if not number):
            # A manifest may have those of a set that this one is a part of.
            del content[name]
        storage.write_record(partial / MANIFEST, content)
        sheet = pictures.pairs_sheet(
            synthetic.images[:_SHEET_PAIRS],
            synthetic.masks[:_SHEET_PAIRS],
            columns=_SHEET_COLUMNS,
        )
        storage.write_png(partial / "contact_sheet.png", sheet)


def n_classes(manifest: Mapping[str, Any]) -> int:
    """The number of classes, without the background, of a set by its manifest."""
    # A generator of unknown provenance has one class.
    return len((manifest.get("dataset") or {}).get("classes", LUNGS))


def read_set(folder: Path, prefix: str = "") -> tuple[FloatArray, Labels]:
    """Read the pairs of a set back; with the prefix `DRAWN`, what they were before.

    Returns:
        float32 (n, S, S) or (n, S, S, 3) images in [0, 255] and uint8 (n, S, S) masks,
        class indices.

    Raises:
        InputError: A file is missing or altered, or the set is empty.
    """
    manifest = storage.read_record(folder / MANIFEST)
    entries, data = manifest.get("pairs"), manifest.get("dataset") or {}
    if (
        not isinstance(entries, list)
        or not entries
        or not isinstance(data, dict)
        or not isinstance(data.get("classes", [*LUNGS]), list)
    ):
        raise InputError(f"{folder / MANIFEST}: is not a manifest of this program")
    read = read_color if data.get("channels") == 3 else read_grey
    classes = n_classes(manifest)
    pairs = [
        _read_pair(folder, index, entry, read, classes, prefix)
        for index, entry in enumerate(entries)
    ]
    images, masks = zip(*pairs, strict=True)
    shapes = {plane.shape[:2] for plane in (*images, *masks)}
    if len(shapes) > 1:
        raise InputError(f"{folder}: images and masks differ in size: {sorted(shapes)}")
    return np.stack(images), np.stack(masks)


def read_deformations(folder: Path) -> Deformations | None:
    """Read the deformations of a set that has some.

    Raises:
        InputError: The file is missing, altered, or of another form.
    """
    expected = storage.read_record(folder / MANIFEST).get("deformations_sha256")
    if expected is None:
        return None
    storage.require_files(folder, {DEFORMATIONS: expected})
    modes = storage.read_arrays(folder / DEFORMATIONS).get("modes", np.zeros(0))
    # A displacement of more than the side is none, and NaN is in no range.
    if modes.ndim != 4 or modes.shape[3] != 2 or not (np.abs(modes) <= 1).all():
        raise InputError(f"{folder / DEFORMATIONS}: holds no deformations")
    return Deformations(modes)


def _read_pair(
    folder: Path,
    index: int,
    entry: Any,
    read: Callable[[Path], FloatArray],
    classes: int,
    prefix: str,
) -> tuple[FloatArray, Labels]:
    # The name is ours, so that no manifest leads to files elsewhere.
    name = f"{pair_name(index)}.png"
    if not isinstance(entry, dict) or entry.get("name") != name:
        raise InputError(
            f"{folder / MANIFEST}: is not a manifest of this program: expected {name} "
            f"as pair {index + 1}"
        )
    kinds = f"{prefix}image", f"{prefix}mask"
    image_path, mask_path = (folder / f"{kind}s" / name for kind in kinds)
    _require_unaltered(image_path, entry.get(f"{kinds[0]}_sha256"))
    _require_unaltered(mask_path, entry.get(f"{kinds[1]}_sha256"))
    if classes > 1:
        return read(image_path), read_indices(mask_path, classes)
    return read(image_path), read_mask(mask_path).astype(np.uint8)


def _require_unaltered(path: Path, expected: Any) -> None:
    """Check a file before it is decoded."""
    try:
        if path.is_symlink() or path.parent.is_symlink():
            raise ValueError("it is a link, which leads out of the set")
        content = storage.read_bytes(path, _MOST_PNG_BYTES)
    except (OSError, ValueError) as fault:
        raise InputError(f"{path}: cannot be read ({fault})") from fault
    if hashlib.sha256(content).hexdigest() != expected:
        raise InputError(f"{path}: was altered since it was written")
