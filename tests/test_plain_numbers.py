"""No number with a unit is typed into the prose: roles print it, or a reason is given.

Looked at are the text of all pages, and the captions and alternative texts of their figures.
Exercises state their own numbers, and a paper's may be quoted beside its citation. What else is
typed stands in tests/plain_numbers.toml, with the reason.
"""

import json
import re
import tomllib
from pathlib import Path

import pytest

from vbl.recipes import RECIPES

ROOT = Path(__file__).parents[1]
BOOK = ROOT / "book"
PAGES = [*sorted(BOOK.glob("*.ipynb")), *sorted(BOOK.glob("*.md")), ROOT / "README.md"]
ALLOWED = tomllib.loads(Path(__file__).with_name("plain_numbers.toml").read_text("utf-8"))
ROLE, NUMBER = "\N{BULLET}", r"\d(?:[\d,]*\d)?(?:\.\d+)?"
UNITS = (
    r"dB|decibels?|nats?|\\?%|per ?cent|minutes?|min|hours?|seconds?|ms|[kMG]i?B|"
    r"[GTPE]?(?:MACs?|FLOPs?)|M|million|times|-?fold"
)
ITEM = rf"(?:{NUMBER}|{ROLE})"
SERIES = rf"{ITEM}(?:(?:, | and |, and | or | to | / |–){ITEM})*"
SPACE = r"(?:[\s\u00a0]|\\[ ,]|~)*-?"
FOUND = re.compile(
    rf"(?<![\w.^{{_×{ROLE}/-])[-+\N{{MINUS SIGN}}]?{SERIES}"
    rf"(?:{SPACE}(?:{UNITS})|[ \u00a0][hs])(?![\w(^])"
    rf"|factors? (?:of )?(?:about )?{SERIES}"
)
NUMBERS = re.compile(r"\{(?:num|out)\}`[^`]*`")
FENCE = re.compile(r" *(`{3,}|:{3,})(.*)")
LITERAL = re.compile(r"``[^`]*``|`[^`]*`")
SENTENCE = re.compile(r"(?<=[.?!:;])\)?\s+|\n\s*\n|\|")


def texts(path):
    """Return the texts of a page, by the id of their cell."""
    if path.suffix == ".md":
        return {"": path.read_text("utf-8")}
    cells = json.loads(path.read_text("utf-8"))["cells"]
    found = {}
    for cell in cells:
        shown = cell["metadata"].get("mystnb", {})
        about = [shown.get("figure", {}).get("caption", ""), shown.get("image", {}).get("alt", "")]
        markdown = cell["cell_type"] == "markdown"
        found[cell["id"]] = "".join(cell["source"]) if markdown else "\n\n".join(about)
    return found


def without_blocks(text):
    """Return a text without code and exercises; what other directives contain is kept."""
    kept, opened = [], []  # the fences that are open, each with what follows it
    for line in text.splitlines():
        fence = FENCE.fullmatch(line)
        if fence and opened and fence[1] == opened[-1][0] and not fence[2]:
            opened.pop()
        elif fence:
            opened.append(fence.groups())
        elif all(about.startswith("{") and "{exercise}" not in about for _, about in opened):
            kept.append(line)
    return "\n".join(kept)


def plain_numbers(text):
    """Return the numbers with a unit that are typed, each with the sentence that it stands in."""
    text = NUMBERS.sub(ROLE, without_blocks(text))
    found = []
    for sentence in SENTENCE.split(text):
        prose = LITERAL.sub("", sentence)
        if "{cite" not in sentence:
            typed = [match[0] for match in FOUND.finditer(prose) if re.search(r"\d", match[0])]
            found += [(number, " ".join(sentence.split())) for number in typed]
    return found


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_no_number_is_typed(path):
    allowed = ALLOWED.get(path.stem, {})
    reasons = {phrase: reason for reason, phrases in allowed.items() for phrase in phrases}
    left, used = [], set()
    for cell, text in texts(path).items():
        for number, sentence in plain_numbers(text):
            phrases = {phrase for phrase in reasons if phrase in sentence and number in phrase}
            used |= phrases
            left += [] if phrases else [f"{path.name} {cell}: {number!r} in {sentence!r}"]
    assert not left, "\n".join(left)
    assert reasons.keys() == used, f"allowed and not there: {sorted(reasons.keys() - used)}"


def test_what_running_chapters_takes_is_in_the_readme():
    costs = json.loads((ROOT / "data" / "results" / "chapter_costs.json").read_text("utf-8"))
    seconds = [cost["cpu"]["seconds"] for name, cost in costs.items() if "03" <= name < "08"]
    said = f"{min(seconds):.0f} to {max(seconds):.0f} s each run chapters 3 to 7"
    rounded = re.sub(r"\d+(?= )", lambda match: f"{round(int(match[0]), -1)}", said, count=2)
    assert rounded in (ROOT / "README.md").read_text("utf-8")


def test_the_small_network_of_the_studies_has_the_size_that_chapter_7_says():
    recipe = RECIPES["lud-vae-correlated"]
    network = recipe.model(recipe.presets["quick"].config)
    assert f"{sum(p.numel() for p in network.parameters()) / 1e6:.1f}" == "0.2"


@pytest.mark.parametrize(
    ("text", "found"),
    {
        "It gains 0.3 dB.": ["0.3 dB"],
        "They are 1.0, 1.2 and 0.7 dB.": ["1.0, 1.2 and 0.7 dB"],
        "It gains 1.0 and {num}`a:b:.1f` dB.": ["1.0 and \N{BULLET} dB"],
        "It gains {num}`a:b:.1f` dB.": [],
        "{cite:t}`someone2020` gain 0.3 dB.": [],
        "Of $B n / 2 s^2$ and `0.3 dB` nothing is found.": [],
        "It takes 2 s, 30\\,\\% of it (20 nats).": ["2 s", "30\\,\\%", "20 nats"],
        "```{exercise} A title\nOf 0.3 dB.\n```\nBut 3 dB.": ["3 dB"],
        "```{figure} a.svg\nOf 0.3 dB.\n```\n```\n3 dB\n```": ["0.3 dB"],
    }.items(),
)
def test_what_is_found(text, found):
    assert [number for number, _ in plain_numbers(text)] == found
