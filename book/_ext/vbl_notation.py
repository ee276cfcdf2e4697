"""One table, ``book/notation.yml``, makes the TeX macros and the page that explains them.

Who opens a chapter in Jupyter instead of the book needs the macros too: run
``python book/_ext/vbl_notation.py book/*.ipynb`` to renew the chapters' first cell, which defines
them and is left out of the page.
"""

import sys
from pathlib import Path

import nbformat
import yaml
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

TABLE = Path(__file__).parent.parent / "notation.yml"
COLUMNS = ("Symbol", "Meaning", "Shape and range", "In `vbl`", "In the papers", "Macro")


def read_notation(path=TABLE):
    """Return the groups of the notation table, each with a title and a list of symbols."""
    return yaml.safe_load(path.read_text("utf-8"))["groups"]


def macros(groups):
    """Return MathJax's macro dictionary: the TeX, or the TeX and its number of arguments."""
    return {
        symbol["macro"]: [symbol["tex"], symbol["args"]] if "args" in symbol else symbol["tex"]
        for group in groups
        for symbol in group["symbols"]
    }


def definitions(groups):
    """Return the same macros as TeX definitions, for a Markdown cell."""
    lines = []
    for name, tex in macros(groups).items():
        tex, args = tex if isinstance(tex, list) else (tex, 0)
        lines.append(f"\\newcommand{{\\{name}}}{f'[{args}]' if args else ''}{{{tex}}}")
    return "\n".join(["$$", *lines, "$$"])


def write_definitions(path):
    """Make the definitions the first cell of a notebook."""
    notebook = nbformat.read(path, as_version=4)
    others = [cell for cell in notebook.cells if cell.id != "notation"]
    cell = nbformat.v4.new_markdown_cell(definitions(read_notation()), id="notation")
    cell.metadata["tags"] = ["remove-cell"]
    notebook.cells = [cell, *others]
    nbformat.write(notebook, path)


def cells(symbol):
    """Return the six cells of a symbol's row, in Markdown."""
    example = symbol.get("example", "\\" + symbol["macro"])
    code = ", ".join(f"`{name}`" for name in symbol.get("code", []))
    meaning, shape, papers = (str(symbol.get(key, "")) for key in ("meaning", "shape", "papers"))
    return f"${example}$", meaning, shape, code, papers, f"`{example}`"


def table(symbols):
    """Return the lines of a Markdown table, without the columns that would be empty."""
    rows = [cells(symbol) for symbol in symbols]
    used = [i for i in range(len(COLUMNS)) if any(row[i] for row in rows)]
    rows = [COLUMNS, [":--"] * len(COLUMNS), *rows]
    return ["| " + " | ".join(row[i] for i in used) + " |" for row in rows]


class NotationDirective(SphinxDirective):
    """``{notation}`` renders every group of the table as a section of its own."""

    def run(self):
        """Parse the table as the Markdown it would be if it were written by hand."""
        self.env.note_dependency(str(TABLE))
        lines = []
        for group in read_notation():
            lines += ["", f"## {group['title']}", "", group.get("note", ""), ""]
            lines += [":::{div} vbl-notation", *table(group["symbols"]), ":::"]
        parent = nodes.section()
        parent.document = self.state.document
        self.state.nested_parse(StringList(lines, source=str(TABLE)), 0, parent, match_titles=True)
        return parent.children


def add_macros(app, config):
    """Hand the macros to MathJax."""
    config.mathjax3_config.setdefault("tex", {})["macros"] = macros(read_notation())


def setup(app):
    """Register the macros and the directive."""
    app.add_directive("notation", NotationDirective)
    app.connect("config-inited", add_macros)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":
    for chapter in sys.argv[1:]:
        write_definitions(chapter)
