"""Generated Tetrominoes: geometry of the original, uniform factors, one image by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chisquare

from tuskbench.data.generators import tetrominoes
from tuskbench.data.generators.tetrominoes import BLOCK, CANVAS, LEVELS, SHAPES, render
from tuskbench.data.scenes import Scenes


@pytest.fixture(scope="module")
def scenes() -> Scenes:
    return render((3, 3), 0, "test", np.arange(3000))


def bitmap(rows: tuple[str, ...]) -> np.ndarray:
    return np.array([[square == "#" for square in row] for row in rows])


def test_shapes_are_the_nineteen_fixed_tetrominoes() -> None:
    grown = {frozenset({(0, 0)})}
    for _ in range(3):
        grown = {
            frozenset(piece | {(x + dx, y + dy)})
            for piece in grown
            for x, y in piece
            for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1))
            if (x + dx, y + dy) not in piece
        }
    moved = {
        frozenset((x - min(p[0] for p in piece), y - min(p[1] for p in piece)) for x, y in piece)
        for piece in grown
    }
    ours = {frozenset(map(tuple, (squares // BLOCK).tolist())) for squares in tetrominoes.squares()}
    assert len(moved) == 19
    assert ours == moved


def test_names_of_turned_shapes_go_together() -> None:
    by_letter: dict[str, list[np.ndarray]] = {}
    for name, rows in SHAPES.items():
        by_letter.setdefault(name[0], []).append(bitmap(rows))
    for pieces in by_letter.values():
        turned = {
            (np.rot90(pieces[0], k).shape, np.rot90(pieces[0], k).tobytes()) for k in range(4)
        }
        assert turned == {(piece.shape, piece.tobytes()) for piece in pieces}


def test_all_pieces_are_whole_and_apart(scenes: Scenes) -> None:
    for piece in (1, 2, 3):
        assert ((scenes.masks == piece).sum((1, 2)) == 4 * BLOCK**2).all()
    assert ((scenes.masks > 0) == (scenes.images.max(1) > 0)).all()


def test_factors_are_uniform_and_independent(scenes: Scenes) -> None:
    joint = scenes.factors["shape"].astype(int) * 6 + scenes.factors["colour"]
    counts = np.bincount(joint.ravel(), minlength=114)
    assert chisquare(counts).pvalue > 0.01
    assert chisquare(counts.reshape(19, 6).sum(1)).pvalue > 0.01


def test_corners_reach_where_the_original_has_them(scenes: Scenes) -> None:
    corners = scenes.factors["corner"]
    shape = scenes.factors["shape"]
    extent = tetrominoes.squares().max(1) + BLOCK
    assert corners.min() == 0
    # The largest corner listed for the original is 29 = 35 - 5 - 1, of an upright bar.
    assert corners.max() == CANVAS - BLOCK - 1
    assert (corners + extent[shape]).max() == CANVAS - 1


def test_an_image_by_hand() -> None:
    scenes = render((3, 3), 0, "test", np.array([5]))
    shape, colour = scenes.factors["shape"][0], scenes.factors["colour"][0]
    image, mask = np.zeros((CANVAS, CANVAS, 3), np.uint8), np.zeros((CANVAS, CANVAS), np.uint8)
    rgb = list(tetrominoes.COLOURS.values())
    for piece, rows in enumerate(np.array(list(SHAPES.values()), object)[shape], start=1):
        x, y = scenes.factors["corner"][0, piece - 1]
        squares = bitmap(rows)
        tiled = np.kron(squares, LEVELS)
        height, width = tiled.shape
        place = np.s_[y : y + height, x : x + width]
        image[place] += tiled[..., None] * np.array(rgb[colour[piece - 1]], np.uint8)
        mask[place] += np.kron(squares, np.full((BLOCK, BLOCK), piece)).astype(np.uint8)
    assert np.array_equal(scenes.images[0].transpose(1, 2, 0), image)
    assert np.array_equal(scenes.masks[0], mask)


def test_a_square_is_bevelled_as_measured() -> None:
    assert LEVELS[0].tolist() == [191, 255, 255, 255, 223]
    assert LEVELS[2].tolist() == [127, 159, 159, 159, 191]
    assert LEVELS[4].tolist() == [95, 63, 63, 63, 127]


@pytest.mark.parametrize("count_range", [(3, 3), (4, 6)])
def test_a_scene_does_not_depend_on_its_batch(count_range: tuple[int, int]) -> None:
    together = render(count_range, 1, "s", np.arange(20))
    alone = render(count_range, 1, "s", np.array([13]))
    for name, array in alone.arrays.items():
        assert np.array_equal(together.arrays[name][13:14], array), name


def test_streams_and_seeds_differ() -> None:
    first = render((3, 3), 0, "a", np.arange(4)).images
    assert not np.array_equal(first, render((3, 3), 0, "b", np.arange(4)).images)
    assert not np.array_equal(first, render((3, 3), 1, "a", np.arange(4)).images)


def test_more_pieces_fit_and_absent_ones_leave_no_trace() -> None:
    scenes = render((4, 6), 0, "more", np.arange(60))
    present = scenes.factors["shape"] >= 0
    assert set(present.sum(1)) == {4, 5, 6}
    for piece in range(6):
        pixels = (scenes.masks == piece + 1).sum((1, 2))
        assert (pixels == 100 * present[:, piece]).all()
    assert (scenes.factors["colour"][~present] == -1).all()
    assert (scenes.factors["corner"][~present] == 0).all()


def test_too_many_pieces_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tetrominoes, "ATTEMPTS", 3)
    with pytest.raises(ValueError, match="do not fit"):
        render((14, 14), 0, "s", np.arange(2))
