"""Comparisons of trainings: each seed, their mean, and how far they scatter."""

from collections.abc import Iterable, Mapping, Sequence

from matplotlib.axes import Axes

from vbl.figures.plots import PALETTE

Numbers = Iterable[float]


def show_seeds(
    ax: Axes,
    values: Mapping[str, Numbers] | Mapping[str, Mapping[str, Numbers]],
    *,
    xlabel: str,
    colours: Sequence[str] = PALETTE,
    zero: bool = False,
) -> None:
    """Draw a row for each way to train: dots for its seeds, their mean, and one std around it.

    Args:
        ax: Where to draw; its y axis gets the names of the rows.
        values: For each row the numbers of its seeds, or these by a label that has a colour.
        xlabel: What is measured, with its unit.
        colours: Of the labels, in order.
        zero: Mark no difference with a dotted line.

    Raises:
        ValueError: If there is no number.
    """
    import pandas as pd  # with seaborn it takes two seconds, and few pages need them
    import seaborn as sns

    labelled = {
        name: found if isinstance(found, Mapping) else {"": found} for name, found in values.items()
    }
    rows = [
        {"row": name, "label": label, "value": float(value)}
        for name, by_label in labelled.items()
        for label, numbers in by_label.items()
        for value in numbers
    ]
    if not rows:
        raise ValueError("values: expected at least one number")
    labels = list(dict.fromkeys(row["label"] for row in rows))
    what = {"data": pd.DataFrame(rows), "x": "value", "y": "row", "hue": "label", "ax": ax}
    order = {"order": list(labelled), "hue_order": labels}
    palette = list(colours[: len(labels)])
    sns.stripplot(**what, **order, palette=palette, dodge=True, jitter=False, size=4.5)
    apart = 0.8 * (1 - 1 / len(labels)) or False  # as far as the dots of stripplot
    sns.pointplot(
        **what,
        **order,
        palette=palette,
        dodge=apart,
        errorbar="sd",
        linestyle="none",
        marker="|",
        markersize=11,
        err_kws={"linewidth": 1.2},
        legend=False,
    )
    if labels == [""] and ax.get_legend():
        ax.get_legend().remove()
    elif ax.get_legend():
        ax.legend(title=None)
    if zero:
        ax.axvline(0, color="k", ls=":", lw=1)
    ax.set(xlabel=xlabel, ylabel="")
