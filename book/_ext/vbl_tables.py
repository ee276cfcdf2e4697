"""Directives that print measured or declared facts, so that prose cannot disagree with them."""

import json
from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

LOGGER = logging.getLogger(__name__)
COSTS = Path(__file__).parents[2] / "data" / "results" / "chapter_costs.json"


class MarkdownDirective(SphinxDirective):
    """A directive whose content is Markdown made by :meth:`lines`."""

    def run(self):
        """Parse the lines where the directive stands."""
        box = nodes.container()
        self.state.nested_parse(StringList(self.lines(), source=self.env.docname), 0, box)
        return box.children


def duration(seconds):
    """Return a time as a reader would say it: 8 s, 95 s, 4 min."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def device_cost(cost):
    """Return time and memory on one device; None means the chapter does not use it."""
    if cost is None:
        return "not needed: nothing in this chapter runs on one"
    return f"{duration(cost['seconds'])}, {cost['peak_mb'] / 1000:.1f} GB of memory"


class CostDirective(MarkdownDirective):
    """``{cost} 01-what-a-picture-lost`` says what running that notebook takes."""

    required_arguments = 1

    def lines(self):
        """Return the box, or a warning (an error of the build) when nothing was measured."""
        self.env.note_dependency(str(COSTS))
        stem = self.arguments[0]
        costs = json.loads(COSTS.read_text("utf-8")) if COSTS.exists() else {}
        if stem not in costs:
            where = (self.env.docname, self.lineno)
            LOGGER.warning("%s has no entry %r", COSTS.name, stem, location=where)
            return []
        cost = costs[stem]
        downloads = f"{cost['downloads_mb']:.0f} MB" if cost["downloads_mb"] else "none"
        return [
            ":::{admonition} What this chapter costs",
            ":class: vbl-cost",
            f"- **CPU:** {device_cost(cost['cpu'])}",
            f"- **GPU:** {device_cost(cost['gpu'])}",
            f"- **Downloads:** {downloads}",
            "",
            f"Measured on {cost['machine']}, {cost['date']}, with `{cost['command']}`.",
            ":::",
        ]


def setup(app):
    """Register the directives."""
    app.add_directive("cost", CostDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
