"""Commands that the project tells somebody to type: the parser takes each of them."""

import json
import re
import shlex
from pathlib import Path

import pytest

from vbl.cli.main import parse

ROOT = Path(__file__).parent.parent
COMMAND = r"vbl (?:train|restore|adapt|evaluate|reproduce|data|info|export)\b"
LINE = re.compile(rf"^\s*(?:\$ )?({COMMAND}[^\n]*)$", re.MULTILINE)
# In a sentence, but for one that names an option alone, or has a word in capitals to fill in.
INLINE = re.compile(rf"(?<!`)`({COMMAND} (?!--)(?![^`\n]*\b[A-Z]+\b)[^`\n]*)`(?!`)")
SOURCES = (
    "*.md",
    "data/**/*.md",
    "book/**/*.md",
    "vbl/**/*.py",
    "benchmarks/*.py",
    "examples/*.py",
)


def written():
    """Return the commands of each text."""
    texts = {path: path.read_text("utf-8") for kind in SOURCES for path in ROOT.glob(kind)}
    for path in ROOT.glob("book/*.ipynb"):
        cells = json.loads(path.read_text("utf-8"))["cells"]
        texts[path] = "\n".join("".join(cell["source"]) for cell in cells)
    for path, text in sorted(texts.items()):
        for command in sorted({*LINE.findall(text), *INLINE.findall(text)}):
            yield pytest.param(command, id=f"{path.relative_to(ROOT)}: {command}")


@pytest.mark.parametrize("command", list(written()))
def test_a_command_that_is_written_down_can_be_typed(command):
    parse(shlex.split(command, comments=True)[1:])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("    $ vbl train resunet  # minutes\n", "vbl train resunet  # minutes"),
        ("say `vbl info` first", None),
        ("say `vbl data list` first", "vbl data list"),
        ("with `vbl train --queue`", None),
        ("as `vbl reproduce TABLE` does", None),
    ],
)
def test_what_is_a_command(text, found):
    assert ([*LINE.findall(text), *INLINE.findall(text)] or [None]) == [found]
