"""``{section-times} 03-vdn``: how long the sections of a chapter take to read, counted.

We assume 120 words of mathematical prose a minute, one minute for a displayed equation, one for a
figure, and one for ten lines of code that are not folded. Exercises state their own time.
"""

import json
import math
import re
from pathlib import Path

from vbl_tables import MarkdownDirective

BOOK = Path(__file__).parents[1]
WORDS_A_MINUTE, LINES_A_MINUTE = 120, 10
UNREAD = ("Exercises", "Further reading")


def sections(notebook):
    """Return title and minutes of each section of a notebook, in order; those to read only.

    In a chapter of parts ("## Part one: ...") the sections are those of the next level.
    """
    found, parts = [["Opening", 0.0]], False
    for cell in notebook["cells"]:
        text, tags = "".join(cell["source"]), cell["metadata"].get("tags", [])
        if "remove-cell" in tags:
            continue
        if cell["cell_type"] == "code":
            folded = "hide-input" in tags
            found[-1][1] += 0 if folded else len(text.splitlines()) / LINES_A_MINUTE
            found[-1][1] += "figure" in cell["metadata"].get("mystnb", {})
            continue
        for title, prose in re.findall(r"(?:^|\n)(#{2,3} .+)|((?:(?!\n#{2,3} )[\s\S])+)", text):
            level, _, title = title.partition(" ")
            parts = title.startswith("Part ") if level == "##" else parts
            if level == "##" or (level and parts):
                found.append([title, 0.0])
            found[-1][1] += len(prose.split()) / WORDS_A_MINUTE + prose.count("$$") / 2
    return [(title, minutes) for title, minutes in found if title not in UNREAD and minutes]


class SectionTimesDirective(MarkdownDirective):
    """A line of the sections of a chapter with their minutes."""

    required_arguments = 1

    def lines(self):
        """Return the list; a chapter that does not exist is an error of the build."""
        path = BOOK / f"{self.arguments[0]}.ipynb"
        self.env.note_dependency(str(path))
        found = sections(json.loads(path.read_text("utf-8")))
        total = sum(math.ceil(minutes) for _, minutes in found)
        parts = (f"{title} {math.ceil(minutes)}" for title, minutes in found)
        return [f"{' · '.join(parts)}. **Together {total} minutes.**"]


def setup(app):
    """Register the directive."""
    app.add_directive("section-times", SectionTimesDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
