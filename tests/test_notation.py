"""The notation table, the pages' formulas and the library's names say the same."""

import io
import json
import re
import tokenize
from pathlib import Path

import pytest
import vbl_notation as notation

ROOT = Path(__file__).parent.parent
MATHJAX = ROOT / "book" / "_ext" / "assets" / "vendor" / "mathjax"
CODE = re.compile(r"^```\w+\n.*?^```$|`[^`\n]*`", re.M | re.S)
FORMULA = re.compile(r"\$\$(.+?)\$\$|\$([^$]+?)\$", re.S)
DOCSTRING_FORMULA = re.compile(r":math:`([^`]+)`")


GROUPS = notation.read_notation()
SYMBOLS = [symbol for group in GROUPS for symbol in group["symbols"]]
NAMES = [symbol["macro"] for symbol in SYMBOLS]
PAGES = sorted([*(ROOT / "book").glob("*.md"), *(ROOT / "book").glob("*.ipynb")])


def markdown(page):
    """Return a page's Markdown without code."""
    text = page.read_text("utf-8")
    if page.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        text = "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    return CODE.sub("", text)


def macros_in(formulas):
    """Return the names of the macros that occur in TeX."""
    return {name for formula in formulas for name in re.findall(r"\\([A-Za-z]+)", formula)}


def known_to_mathjax():
    """Return every word that the MathJax carried by the book uses as a name."""
    scripts = [MATHJAX / "tex-chtml.js", MATHJAX / "input" / "tex" / "extensions" / "boldsymbol.js"]
    return set(re.findall(r"[A-Za-z]+(?=\"?:)", "".join(s.read_text("utf-8") for s in scripts)))


def test_every_macro_has_one_meaning_and_a_name_tex_can_read():
    assert len(set(NAMES)) == len(NAMES)
    assert all(re.fullmatch("[A-Za-z]+", name) for name in NAMES)


@pytest.mark.parametrize("symbol", SYMBOLS, ids=NAMES)
def test_a_macro_uses_just_the_arguments_it_declares(symbol):
    used = {int(digit) for digit in re.findall(r"#(\d)", str(symbol["tex"]))}
    assert used == set(range(1, symbol.get("args", 0) + 1))
    assert ("example" in symbol) == ("args" in symbol)
    assert symbol["meaning"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_uses_only_macros_of_the_table_or_of_tex(page):
    formulas = ["".join(found) for found in FORMULA.findall(markdown(page))]
    assert macros_in(formulas) <= set(NAMES) | known_to_mathjax()


def test_the_table_and_the_docstrings_use_only_macros_of_the_table_or_of_tex():
    texts = [str(symbol.get(key, "")) for symbol in SYMBOLS for key in ("tex", "meaning", "shape")]
    sources = [path.read_text("utf-8") for path in (ROOT / "vbl").rglob("*.py")]
    texts += [formula for source in sources for formula in DOCSTRING_FORMULA.findall(source)]
    assert macros_in(texts) <= set(NAMES) | known_to_mathjax()


def test_every_code_name_of_the_table_is_an_identifier_in_the_library():
    sources = [path.read_text("utf-8") for path in (ROOT / "vbl").rglob("*.py")]
    tokens = (t for s in sources for t in tokenize.generate_tokens(io.StringIO(s).readline))
    identifiers = {token.string for token in tokens if token.type == tokenize.NAME}
    assert {name for symbol in SYMBOLS for name in symbol.get("code", [])} <= identifiers


@pytest.mark.parametrize("chapter", sorted((ROOT / "book").glob("*.ipynb")), ids=lambda p: p.name)
def test_a_chapter_opened_in_jupyter_defines_the_macros_first(chapter):
    cell = json.loads(chapter.read_text("utf-8"))["cells"][0]
    remedy = f"run: python book/_ext/vbl_notation.py book/{chapter.name}"
    assert "".join(cell["source"]) == notation.definitions(GROUPS), remedy
    assert cell["metadata"]["tags"] == ["remove-cell"], remedy
