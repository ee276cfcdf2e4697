"""Directives that print measured or declared facts, so that prose cannot disagree with them."""

import json
from pathlib import Path
from typing import ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from vbl.datasets import UnknownName
from vbl.reproduce import PAPERS, TABLES, compare
from vbl.results import FOLDER

LOGGER = logging.getLogger(__name__)
METRICS = {"psnr": ("PSNR in dB", ".2f"), "ssim": ("SSIM", ".4f")}
SOURCES = {  # of the papers' values, by the start of a file's name
    "virnet": ("VIRNet", "yue2024virnet"),
    "vdir": ("VDIR", "soh2022vdir"),
    "ludvae": ("LUD-VAE", "zheng2023ludvae"),
    "vbdeblur": ("VBDeblurNet", "wang2021vbdeblurnet"),
}
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


def table_lines(comparison, metric, sets):
    """Return a table of the paper's rows and ours, and how ours came to be.

    Args:
        comparison: Of `vbl.reproduce`.
        metric: A key of `METRICS`.
        sets: The data sets to show, or none for all.
    """
    columns = [column for column in comparison.columns if not sets or column[0] in sets]
    shown = [row for row in comparison.rows if any(column in row.values for column in columns)]
    paper, number = TABLES[comparison.name].paper.split("_table")
    name, key = SOURCES[paper]
    title = f"{name}, Table {number} {{cite:p}}`{key}`, and our rows, marked. {METRICS[metric][0]}."
    heads = [f"{dataset}, {case.replace('sigma=', 'σ = ')}" for dataset, case in columns]
    lines = [f":::{{list-table}} {title}", ":header-rows: 1", ":stub-columns: 1", ""]
    lines += list_row("Method", heads)
    for row in shown:
        method = f"ours: {row.method}" if row.ours else row.method.replace("*", r"\*")
        lines += list_row(method, [cell(row.values.get(column), metric) for column in columns])
    return [*lines, ":::", "", *(origin(row) for row in shown if row.ours)]


def list_row(head, cells):
    """Return a row of a list-table."""
    return [f"* - {head}", *(f"  - {text}" for text in cells)]


def cell(values, metric):
    """Return a number as printed, or a dash."""
    return format(values[metric], METRICS[metric][1]) if values and metric in values else "–"


def origin(row):
    """Return how one of our rows came to be, as an item of a list."""
    about = row.about
    size = f", {about['parameters'] / 1e6:.2f} M parameters" if "parameters" in about else ""
    trained = f"{about['scale']} scale" if "scale" in about else about.get("trained", "no training")
    measured = f"measured {about['date']} on {about['machine']}"
    return f"- **{row.method}**: {trained}{size}; {measured}, with `{about['command']}`."


class PaperTableDirective(MarkdownDirective):
    """``{paper-table} virnet-table-2`` prints a paper's rows and ours.

    ``:metric: ssim`` shows the SSIM in place of the PSNR, ``:sets: CBSD68, Kodak24`` some columns.
    """

    required_arguments = 1
    option_spec: ClassVar = {
        "metric": lambda text: directives.choice(text, tuple(METRICS)),
        "sets": lambda text: [name.strip() for name in text.split(",")],
    }

    def lines(self):
        """Return the table, or a warning (an error of the build) when nothing of ours is kept."""
        name = self.arguments[0]
        try:
            comparison = compare(name)
        except UnknownName as error:
            raise self.error(str(error)) from None
        for source in (FOLDER / f"{name}.json", PAPERS / f"{TABLES[name].paper}.csv"):
            self.env.note_dependency(str(source))
        if not any(row.ours for row in comparison.rows):
            where = (self.env.docname, self.lineno)
            LOGGER.warning("no result %r: run `vbl reproduce %s`", name, name, location=where)
            return []
        metric = self.options.get("metric", "psnr")
        return table_lines(comparison, metric, self.options.get("sets"))


def setup(app):
    """Register the directives."""
    app.add_directive("cost", CostDirective)
    app.add_directive("paper-table", PaperTableDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
