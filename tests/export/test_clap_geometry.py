"""Where tokens lie, against the rolls, partitions and slices that they stand for."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs PyTorch, from the extra `export`")

from torch.nn import functional  # noqa: E402 - after the skip

from export.clap.geometry import (  # noqa: E402
    MASKED,
    N_FRAMES,
    Image,
    bicubic_taps,
    merged_cells,
    positions_in,
    relative_positions,
    shift_mask,
    window_of,
    window_order,
)

GRIDS = [image.grid(stage) for image in Image for stage in range(4)]
SHIFTED = [(grid, 4) for grid in GRIDS if max(grid) > 8]

pytestmark = pytest.mark.filterwarnings("ignore:torch.meshgrid:UserWarning")  # of laion_clap
every_order = pytest.mark.parametrize(("grid", "shift"), [*((grid, 0) for grid in GRIDS), *SHIFTED])


def laion():
    """laion_clap's HTSAT, or a skip."""
    from export.clap.reference import ReferenceMissingError, _load_htsat  # noqa: PLC0415

    try:
        return _load_htsat()[1]
    except ReferenceMissingError as error:
        pytest.skip(str(error))


def cells_of(grid: tuple[int, int]) -> torch.Tensor:
    return torch.arange(grid[0] * grid[1]).view(grid)


def test_half_an_image_is_as_wide_as_the_whole_and_half_as_high():
    assert [Image.WHOLE.grid(stage) for stage in range(4)] == [(64, 64), (32, 32), (16, 16), (8, 8)]
    assert [Image.HALF.grid(stage) for stage in range(4)] == [(32, 64), (16, 32), (8, 16), (4, 8)]
    assert (Image.WHOLE.n_frames, Image.HALF.n_frames) == (1024, 512)


@every_order
def test_every_cell_of_a_grid_stands_once_in_its_window_order(grid, shift):
    order = window_order(grid, shift)
    assert sorted(order) == list(range(grid[0] * grid[1]))


@every_order
def test_window_order_is_a_roll_and_then_window_after_window(grid, shift):
    rolled = torch.roll(cells_of(grid), (-shift, -shift), (0, 1))
    height, width = window_of(grid)
    windows = [
        rolled[row : row + height, column : column + width].flatten()
        for row, column in itertools.product(range(0, grid[0], height), range(0, grid[1], width))
    ]
    assert window_order(grid, shift).tolist() == torch.cat(windows).tolist()


@pytest.mark.parametrize("side", [64, 32, 16, 8])
def test_the_whole_images_windows_are_those_of_laion_clap(side):
    rolled = torch.roll(cells_of((side, side)), (-4, -4), (0, 1))[None, :, :, None]
    expected = laion().window_partition(rolled, 8)
    assert window_order((side, side), 4).tolist() == expected.flatten().tolist()


@pytest.mark.parametrize("side", [64, 32, 16])
def test_the_whole_images_mask_is_that_of_laion_clap_but_for_its_value(side):
    block = laion().SwinTransformerBlock(8, (side, side), num_heads=1, window_size=8, shift_size=4)
    mask = shift_mask((side, side), 4)
    assert mask.shape == (len(block.attn_mask), 1, 64, 64)
    np.testing.assert_array_equal(mask[:, 0] == MASKED, block.attn_mask.numpy() == -100.0)
    np.testing.assert_array_equal(mask[:, 0] == 0.0, block.attn_mask.numpy() == 0.0)


@pytest.mark.parametrize(("grid", "shift"), SHIFTED)
@pytest.mark.parametrize("seam", [MASKED, -2.0, 0.0])
def test_tokens_are_kept_apart_if_only_the_roll_made_them_neighbours(grid, shift, seam):
    n_tokens = window_of(grid)[0] * window_of(grid)[1]
    row, column = np.divmod(window_order(grid, shift).reshape(-1, n_tokens), grid[1])
    # What the roll carried from the grid's beginning to its end.
    carried_down = (row - shift) % grid[0] >= grid[0] - shift
    carried_right = (column - shift) % grid[1] >= grid[1] - shift
    below = carried_down[:, :, None] != carried_down[:, None, :]
    beside = carried_right[:, :, None] != carried_right[:, None, :]
    expected = np.where(beside, MASKED, np.where(below, seam, 0.0)).astype(np.float32)[:, None]
    np.testing.assert_array_equal(shift_mask(grid, shift, seam=seam), expected)


@pytest.mark.parametrize("grid", [grid for grid in GRIDS if min(grid) > 4])
def test_four_cells_unite_in_the_order_of_patch_mergings_slices(grid):
    cells = cells_of(grid)
    slices = [cells[0::2, 0::2], cells[1::2, 0::2], cells[0::2, 1::2], cells[1::2, 1::2]]
    fours = torch.stack([part.flatten() for part in slices], dim=1).numpy()
    order = window_order((grid[0] // 2, grid[1] // 2), 0)
    np.testing.assert_array_equal(merged_cells(grid).reshape(-1, 4), fours[order])


def test_patch_merging_of_laion_clap_unites_the_same_cells():
    merging = laion().PatchMerging((16, 16), dim=1)
    merging.norm = merging.reduction = torch.nn.Identity()
    fours = merging(cells_of((16, 16)).view(1, -1, 1).float())[0].long().numpy()
    np.testing.assert_array_equal(merged_cells((16, 16)).reshape(-1, 4), fours[window_order((8, 8), 0)])


def test_positions_tell_where_in_an_order_cells_stand(rng):
    order, cells = rng.permutation(50), rng.permutation(50)
    np.testing.assert_array_equal(order[positions_in(order, cells)], cells)


@pytest.mark.parametrize("window", [(8, 8), (4, 8)])
def test_a_pair_of_tokens_looks_up_the_bias_of_the_distance_between_them(window):
    tokens = list(itertools.product(range(window[0]), range(window[1])))
    expected = [[(a[0] - b[0] + 7) * 15 + a[1] - b[1] + 7 for b in tokens] for a in tokens]
    np.testing.assert_array_equal(relative_positions(window), expected)


def test_bias_is_looked_up_as_laion_clap_does_it():
    index = laion().WindowAttention(8, (8, 8), num_heads=1).relative_position_index.numpy()
    np.testing.assert_array_equal(relative_positions((8, 8)), index)
    # A window of four rows is the upper half of one of eight.
    np.testing.assert_array_equal(relative_positions((4, 8)), index[:32, :32])


def as_matrix(taps: np.ndarray, weights: np.ndarray, n_in: int) -> np.ndarray:
    matrix = np.zeros((len(taps), n_in))
    for out, (places, shares) in enumerate(zip(taps, weights, strict=True)):
        np.add.at(matrix[out], places, shares)
    return matrix


@pytest.mark.parametrize(("n_in", "n_out"), [(N_FRAMES, 1024), (5, 13)])
def test_frames_are_stretched_as_torch_stretches_them(n_in, n_out):
    # In double precision: in single, torch's own positions are off by up to 1e-4 frames.
    unit = torch.eye(n_in, dtype=torch.float64)[None, None]
    expected = functional.interpolate(unit, (n_out, n_in), mode="bicubic", align_corners=True)[0, 0].numpy()
    taps, weights = bicubic_taps(n_in, n_out)
    assert (weights.shape, weights.dtype) == ((n_out, 4), np.float32)
    assert np.abs(as_matrix(taps, weights, n_in) - expected).max() <= 1e-6
