"""TeX of the book as TeX that any program knows."""

import re

MACRO = re.compile(r"\\([A-Za-z]+)")
CONTROL_WORD = re.compile(r"\\[A-Za-z]+$")
ARGUMENT = re.compile(r"\\[A-Za-z]+|\\?.", re.DOTALL)
COMMENT = re.compile(r"[ \t]*(?<!\\)%.*")


def closing(tex, start):
    """Return the position after the group that opens at a position."""
    depth = 0
    for match in re.compile(r"\\.|[{}]", re.DOTALL).finditer(tex, start):
        depth += {"{": 1, "}": -1}.get(match[0], 0)
        if depth == 0:
            return match.end()
    raise ValueError(f"a brace is not closed in {tex!r}")


def arguments(tex, start, count):
    """Return so many arguments from a position on, and where they end."""
    found = []
    for _ in range(count):
        start += len(tex[start:]) - len(tex[start:].lstrip())
        group = tex[start : start + 1] == "{"
        end = closing(tex, start) if group else ARGUMENT.match(tex, start).end()
        found.append(tex[start + 1 : end - 1] if group else tex[start:end])
        start = end
    return found, start


def expand(tex, macros):
    """Return TeX without the book's macros.

    Args:
        tex: A formula.
        macros: As MathJax has them: name to TeX, or to the TeX and its number of arguments.
    """
    written, position = "", 0
    for match in MACRO.finditer(tex):
        if match.start() < position or match[1] not in macros:
            continue
        value = macros[match[1]]
        body, count = value if isinstance(value, list) else (value, 0)
        given, end = arguments(tex, match.end(), count)
        body = re.sub(r"#(\d)", lambda place, given=given: given[int(place[1]) - 1], body)
        body = expand(body, macros)
        written += tex[position : match.start()]
        if body[:1].isalpha() and CONTROL_WORD.search(written):
            written += " "  # or the letters would continue the command's name
        # an index of several tokens needs the braces that a macro does without
        written += f"{{{body}}}" if written.endswith(("_", "^")) else body
        position = end
    return written + tex[position:]


def without_comments(tex):
    """Return a formula to which more can be added."""
    return COMMENT.sub("", tex)


def one_line(tex):
    """Return a formula on one line, as quotes, lists and tables need it."""
    return " ".join(without_comments(tex).split())


def without_bars(tex):
    """Return a formula without the character that ends a cell of a Markdown table."""
    return tex.replace(r"\|", r"\Vert ").replace("|", r"\vert ")
