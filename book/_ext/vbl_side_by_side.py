"""``{side-by-side}``: chapter 9's matrix as a table that sorts, and shows the picture of a cell.

Without scripts it is a plain table: the gain of each system on each damage, and what it costs.
``assets/side-by-side.js`` makes the rest of what the page holds as JSON.
"""

import html
import json
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

RESULT = Path(__file__).parents[2] / "data" / "results" / "side-by-side.json"
KINDS = ("photographs", "pages")
COSTS = {  # heading -> key, and format
    "parameters": ("parameters", ",d"),
    "GMAC/Mpx": ("gmac_per_megapixel", ".0f"),
    "s/Mpx": ("seconds_per_megapixel", ".2g"),
    "MB/Mpx": ("mb_per_megapixel", ".0f"),
}


def matrix():
    """Return damages, and for each system its costs and its cells."""
    result = json.loads(RESULT.read_text("utf-8"))
    given = {row["damage"]: row for row in result["cells"] if row["system"] == "input"}
    costs = {row["system"]: row for row in result["costs"]}
    systems = {}
    for row in result["cells"]:
        cells, damage = systems.setdefault(row["system"], {}), row["damage"]
        cells[damage] = about_cell(row, given[damage])
    found = []
    for tile, (system, cells) in enumerate(systems.items(), 2):
        about = {"system": system, "tile": tile, "cells": cells}
        found.append(
            about | {"costs": {c: costs.get(system, {}).get(k) for c, (k, _) in COSTS.items()}}
        )
    return list(given), found


def about_cell(row, given):
    """Return what the page knows of a cell: numbers by kind, or why there are none."""
    if "missing" in row:
        return {"missing": row["missing"]}
    about = {"home": row["made_for"], "detour": row["detour"]}
    for kind in KINDS:
        numbers = {k: v for k, v in row[kind].items() if k != "psnr_of_each"}
        about[kind] = numbers | {"gain": row[kind]["psnr"] - given[kind]["psnr"]}
    return about


def table(damages, systems):
    """Return the table as HTML, with the gains of photographs."""
    heads = "".join(f'<th scope="col">{html.escape(v)}</th>' for v in ("system", *damages, *COSTS))
    rows = "".join(table_row(damages, system) for system in systems)
    caption = "Gain over the input (dB), photographs"
    return (
        f"<table><caption>{caption}</caption><thead><tr>{heads}</tr></thead>"
        f"<tbody>{rows}</tbody></table>"
    )


def table_row(damages, system):
    """Return a system's row."""
    cells = [table_cell(system["cells"][damage]) for damage in damages]
    for heading, (_, form) in COSTS.items():
        value = system["costs"][heading]
        cells.append(f"<td>{'' if value is None else format(value, form)}</td>")
    name = f'<th scope="row"><code>{html.escape(system["system"])}</code></th>'
    return f"<tr>{name}{''.join(cells)}</tr>"


def table_cell(cell):
    """Return a cell."""
    if "missing" in cell:
        return f'<td title="{html.escape(cell["missing"])}">–</td>'
    framed = ' class="vbl-home"' if "photographs" in cell["home"] else ""
    gain = round(cell["photographs"]["gain"], 1)
    return f"<td{framed}>{gain:+.1f}</td>" if gain else f"<td{framed}>0.0</td>"


def plain_table(damages, systems):
    """Return the gains in both kinds of pictures as Markdown."""
    lines = [f"| system | {' | '.join(damages)} |", "|:--" * (len(damages) + 1) + "|"]
    for system in systems:
        cells = [plain_cell(system["cells"][damage]) for damage in damages]
        lines.append(f"| `{system['system']}` | {' | '.join(cells)} |")
    return "Gain over the input (dB), photographs / pages\n\n" + "\n".join(lines)


def plain_cell(cell):
    """Return a cell's gains."""
    return "–" if "missing" in cell else " / ".join(f"{cell[kind]['gain']:+.1f}" for kind in KINDS)


class SideBySideDirective(SphinxDirective):
    """``{side-by-side}``."""

    def run(self):
        """Return the table, and what the script needs."""
        self.env.note_dependency(str(RESULT))
        damages, systems = matrix()
        known = json.dumps({"damages": damages, "systems": systems}, ensure_ascii=False)
        known = known.replace("</", "<\\/")
        region = 'class="vbl-wide" tabindex="0" role="region" aria-label="All systems"'
        shown = f"<div {region}>{table(damages, systems)}</div>"
        shown += f'<script type="application/json">{known}</script>'
        raw = nodes.raw("", shown, format="html")
        plain = nodes.raw("", plain_table(damages, systems), format="markdown")  # of notebooks
        return [nodes.container("", raw, plain, classes=["vbl-side-by-side"])]


def add_assets(app, pagename, templatename, context, doctree):
    """Load script and style on the page that has the table."""
    found = doctree.findall(nodes.container) if doctree is not None else ()
    if any("vbl-side-by-side" in node["classes"] for node in found):
        app.add_css_file("side-by-side/side-by-side.css")
        app.add_js_file("side-by-side/side-by-side.js", loading_method="defer")


def setup(app):
    """Register the directive."""
    app.add_directive("side-by-side", SideBySideDirective)
    app.connect("html-page-context", add_assets)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
