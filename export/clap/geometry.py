"""Where things lie in HTSAT's image: patches, windows, shifts, mergings and the stretched frames.

The log-mel of 1024 frames and 64 bands is cut into 4 stretches of time that are stacked to an image of
256 x 256 (rows: stretch and band; columns: time), and that into 64 x 64 patches, the cells of a grid.
Attention is within windows of 8 x 8 cells.

A window of five seconds fills the clip by being repeated, so that the lower half of the image shows the same
as the upper. `Image.HALF` is the upper half alone.
"""

from __future__ import annotations

import enum

import numpy as np
from numpy.typing import NDArray

from export.clap.architecture import MEL_BINS, PATCH_SIZE, SPEC_SIZE, WINDOW_SIZE

N_FRAMES = 1001
MASKED = -1.0e4
"""Where the original has -100, whose exponential is a denormal number: slow, and as good as zero."""
SEAM = -1.8
"""Where half an image meets itself. In the whole, one half's last rows attend to the other's first (0), and
the other's last are kept apart from the first (-1e4). Between the two, this came nearest to both with five
sets of random weights; either alone leaves twice the difference."""


class Image(enum.Enum):
    """How much of the image is looked at: the number of stretches of time, of 256 frames each."""

    WHOLE = SPEC_SIZE // MEL_BINS
    HALF = WHOLE // 2

    @property
    def n_frames(self) -> int:
        """Stretched frames in it."""
        return self.value * SPEC_SIZE

    def grid(self, stage: int) -> tuple[int, int]:
        """Rows and columns of a stage's grid."""
        side = SPEC_SIZE // PATCH_SIZE >> stage
        return side * self.value // Image.WHOLE.value, side


def window_of(grid: tuple[int, int]) -> tuple[int, int]:
    """Rows and columns of a window; a grid that is smaller is one window."""
    return min(grid[0], WINDOW_SIZE), min(grid[1], WINDOW_SIZE)


def window_order(grid: tuple[int, int], shift: int) -> NDArray[np.int64]:
    """Cells of a grid (row · columns + column), window after window, cyclically shifted.

    Returns: (rows · columns,) int64.
    """
    row, column = (_along(side, size, shift) for side, size in zip(grid, window_of(grid), strict=True))
    cells: NDArray[np.int64] = (row[:, None, :, None] * grid[1] + column[None, :, None, :]).reshape(-1)
    return cells


def shift_mask(grid: tuple[int, int], shift: int, *, seam: float = MASKED) -> NDArray[np.float32]:
    """What keeps tokens apart that only the cyclic shift made neighbours.

    seam: between the grid's last rows and its first; see `SEAM`.
    Returns: (n_windows, 1, n_tokens, n_tokens) float32, 0, -1e4 or `seam`; windows and tokens as in
        `window_order`.
    """
    window = window_of(grid)
    row, column = (_along(side, size, shift) < shift for side, size in zip(grid, window, strict=True))
    # Along either side, a shifted window holds cells of the grid's end, or of its beginning, or of both.
    shape = (len(row), len(column), *window)
    lower = np.broadcast_to(row[:, None, :, None], shape).reshape(-1, window[0] * window[1])
    right = np.broadcast_to(column[None, :, None, :], shape).reshape(lower.shape)
    across_rows = lower[:, None, :, None] != lower[:, None, None, :]
    across_columns = right[:, None, :, None] != right[:, None, None, :]
    return np.where(across_columns, MASKED, np.where(across_rows, seam, 0.0)).astype(np.float32)


def merged_cells(grid: tuple[int, int]) -> NDArray[np.int64]:
    """For each cell of the grid of half the sides, in its window order, the four cells that it unites.

    Returns: (rows · columns,) int64: (2r, 2c), (2r+1, 2c), (2r, 2c+1), (2r+1, 2c+1) of each in turn.
    """
    n_rows, n_columns = grid
    row, column = np.divmod(window_order((n_rows // 2, n_columns // 2), 0), n_columns // 2)
    first = 2 * row * n_columns + 2 * column
    cells: NDArray[np.int64] = first[:, None] + np.array([0, n_columns, 1, n_columns + 1])
    return cells.reshape(-1)


def positions_in(order: NDArray[np.int64], cells: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where in `order` each of `cells` stands."""
    positions = np.empty_like(order)
    positions[order] = np.arange(len(order))
    found: NDArray[np.int64] = positions[cells]
    return found


def relative_positions(window: tuple[int, int]) -> NDArray[np.int64]:
    """For each pair of a window's tokens, the row of the bias table that tells how far they are apart.

    Returns: (n_tokens, n_tokens) int64 within 0 and 15 · 15 - 1.
    """
    row, column = np.divmod(np.arange(window[0] * window[1]), window[1])
    rows = row[:, None] - row[None, :] + WINDOW_SIZE - 1
    columns = column[:, None] - column[None, :] + WINDOW_SIZE - 1
    table_rows: NDArray[np.int64] = rows * (2 * WINDOW_SIZE - 1) + columns
    return table_rows


def bicubic_taps(n_in: int, n_out: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Bicubic interpolation, corners aligned, as `torch.nn.functional.interpolate` does it (a = -0.75).

    Returns: (n_out, 4) int64 which inputs, and (n_out, 4) float32 their weights.
    """
    source = np.arange(n_out) * ((n_in - 1) / (n_out - 1))
    nearest = np.floor(source).astype(np.int64)[:, None] + np.arange(-1, 3)
    distance = np.abs(source[:, None] - nearest)
    a = -0.75
    inner = ((a + 2.0) * distance - (a + 3.0)) * distance**2 + 1.0
    outer = a * (((distance - 5.0) * distance + 8.0) * distance - 4.0)
    weights = np.where(distance <= 1.0, inner, outer).astype(np.float32)
    return np.clip(nearest, 0, n_in - 1), weights


def _along(side: int, window: int, shift: int) -> NDArray[np.int64]:
    """Coordinates along one side of each window's cells. Returns: (n_windows_along, window) int64."""
    return (np.arange(side).reshape(-1, window) + shift) % side
