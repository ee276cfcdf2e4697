"""``{equation-index}`` checks every equation while the page is built, and prints what it found."""

import math
import re
import sys
from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

import vbl

BOOK = Path(__file__).parents[1]
sys.path.insert(0, str(BOOK))

from equations import EQUATIONS, MONTE_CARLO, PAPERS  # noqa: E402

LOGGER = logging.getLogger(__name__)
COLUMNS = ("Eq.", "What it says, and where in `vbl`", "Check and error", "More")
TITLES = {"book": "Densities and toy models", "VDN": "VDN (slides, no numbers)"}


def documented(function):
    """The name under which the reference has it: a call is part of its class."""
    return function.__qualname__.removesuffix(".__call__")


def error_text(equation, error):
    """Return the error as a reader would say it, in the unit of the method."""
    if equation.how == MONTE_CARLO:
        return f"{error:.1f} standard errors"
    if error == 0:
        return "0"
    if not math.isfinite(error):
        return str(error)
    digits, exponent = f"{error:.0e}".split("e")
    return f"${digits} \\cdot 10^{{{int(exponent)}}}$"


def function_links(equation):
    """Return links to the reference of what computes the equation."""
    links = [
        f"{{py:obj}}`{documented(f)} <{f.__module__}.{documented(f)}>`" for f in equation.functions
    ]
    return ", ".join(links) or "no function yet"


def further_links(equation):
    """Return links to the chapter that derives the equation and to its erratum."""
    links = [f"{{eq}}`{equation.label}`"] if equation.label else []
    if equation.erratum:
        links.append(f"{{ref}}`misprint <{equation.erratum}>`")
    return " <br> ".join(links)


def row(equation, error):
    """Return the four cells of an equation, in Markdown."""
    code = function_links(equation)
    statement = f"{equation.name} <br> ${equation.statement}$ <br> {code}"
    measured = f"{equation.how} <br> {error_text(equation, error)}"
    return equation.number, statement, measured, further_links(equation)


def by_number(equation):
    """Sort equations as the paper prints them, those without a number last."""
    number = re.match(r"\d+", equation.number)
    return int(number[0]) if number else math.inf


class EquationIndexDirective(SphinxDirective):
    """``{equation-index}`` renders one section with a table for each paper."""

    def run(self):
        """Run the checks, and again whenever a file of the library or of the checks has changed."""
        library = Path(vbl.__file__).parent
        for source in sorted([*library.rglob("*.py"), *(BOOK / "equations").glob("*.py")]):
            self.env.note_dependency(str(source))
        lines = StringList(self.lines(), source=self.env.docname)
        parent = nodes.section()
        parent.document = self.state.document
        self.state.nested_parse(lines, 0, parent, match_titles=True)
        return parent.children

    def lines(self):
        """Return the tables in Markdown."""
        lines = []
        for paper in PAPERS:
            rows = [COLUMNS, [":--"] * len(COLUMNS)]
            of_paper = [e for e in EQUATIONS if e.paper == paper]
            rows += [self.checked(e) for e in sorted(of_paper, key=by_number)]
            lines += ["", f"## {TITLES.get(paper, paper)}", "", ":::{div} vbl-notation"]
            lines += ["| " + " | ".join(cells) + " |" for cells in rows] + [":::"]
        return lines

    def checked(self, equation):
        """Return an equation's row; an error above its tolerance warns, which fails the build."""
        error = equation.check()
        if not error < equation.tolerance:
            LOGGER.warning(
                "%s %s (%s): error %.3g, expected below %.3g",
                *(equation.paper, equation.number, equation.name, error, equation.tolerance),
                location=(self.env.docname, self.lineno),
            )
        return row(equation, error)


def setup(app):
    """Register the directive."""
    app.add_directive("equation-index", EquationIndexDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
