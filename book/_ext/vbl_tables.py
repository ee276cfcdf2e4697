"""Directives that print measured or declared facts, so that prose cannot disagree with them."""

import json
import re
import tomllib
from pathlib import Path
from typing import ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from vbl.evaluation import TABLES, compare
from vbl.evaluation.reproduce import METRICS, PAPERS
from vbl.evaluation.results import FOLDER
from vbl.utils import UnknownName

LOGGER = logging.getLogger(__name__)
SOURCES = {  # of the papers' values, by the start of a file's name
    "virnet": ("VIRNet", "yue2024virnet"),
    "vdir": ("VDIR", "soh2022vdir"),
    "ludvae": ("LUD-VAE", "zheng2023ludvae"),
    "vbdeblur": ("VBDeblurNet", "wang2021vbdeblurnet"),
}
METHODS = tomllib.loads((PAPERS / "methods.toml").read_text("utf-8"))
COSTS = Path(__file__).parents[2] / "data" / "results" / "chapter_costs.json"
FLOPS = COSTS.with_name("benchmark-flops.json")
TRAINED = {  # by the section "Train it yourself" of a chapter
    "03-vdn": "vdn-denoise",
    "04-virnet": "virnet-denoise",
    "05-virnet-sr": "virnet-sr-x4",
    "06-vdir": "vdir-denoise",
    "07-lud-vae": "lud-vae-correlated",
    "08-vbdeblurnet": "vbdeblur-text",
}


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
        return "not needed"
    return f"{duration(cost['seconds'])}, {cost['peak_mb'] / 1000:.1f} GB of memory"


def gpu_estimate(stem):
    """Return what the training of a chapter takes on a GPU, by counted operations, or None."""
    if stem not in TRAINED:
        return None
    rows = json.loads(FLOPS.read_text("utf-8"))["rows"]
    (row,) = (row for row in rows if (row["recipe"], row["preset"]) == (TRAINED[stem], "gpu"))
    return (
        f"*Train it yourself* takes about {60 * row['hours']:.0f} min "
        f"and {row['memory_gb']:.0f} GB of memory (not measured: estimated from "
        f"{1000 * row['eflop']:.0f} PFLOP at 30 % of 300 TFLOP/s, and from the tensors of one step)"
    )


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
        self.env.note_dependency(str(FLOPS))
        gpu = gpu_estimate(stem) if cost["gpu"] is None else None
        downloads = f"{cost['downloads_mb']:.0f} MB" if cost["downloads_mb"] else "none"
        return [
            ":::{admonition} What this chapter costs",
            ":class: vbl-cost",
            f"- **CPU:** {device_cost(cost['cpu'])}",
            f"- **GPU:** {gpu or device_cost(cost['gpu'])}",
            f"- **Downloads:** {downloads}",
            "",
            f"Measured on {cost['machine']}, {cost['date']}, with `{cost['command']}`.",
            ":::",
        ]


def table_lines(name, rows, columns, metric):
    """Return a table of the paper's rows and ours, and how ours came to be.

    Args:
        name: A key of `vbl.evaluation.tables.TABLES`.
        rows: Those to show.
        columns: The data sets and cases to show.
        metric: A key of `vbl.evaluation.reproduce.METRICS`.
    """
    beside = any(not row.ours for row in rows)
    heads = [f"{dataset}, {readable(case)}" for dataset, case in columns]
    told = r" \*: told the noise level." if any("*" in row.method for row in rows) else ""
    lines = [f":::{{list-table}} {title(name, beside)}{METRICS[metric][0]}.{told}"]
    lines += [":header-rows: 1", ":stub-columns: 1", "", *list_row("Method", heads)]
    for row in rows:
        method = f"{'ours: ' if row.ours and beside else ''}{row.method}".replace("*", r"\*")
        lines += list_row(method, [cell(row.values.get(column), metric) for column in columns])
    origins = [origin(row) for row in rows if row.ours]
    theirs = list(filter(None, [described(row) for row in rows if not row.ours]))
    head = "The methods, and how our rows were measured" if theirs else "How our rows were measured"
    return [*lines, ":::", "", f":::{{dropdown}} {head}", *theirs, *origins, ":::"]


def highlight(box, rows):
    """Give our rows of a parsed table, which also has rows of a paper, the class `vbl-ours`."""
    if all(row.ours for row in rows):
        return
    (body,) = box.findall(nodes.tbody)
    for row, line in zip(rows, body.children, strict=True):
        line["classes"] += ["vbl-ours"] * row.ours


def readable(case):
    """Return the name of a case in words that a narrow column can break."""
    written = {"sigma=": "σ = ", "noise=": "noise ", "QF=": "quality "}
    for short, long in written.items():
        case = case.replace(short, long)
    return re.sub(r"^x(?=\d)", "×", case)


def title(name, beside):
    """Return where a table comes from, as a sentence that begins its caption.

    Args:
        name: A key of `vbl.evaluation.tables.TABLES`.
        beside: Whether rows of the paper are shown.
    """
    if TABLES[name].paper is None:
        return f"{TABLES[name].about}: our rows alone. "
    start, number = TABLES[name].paper.split("_table")
    paper, key = SOURCES[start]
    source = f"{paper}, Table {number} {{cite:p}}`{key}`"
    return f"{source}, and our rows, marked. " if beside else f"Our rows of {source}. "


def list_row(head, cells):
    """Return a row of a list-table."""
    return [f"* - {head}", *(f"  - {text}" for text in cells)]


def cell(values, metric):
    """Return a number as printed, or a dash."""
    return format(values[metric], METRICS[metric][1]) if values and metric in values else "–"


def described(row):
    """Return a method of the papers in a line, as an item of a list; None if it is not known."""
    about = METHODS.get(row.method.rstrip("*"))
    return about and f"- **{row.method.replace('*', '')}**: {about}."


def origin(row):
    """Return how one of our rows came to be, as an item of a list."""
    about = row.about
    size = f", {about['parameters'] / 1e6:.2f} M parameters" if "parameters" in about else ""
    trained = f"{about['scale']} scale" if "scale" in about else about.get("trained", "no training")
    measured = f"measured {about['date']} on {about['machine']}"
    return f"- **{row.method}**: {trained}{size}; {measured}, with `{about['command']}`."


class PaperTableDirective(SphinxDirective):
    """``{paper-table} virnet-table-2`` prints a paper's rows and ours, those that have the metric.

    ``:metric:`` is a key of `vbl.evaluation.reproduce.METRICS` and "psnr" by default; what a method
    inferred about the noise is known of our rows alone. ``:sets: CBSD68, Kodak24`` shows some
    columns.
    """

    required_arguments = 1
    option_spec: ClassVar = {
        "metric": lambda text: directives.choice(text, tuple(METRICS)),
        "sets": lambda text: [name.strip() for name in text.split(",")],
    }

    def run(self):
        """Parse the table and mark our rows."""
        rows, columns, metric = self.found()
        if not rows:
            return []
        box = nodes.container()
        lines = table_lines(self.arguments[0], rows, columns, metric)
        self.state.nested_parse(StringList(lines, source=self.env.docname), 0, box)
        highlight(box, rows)
        return box.children

    def found(self):
        """Return rows, columns and metric; a warning (an error of the build) if none is ours."""
        name, metric = self.arguments[0], self.options.get("metric", "psnr")
        try:
            comparison = compare(name)
        except UnknownName as error:
            raise self.error(str(error)) from None
        self.note_sources(name)
        sets = self.options.get("sets")
        columns = [column for column in comparison.columns if not sets or column[0] in sets]
        rows = [row for row in comparison.rows if row.has(metric, columns)]
        if not any(row.ours for row in rows):
            where, missing = (self.env.docname, self.lineno), f"no result {name!r}, {metric}"
            LOGGER.warning("%s: run `vbl reproduce %s`", missing, name, location=where)
            return [], columns, metric
        return rows, columns, metric

    def note_sources(self, name):
        """Render the page again whenever a number has changed."""
        self.env.note_dependency(str(FOLDER / f"{name}.json"))
        if TABLES[name].paper is not None:
            self.env.note_dependency(str(PAPERS / f"{TABLES[name].paper}.csv"))


def setup(app):
    """Register the directives."""
    app.add_directive("cost", CostDirective)
    app.add_directive("paper-table", PaperTableDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
