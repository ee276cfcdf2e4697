"""Every numbered table of the papers, and what this book has for it.

::

    for entry in ledger():
        print(entry.paper, entry.state, entry.text)
"""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass

from vbl.evaluation.reproduce import PAPERS, Comparison, Row, compare, paper_values
from vbl.evaluation.tables import TABLES

STATES = ("reproduced", "substituted", "missing")


@dataclass(frozen=True)
class Entry:
    """A table of a paper.

    Attributes:
        paper: Name of its file in data/papers, for instance "virnet_table1".
        title: What it shows.
        chapter: The page that shows what stands for it, without suffix.
        state: One of `STATES`.
        results: Names of the results in data/results that stand for it.
        text: How far we are from the paper, or what stands for the table, and what it needs.
    """

    paper: str
    title: str
    chapter: str
    state: str
    results: tuple[str, ...]
    text: str


def ledger() -> tuple[Entry, ...]:
    """An entry for each table, in the order of data/papers/ledger.toml."""
    listed = tomllib.loads((PAPERS / "ledger.toml").read_text("utf-8"))
    return tuple(_entry(paper, facts) for paper, facts in listed.items())


def _entry(paper: str, facts: dict) -> Entry:
    ours = tuple(name for name, table in TABLES.items() if table.paper == paper)
    if ours:
        state, results, text = "reproduced", ours, "; ".join(_distance(compare(n)) for n in ours)
    else:
        results = tuple(facts.get("instead", ()))
        state = "substituted" if results else "missing"
        text = "; ".join([*([facts["why"]] if results else []), f"needs {facts['needs']}"])
    return Entry(paper, facts["title"], facts["chapter"], state, results, text)


def _distance(table: Comparison) -> str:
    """How far our rows are from those of the same method, on average, and what is not compared."""
    printed = {row.method: row for row in table.rows if not row.ours}
    parts = []
    for row in (row for row in table.rows if row.ours):
        method = TABLES[table.name].models[row.method]
        if method in printed:
            parts.append(f"{row.method} {_difference(row, printed[method])} against {method}")
    known = {dataset for dataset, _ in table.columns}
    printed_values = paper_values(TABLES[table.name].paper).values()
    scored = {cell[0] for row in printed_values for cell, found in row.items() if "psnr" in found}
    left = sorted(scored - known)
    return ", ".join(parts) + (f"; not compared: {', '.join(left)}" if left else "")


def _difference(ours: Row, theirs: Row) -> str:
    """Mean differences over the columns that both have."""
    texts = []
    for metric, style, unit in (("psnr", "+.2f", " dB"), ("ssim", "+.4f", " SSIM")):
        both = [
            (values[metric], theirs.values[cell][metric])
            for cell, values in ours.values.items()
            if metric in values and metric in theirs.values.get(cell, {})
        ]
        if both:
            mean = sum(a - b for a, b in both) / len(both)
            texts.append(f"{mean:{style}}{unit}")
    return " / ".join(texts)


def counts(entries: Iterable[Entry]) -> dict[str, int]:
    """How many entries are in each state."""
    states = [entry.state for entry in entries]
    return {state: states.count(state) for state in STATES}
