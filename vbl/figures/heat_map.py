"""A table of numbers as colours."""

from collections.abc import Collection, Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

Cells = Mapping[str, Mapping[str, float | None]]
DIVERGING = "PuOr"  # orange and purple are told apart by every common form of colour vision


def heat_map(
    values: Cells, *, label: str, limit: float, marked: Collection[tuple[str, str]] = ()
) -> Figure:
    """Numbers in coloured cells: white at zero, orange below, purple above it.

    Args:
        values: Row to column to number; a cell that is None or not there stays empty.
        label: What is shown, with its unit.
        limit: Size of a number at which its colour is full.
        marked: Pairs of a row and a column that get a frame.

    Raises:
        ValueError: If there is no row.
    """
    if not values:
        raise ValueError("values: expected at least one row")
    columns = list(dict.fromkeys(column for row in values.values() for column in row))
    grid = np.array(
        [[_number(row.get(column)) for column in columns] for row in values.values()], float
    )
    figure, ax = plt.subplots(figsize=(2.4 + 0.68 * len(columns), 0.9 + 0.235 * len(values)))
    image = ax.imshow(grid, cmap=DIVERGING, aspect="auto", vmin=-limit, vmax=limit)
    ax.set_xticks(range(len(columns)), columns)
    ax.set_yticks(range(len(values)), list(values))
    ax.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    ax.grid(visible=False)
    ax.spines[:].set_visible(False)
    for (row, column), value in np.ndenumerate(grid):
        if np.isfinite(value):
            full = abs(value) > 0.6 * limit
            style = {"color": "white" if full else "black", "fontsize": 7.5}
            text = f"{round(value, 1) + 0.0:.1f}"  # never -0.0
            ax.text(column, row, text, ha="center", va="center", **style)
        if (list(values)[row], columns[column]) in marked:
            frame = Rectangle((column - 0.47, row - 0.45), 0.94, 0.9, fill=False, lw=1.4)
            ax.add_patch(frame)
    figure.colorbar(image, label=label, shrink=0.6, extend="both")
    return figure


def _number(value: float | None) -> float:
    return np.nan if value is None else value
