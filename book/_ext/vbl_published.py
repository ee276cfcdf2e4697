"""How the presets "paper" differ from what was published: the directive ``{published}``.

`data/papers/training.toml` has what the authors' code trains; `differences` compares.
"""

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from vbl_tables import MarkdownDirective

from vbl.evaluation.results import load_result
from vbl.recipes import RECIPES, Recipe

PUBLISHED = Path(__file__).parents[2] / "data" / "papers" / "training.toml"
COUNTED = ("steps", "batch", "size", "lr", "warmup")  # attributes of a preset
ABOUT = ("source", "final_lr", "clip", "data", "config", "further", *COUNTED)
LABELS = {
    "size": "side of a crop",
    "lr": "largest rate",
    "warmup": "share of warm-up",
    "final_lr": "rate of the last step",
    "data": "pictures",
}


class Difference(NamedTuple):
    """One line of the table."""

    what: str
    here: str
    published: str


def published() -> dict[str, dict[str, Any]]:
    """Return what was published, by recipe."""
    return tomllib.loads(PUBLISHED.read_text("utf-8"))


def differences(recipe: Recipe, told: Mapping[str, Any]) -> Iterator[Difference]:
    """Return what of a recipe's preset "paper" differs from what was published."""
    preset = recipe.presets["paper"]
    ours = {name: getattr(preset, name) for name in COUNTED}
    ours |= {"final_lr": preset.rate(preset.steps - 1), "data": list(recipe.data)}
    pairs = [(LABELS.get(name, name), ours[name], told[name]) for name in ours if name in told]
    pairs += _of_clipping(preset.clip, told.get("clip", {}))
    pairs += [
        (f"`{name}`", getattr(preset.config, name), value) for name, value in told["config"].items()
    ]
    for what, here, there in pairs:
        if not _equal(here, there):
            yield Difference(what, _shown(here), _shown(there))
    yield from (Difference(*row) for row in told.get("further", ()))


def _of_clipping(ours: Mapping[str, float], theirs: Mapping[str, float]) -> list[tuple]:
    if ours and not theirs:
        largest = ", ".join(sorted({_shown(float(value)) for value in ours.values()}))
        return [("largest gradients", f"{largest}, by network", "any")]
    return [
        (f"largest gradient of {name}", ours.get(name, "any"), theirs.get(name, "any"))
        for name in ours | theirs
    ]


def _equal(here: Any, there: Any) -> bool:
    if isinstance(here, float) and isinstance(there, float):
        return abs(here - there) <= 1e-6 * abs(there)
    return (list(here) if isinstance(here, tuple) else here) == there


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_shown, value))
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.2g}" if abs(value) > 1e-12 else "0"
    return str(value)


class PublishedDirective(MarkdownDirective):
    """``{published}`` shows the differences of all recipes, and the hours each would take."""

    def lines(self):
        """Return a table for each recipe."""
        self.env.note_dependency(str(PUBLISHED))
        rows = load_result("benchmark-flops")["rows"]
        costs = {row["recipe"]: row for row in rows if row["preset"] == "paper"}
        lines = ["| recipe | what | here | published |", "|---|---|---|---|"]
        for name, told in published().items():
            cost = costs[name]
            lines.append(
                f"| **`{name}`** | {cost['hours']:.1f} GPU hours, estimated from "
                f"{cost['eflop']:.2g} EFLOP at 30 % of 300 TFLOP/s | | {told['source']} |"
            )
            for row in differences(RECIPES[name], told):
                lines.append(f"| | {row.what} | {row.here} | {row.published} |")
        return lines


def setup(app):
    """Register the directive."""
    app.add_directive("published", PublishedDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
