"""Roles that print numbers, so that prose cannot disagree with what was measured.

``{num}`study-latent:bound.30 - told nothing.30:+.2f` `` is a difference of means over seeds,
``{out}`gain:.2f` `` what a code cell of the same page gave to `vbl.figures.quote`.
CONTRIBUTING.md says what an expression is.
"""

import ast
import csv
import json
import re
import statistics
import sys
import tomllib
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from docutils import nodes
from myst_nb.core.variables import RetrievalError
from myst_nb.ext.glue.utils import retrieve_glue_data
from sphinx.util import logging
from sphinx.util.docutils import SphinxRole

LOGGER = logging.getLogger(__name__)
DATA = Path(__file__).parents[2] / "data"
PLACES = ("results/{}.json", "papers/{}.csv", "papers/{}.toml", "checkpoints/{}.json")
OMITTED = ("rows", "cells", "scores", "value")  # keys that a path may leave out
OPERATORS = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
}
FUNCTIONS = {"mean": statistics.fmean, "sd": statistics.stdev, "min": min, "max": max, "count": len}
OPERATOR = re.compile(r" ([-+*/]) (?![^(]*\))")  # not inside a function
PAIRED = re.compile(r" ([-+*/]) ")
CALL = re.compile(rf"({'|'.join(FUNCTIONS)})\((.*)\)")
SOURCE = re.compile(r"([\w-]+):(.*)")
NUMBER = re.compile(r"\d+(\.\d+)?")


class NoSuchNumber(ValueError):
    """What was asked for is not in the file, or is no number."""


def find_file(name):
    """Return the file of a result, of a paper's table or of the checkpoints."""
    found = [path for place in PLACES if (path := DATA / place.format(name)).is_file()]
    if not found:
        raise NoSuchNumber(f"there is no file {name!r} in data/results or data/papers")
    return found[0]


@cache
def read_file(path, changed):
    """Return the content of a file; the lines of a CSV as mappings.

    Args:
        path: The file.
        changed: When, so that it is read again then.
    """
    text = path.read_text("utf-8")
    if path.suffix == ".csv":
        lines = csv.DictReader(text.splitlines())
        return [{**line, "value": float(line["value"])} for line in lines]
    return tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)


def flat(values):
    """Return the items of lists within lists."""
    inner = (flat(value) if isinstance(value, list) else [value] for value in values)
    return [item for items in inner for item in items]


def fits(pattern, text):
    """Whether something is a text that a pattern with * or [...] fits."""
    return isinstance(text, str) and fnmatchcase(text, pattern)


def step(found, name):
    """Return what a step of a path leads to, or nothing.

    That is the values of a key, the entries of a list that have the name as a value or of which
    ``key=value`` is true, or what a pattern with * or [...] fits in these two ways.
    """
    if not all(isinstance(value, dict) for value in found):
        return []
    if all(name in value for value in found):
        return flat([value[name] for value in found])
    if entries := [value for value in found if name in value.values()]:
        return entries
    key, equals, wanted = name.partition("=")
    if equals:
        return [value for value in found if key in value and str(value[key]) == wanted]
    if entries := [value for value in found if any(fits(name, each) for each in value.values())]:
        return entries
    return flat([value[key] for value in found for key in value if fits(name, key)])


def unwrap(found):
    """Return what stands behind the first key that a path may leave out, or nothing."""
    return next(filter(None, (step(found, name) for name in OMITTED)), [])


def follow(found, path):
    """Return the numbers at the end of a path; a step is the longest key that fits."""
    while path:
        parts = path.split(".")
        for count in range(len(parts), 0, -1):
            if after := step(found, ".".join(parts[:count])):
                found, path = after, ".".join(parts[count:])
                break
        else:
            found = unwrap(found)
            if not found:
                raise NoSuchNumber(f"nothing is called {path!r}")
    while any(isinstance(value, dict) for value in found) and (inner := unwrap(found)):
        found = inner
    if not all(isinstance(value, (int, float)) for value in found):
        raise NoSuchNumber("the path does not end at numbers")
    return found


class Expression:
    """The value of an expression.

    Args:
        text: It, without the format.

    Attributes:
        files: Those that it reads.
        value: A number.

    Raises:
        NoSuchNumber: When a file or a path does not exist.
    """

    def __init__(self, text):
        self.files = []
        first, *others = OPERATOR.split(text)
        self.value = self.operand(first)
        for operator, operand in zip(others[::2], others[1::2], strict=True):
            self.value = OPERATORS[operator](self.value, self.operand(operand))

    def operand(self, text):
        """Return a literal number, or a function (by default the mean) of those of a path."""
        if NUMBER.fullmatch(text):
            return float(text)
        call = CALL.fullmatch(text)
        name, inner = call.groups() if call else ("mean", text)
        first, *others = PAIRED.split(inner) if call else [inner]
        values = self.numbers(first)
        for operator, path in zip(others[::2], others[1::2], strict=True):
            pairs = zip(values, self.numbers(path), strict=True)
            values = [OPERATORS[operator](*pair) for pair in pairs]
        return FUNCTIONS[name](values)

    def numbers(self, path):
        """Return the numbers of a path, which begins with a file unless one was named before."""
        if named := SOURCE.fullmatch(path):
            self.files.append(find_file(named[1]))
            path = named[2]
        if not self.files:
            raise NoSuchNumber(f"{path!r} does not begin with the name of a file and a colon")
        content = read_file(self.files[-1], self.files[-1].stat().st_mtime_ns)
        try:
            return follow(flat([content]), path)
        except NoSuchNumber as error:
            raise NoSuchNumber(f"{self.files[-1].name}, {path!r}: {error}") from None


def shown(value, form):
    """Return a number as the book prints it: 27 % with a space, 1.3e-05 with a power of ten."""
    text = format(value, form).replace("%", "\u00a0%")
    return re.sub("^-", "\N{MINUS SIGN}", text)


def evaluate(text):
    """Return an expression with a format as text, and the files that it reads.

    Raises:
        NoSuchNumber: As `Expression`.
        ValueError: When the format is missing or wrong.
    """
    expression, colon, form = text.rpartition(":")
    if not colon or not form or not re.fullmatch(r"[+,]*(\.\d+)?[fegd%]", form):
        raise NoSuchNumber("it does not end with a colon and a format such as .2f")
    found = Expression(expression)
    value = round(found.value) if form.endswith("d") else found.value
    return shown(value, form), found.files


def number_node(text):
    """Return the node of a number; one with a power of ten is a formula."""
    digits, e, exponent = text.replace("\N{MINUS SIGN}", "-").partition("e")
    if e:
        return nodes.math("", rf"{digits} \cdot 10^{{{int(exponent)}}}")
    return nodes.inline("", text, classes=["vbl-number"])


class NumRole(SphinxRole):
    """A number of data/results, data/papers or data/checkpoints."""

    def run(self):
        """Return it, or a warning (an error of the build)."""
        try:
            text, files = evaluate(self.text)
        except (ValueError, ZeroDivisionError) as error:
            LOGGER.warning("{num} %r: %s", self.text, error, location=self.get_location())
            return [], []
        for file in files:
            self.env.note_dependency(str(file))
        return [number_node(text)], []


class OutRole(SphinxRole):
    """A number that a code cell of this page computed."""

    def run(self):
        """Return it, or a warning (an error of the build)."""
        name, _, form = self.text.rpartition(":")
        try:
            data = retrieve_glue_data(self.inliner.document, name).data
            text = shown(ast.literal_eval(data["text/plain"]), form)
        except (RetrievalError, ValueError) as error:
            LOGGER.warning("{out} %r: %s", self.text, error, location=self.get_location())
            return [], []
        return [number_node(text)], []


def setup(app):
    """Register the roles."""
    app.add_role("num", NumRole())
    app.add_role("out", OutRole())
    return {"parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        print(evaluate(argument)[0])
