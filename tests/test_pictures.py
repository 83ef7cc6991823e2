import numpy as np
import pytest

from tfgansynth import pictures
from tfgansynth.arrays import ByteArray, MaskArray
from tfgansynth.pictures import PREDICTION, TRUTH

WHITE = (245, 245, 245)


def square() -> MaskArray:
    mask = np.zeros((16, 16), np.bool_)
    mask[4:10, 5:12] = True
    return mask


def ring(mask: MaskArray) -> MaskArray:
    """Pixels of a mask that have a 4-neighbor outside it."""
    padded = np.pad(mask, 1)
    inside = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return np.asarray(mask & ~inside)


def colored(picture: ByteArray, color: tuple[int, int, int]) -> MaskArray:
    return np.asarray((picture == np.array(color, np.uint8)).all(-1))


@pytest.mark.parametrize("scale", [1, 2, 3])
def test_outline_has_its_color_on_the_contour_and_nowhere_else(scale: int) -> None:
    image = np.full((16, 16), 90, np.uint8)
    drawn = pictures.outline(image, square(), TRUTH, scale)
    assert drawn.shape == (16 * scale, 16 * scale, 3)
    assert drawn.dtype == np.uint8
    large = np.kron(square(), np.ones((scale, scale), np.bool_))
    np.testing.assert_array_equal(colored(drawn, TRUTH), ring(large))
    assert (drawn[~ring(large)] == 90).all()


def test_outline_follows_every_component_and_hole() -> None:
    mask = np.zeros((24, 24), np.bool_)
    mask[2:14, 2:14] = True
    mask[6:10, 6:10] = False
    mask[17:20, 17:20] = True
    green = colored(
        pictures.outline(np.zeros((24, 24), np.uint8), mask, scale=1), TRUTH
    )
    assert green[2, 2:14].all()
    assert green[5, 6:10].all()
    assert green[17, 17:20].all()
    assert not green[18, 18]
    assert not green[7:9, 7:9].any()


def test_second_outline_goes_over_the_first_one() -> None:
    image = np.zeros((16, 16), np.uint8)
    truth = pictures.outline(image, square(), TRUTH, scale=4)
    moved = np.roll(square(), 2, axis=0)
    both = pictures.outline(truth, moved, PREDICTION, scale=4)
    assert both.shape == (64, 64, 3)
    large = np.kron(moved, np.ones((4, 4), np.bool_))
    np.testing.assert_array_equal(colored(both, PREDICTION), ring(large))
    assert colored(both, TRUTH).any()
    # The first picture stays as it was.
    assert not colored(truth, PREDICTION).any()


def test_empty_mask_draws_nothing() -> None:
    image = np.full((16, 16), 30, np.uint8)
    drawn = pictures.outline(image, np.zeros((16, 16), np.bool_))
    np.testing.assert_array_equal(drawn, pictures.enlarge(image, 2))


def test_enlarged_image_is_grey_rgb() -> None:
    image = np.random.default_rng(0).integers(0, 256, (5, 7), np.uint8)
    large = pictures.enlarge(image, 3)
    assert large.shape == (15, 21, 3)
    assert (large == large[..., :1]).all()
    np.testing.assert_array_equal(pictures.enlarge(image, 1)[..., 0], image)


def tiles(count: int) -> list[ByteArray]:
    return [np.full((3, 5, 3), 10 * (index + 1), np.uint8) for index in range(count)]


@pytest.mark.parametrize(
    ("count", "columns", "shape"),
    [
        (1, 1, (11, 13, 3)),
        (6, 3, (18, 31, 3)),
        (4, 3, (18, 31, 3)),
        (2, 3, (11, 31, 3)),
    ],
)
def test_grid_has_a_gap_around_every_tile(
    count: int, columns: int, shape: tuple[int, ...]
) -> None:
    picture = pictures.grid(tiles(count), columns, gap=4)
    assert picture.shape == shape
    expected = np.full(shape, WHITE, np.uint8)
    for index, tile in enumerate(tiles(count)):
        top, left = 4 + index // columns * 7, 4 + index % columns * 9
        expected[top : top + 3, left : left + 5] = tile
    np.testing.assert_array_equal(picture, expected)


def test_caption_stands_above_the_picture_and_fits() -> None:
    picture = np.full((20, 60, 3), 99, np.uint8)
    for text in ("a", "a text much longer than sixty pixels hold in that font"):
        shown = pictures.caption(picture, text)
        assert shown.shape == (44, 60, 3)
        np.testing.assert_array_equal(shown[24:], picture)
        ink = np.any(shown[:24] < 200, axis=(0, 2))
        assert ink.any()
        # Cut off, the line would run into the right border.
        assert not ink[-2:].any()


def cell(sheet: ByteArray, row: int, column: int) -> ByteArray:
    """One picture of a sheet of 16 px pairs, enlarged twice, by its row."""
    # Every two rows of pictures are a grid with its own upper gap.
    top = row // 2 * (2 * 36 + 4) + row % 2 * 36 + 4
    left = 4 + column * 36
    return sheet[top : top + 32, left : left + 32]


@pytest.mark.parametrize("count", [1, 3, 4, 5])
def test_sheet_of_pairs_shows_images_and_their_outlines(count: int) -> None:
    images = np.stack([np.full((16, 16), 20 * (i + 1), np.uint8) for i in range(count)])
    masks = np.stack(
        [np.roll(square(), i, axis=1).astype(np.uint8) for i in range(count)]
    )
    sheet = pictures.pairs_sheet(images, masks, columns=3)
    rows = -(-count // 3)
    assert sheet.shape == (rows * (2 * 36 + 4), 3 * 36 + 4, 3)
    for index in range(rows * 3):
        row, column = 2 * (index // 3), index % 3
        plain, drawn = cell(sheet, row, column), cell(sheet, row + 1, column)
        if index < count:
            assert (plain == 20 * (index + 1)).all()
            np.testing.assert_array_equal(
                drawn, pictures.outline(images[index], masks[index])
            )
            assert colored(drawn, TRUTH).any()
        else:
            assert (plain == 255).all()
            assert (drawn == 255).all()


@pytest.mark.parametrize("name", ["case", "\u00e9\u4e2d", "\udcff"])
def test_any_name_can_be_a_caption(name: str) -> None:
    picture = np.zeros((8, 64, 3), np.uint8)
    shown = pictures.caption(picture, name)
    assert shown.shape == (32, 64, 3)
    plain = pictures.caption(picture, name.encode("ascii", "replace").decode())
    assert (shown == plain).all()
    assert (shown[:24] < 100).any()
