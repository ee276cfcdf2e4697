"""The report of `vbl adapt`: one file of HTML, what was found and what speaks against it."""

import base64
import html
import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from torch import Tensor

from vbl.figures import plots
from vbl.figures.without_truth import cut_alike, noise_numbers, split_half, taken_and_made
from vbl.images import open_folder
from vbl.images.piles import prepared
from vbl.models import load
from vbl.training import Adapted
from vbl.utils import complete_or_absent

APART = 0.15  # of the noise taken out, by which what was made may differ
WHITE = 0.1  # difference of a correlation that is doubtful, too
MOVED = 1.2  # drift of a burst


@dataclass(frozen=True)
class Measured:
    """What is measured without a truth.

    Attributes:
        rows: By name the numbers of a column each: taken out, made.
        burst: What a burst says, in dB; empty without one.
        doubts: What speaks against the result, a sentence each.
        figures: Title and what to see, to a figure.
    """

    rows: dict[str, tuple[float, ...]]
    burst: dict[str, float]
    doubts: list[str]
    figures: dict[tuple[str, str], Figure]


@torch.no_grad()
def measured(made: Adapted, burst: Path | None = None) -> Measured:
    """Measure an adapted denoiser on the middles of some noisy pictures.

    Args:
        made: A finished adaptation.
        burst: A folder of exposures of one scene that does not move.
    """
    denoiser = load(str(made.weights))
    denoiser.config = replace(denoiser.config, levels=(0.0, 1.0))  # as the noisy pictures are
    y = cut_alike(made.noisy)
    pairs = taken_and_made(denoiser, made.make, y)
    numbers = [noise_numbers(*pair) for pair in pairs.values()]
    rows = {name: tuple(column[name] for column in numbers) for name in numbers[0]}
    said = _doubts(rows)
    found = {}
    if burst is not None:
        facts = made.facts["noisy"]
        exposures = cut_alike(prepared(open_folder(burst), facts.channels, facts.levels), count=32)
        half = split_half(denoiser, exposures)
        found = {"noisy": half.noisy, "restored": half.restored}
        if half.drift > MOVED:
            said.append(f"The burst has moved: its halves differ {half.drift:.1f} times as much.")
    return Measured(rows, found, said, _figures(pairs))


def _doubts(rows: Mapping[str, tuple[float, ...]]) -> list[str]:
    """What speaks against a denoiser."""
    found = []
    taken, made = rows["std (of 255)"]
    if abs(made / max(taken, 1e-6) - 1) > APART:
        more = "stronger" if made > taken else "weaker"
        found.append(f"A {more} noise was made than the denoiser takes out: train for longer.")
    alike = rows["correlation, next pixel"]
    if abs(alike[0] - alike[1]) > WHITE:
        found.append("The noise that is taken out has another correlation than what was made.")
    return found


def _figures(pairs: Mapping[str, tuple[Tensor, Tensor]]) -> dict[tuple[str, str], Figure]:
    plots.use_style()
    (y, x), (made, _) = pairs.values()
    noise = (0.5 + 4 * (y - x)[:1]).clamp(0, 1)
    added = (0.5 + 4 * (made - x)[:1]).clamp(0, 1)
    strip = {"noisy": y[:1].clamp(0, 1), "restored": x[:1]}
    noises = {"taken out, 4 times": noise, "made, 4 times": added}
    return {
        ("A picture", STRIP): plots.show(strip | noises, columns=2),
        ("The noise", PROFILE): plots.noise_profile(pairs),
    }


STRIP = """The noise that is taken out should look like the noise that was made. Outlines of what
the picture shows, in the noise that is taken out, are a loss."""
PROFILE = """Left: its strength against the value of the picture. Middle: how alike neighbours are.
Right: its histogram. If the denoiser takes out what it was trained on, the two lines of each
panel agree; where it takes out less, noise is left, and where it takes out more, something of the
pictures went with it."""


def write_report(path: Path, made: Adapted, found: Measured) -> None:
    """Write the report, one file of HTML that needs no other; the figures are closed."""
    said = (*made.doubts, *found.doubts)
    parts = [f'<p class="doubt">{html.escape(doubt)}</p>' for doubt in said]
    parts.append(_table(("pile", *PILE), [(n, *_row(f)) for n, f in made.facts.items()]))
    noise = [(name, *(f"{v:.2f}" for v in values)) for name, values in found.rows.items()]
    parts.append(_table(("the noise", "taken out", "made"), noise))
    if found.burst:
        rows = [(name, f"{value:.2f}") for name, value in found.burst.items()]
        parts.append(_table(("split-half of the burst", "PSNR (dB)"), rows))
    for (title, caption), figure in found.figures.items():
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=130)
        plt.close(figure)
        data = base64.b64encode(file.getvalue()).decode()
        parts.append(f'<h2>{title}</h2><img alt="{title}" src="data:image/png;base64,{data}">')
        parts.append(f"<p>{caption}</p>")
    with complete_or_absent(path) as file:
        file.write(PAGE.replace("BODY", "\n".join(parts)).encode())


PILE = ("pictures", "kind", "black or white", "noise where quiet (of 255)", "next pixel alike")


def _row(facts: Any) -> tuple[str, ...]:
    kind = f"{'grey' if facts.channels == 1 else 'colour'}{', deep' if facts.deep else ''}"
    if facts.levels != (0.0, 1.0):
        kind += f", values {facts.levels[0]:.4f} to {facts.levels[1]:.4f} used"
    noise = f"{255 * facts.std:.1f}", f"{facts.lag:.2f}"
    return str(facts.count), kind, f"{facts.clipped:.1%}", *noise


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    def line(cells: tuple[str, ...], tag: str) -> str:
        return "<tr>" + "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    body = "\n".join(line(row, "td") for row in rows)
    return f"<table><thead>{line(head, 'th')}</thead><tbody>{body}</tbody></table>"


PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>A denoiser for your camera</title>
<style>body { font-family: sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
line-height: 1.5 } img { max-width: 100% } table { margin: 1rem 0; border-collapse: collapse }
th, td { padding: 0.2rem 1rem 0.2rem 0; text-align: left; border-bottom: 1px solid #ddd }
.doubt { border-left: 4px solid #d55e00; padding-left: 0.8rem }</style></head><body>
<h1>A denoiser for your camera</h1>
<p>Measured without a truth, on the middles of some noisy pictures. What has a bar at its left
speaks against the piles or the result.</p>
BODY
</body></html>
"""
