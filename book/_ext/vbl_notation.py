"""One table, ``book/notation.yml``, makes the TeX macros and the page that explains them."""

from pathlib import Path

import yaml
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

TABLE = Path(__file__).parent.parent / "notation.yml"
HEADER = ["| Symbol | Meaning | Shape and range | In `vbl` | In the papers | Macro |",
          "|:--|:--|:--|:--|:--|:--|"]  # fmt: skip


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


def row(symbol):
    """Return one Markdown row of the table."""
    example = symbol.get("example", "\\" + symbol["macro"])
    code = ", ".join(f"`{name}`" for name in symbol.get("code", []))
    facts = [str(symbol.get(key, "")) for key in ("meaning", "shape", "papers")]
    cells = [f"${example}$", *facts[:2], code, facts[2], f"`{example}`"]
    return "| " + " | ".join(cells) + " |"


class NotationDirective(SphinxDirective):
    """``{notation}`` renders every group of the table as a section of its own."""

    def run(self):
        """Parse the table as the Markdown it would be if it were written by hand."""
        self.env.note_dependency(str(TABLE))
        lines = []
        for group in read_notation():
            lines += ["", f"## {group['title']}", "", group.get("note", ""), "", *HEADER]
            lines += [row(symbol) for symbol in group["symbols"]]
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
