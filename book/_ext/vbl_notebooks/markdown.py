"""Plain Markdown of the nodes of a resolved page, one method for each type of node."""

import re
import textwrap
from contextlib import contextmanager

from docutils import nodes

from .tex import expand, one_line, without_bars, without_comments

SPECIAL = re.compile(r"([\\*_`$<~])")
AT_START = re.compile(r"^(#{1,6}|[-+>]|\d+[.)])(?=\s|$)")
FORMULA = re.compile(r"((?<!\\)\$[^$]+\$)")
NUMERIC = re.compile(r"(ours: )?[-−–+]?[\d., ]*\s?%?|–")


def escape(text):
    """Return text without what Markdown would take for markup."""
    return SPECIAL.sub(r"\\\1", text)


def quote(text):
    """Return Markdown as a quotation."""
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines())


def indent(text, lead):
    """Return Markdown as an item of a list."""
    return lead + textwrap.indent(text, " " * len(lead)).lstrip(" ")


def is_flowing(node):
    """Whether a node is part of a line of text."""
    apart = (nodes.Invisible, nodes.image, nodes.raw)
    return isinstance(node, (nodes.Text, nodes.Inline)) and not isinstance(node, apart)


class Markdown:
    """Writes nodes as Markdown.

    A node has the method of its class, or of the first of its class's bases that has one, so that
    unknown nodes show their content.

    Args:
        page: See `vbl_notebooks.page.Page`.
    """

    def __init__(self, page):
        self.page, self.nested = page, False

    def text(self, node):
        """Return the Markdown of a node."""
        methods = (getattr(self, f"on_{kind.__name__}", None) for kind in type(node).__mro__)
        return next(filter(None, methods))(node)

    def inline(self, node):
        """Return what a node contains, as one line of text."""
        return "".join(map(self.text, node.children))

    def blocks(self, node):
        """Return what a node contains, as paragraphs."""
        texts = (self.text(child).strip("\n") for child in node.children)
        return "\n\n".join(filter(None, texts))

    @contextmanager
    def inside(self):
        """Write formulas on one line: what follows is part of a quote, a list or a table."""
        before, self.nested = self.nested, True
        yield
        self.nested = before

    # What is known of a node by its kind alone

    def on_Text(self, node):
        return escape(str(node)).replace("\n", " ")

    def on_TextElement(self, node):
        return self.inline(node)

    def on_Inline(self, node):
        return self.inline(node)

    def on_Invisible(self, node):
        return ""

    def on_Element(self, node):
        return self.inline(node) if any(map(is_flowing, node.children)) else self.blocks(node)

    # Inside a paragraph

    def on_inline(self, node):
        # what an exercise takes is a line of its own
        line = "vbl-effort" in node["classes"]
        return f"*{self.inline(node)}*  \n" if line else self.inline(node)

    def on_emphasis(self, node):
        return f"*{self.inline(node).strip()}*"

    def on_strong(self, node):
        return f"**{self.inline(node).strip()}**"

    def on_literal(self, node):
        text = node.astext()
        return f"`` {text} ``" if "`" in text else f"`{text}`"

    def on_math(self, node):
        return f"${one_line(expand(node.astext(), self.page.macros))}$"

    def on_reference(self, node):
        self.page.cite(node.get("refuri", ""), node.get("reftitle"))
        address = self.page.link(node.get("refuri", ""))
        return f"[{self.inline(node)}]({address})" if address else self.inline(node)

    def on_raw(self, node):
        if node.get("format") == "markdown":
            return node.astext()
        return "<br>" if node.astext().strip() == "<br>" else ""

    def on_system_message(self, node):
        return ""

    # Paragraphs and what is like them

    def on_paragraph(self, node):
        return AT_START.sub(r"\\\1", self.inline(node).strip())

    def on_rubric(self, node):
        return f"**{self.inline(node).strip()}**"

    def on_transition(self, node):
        return "---"

    def on_literal_block(self, node):
        return f"```{node.get('language', '')}\n{node.astext()}\n```"

    def on_math_block(self, node):
        tex = without_comments(expand(node.astext(), self.page.macros)).strip()
        if number := self.page.number("displaymath", node):
            tex += f" \\tag{{{number}}}"
        return f"$$ {one_line(tex)} $$" if self.nested else f"$$\n{tex}\n$$"

    def on_image(self, node):
        alt = re.sub(r"[\[\]\s]+", " ", node.get("alt", "")).strip()
        return f"![{alt}]({self.page.attach(node['uri'])})"

    def on_caption(self, node):
        name = self.page.name("figure", node.parent)
        return " ".join(filter(None, (name and f"**{name}.**", self.inline(node).strip())))

    # Boxes and lists

    def on_Admonition(self, node):
        return self.box(self.heading(node), node)

    def on_topic(self, node):
        return self.box(self.heading(node), node)

    def on_block_quote(self, node):
        return self.box("", node)

    def on_container(self, node):
        if node.get("design_component") != "dropdown":
            return self.on_Element(node)
        title = isinstance(node[0], nodes.rubric)
        return self.box(self.inline(node.pop(0)).strip() if title else "", node)

    def on_proof_node(self, node):
        return self.blocks(node)  # it contains a box

    def box(self, heading, node):
        """Return a quotation with a title."""
        with self.inside():
            content = self.blocks(node)
        head = f"**{heading}**\n\n" if heading and content else ""
        return quote(head + content)

    def heading(self, node):
        """Take the title out of a box; return it, after what a theorem or a note is called."""
        title = self.take_title(node)
        if "realtype" in node:  # theorems and the like
            number = self.page.number(node["countertype"], node)
            return " ".join(filter(None, (node["realtype"].capitalize(), number, title)))
        plain = isinstance(node, nodes.admonition) or title
        return title if plain else type(node).__name__.capitalize()

    def take_title(self, node):
        """Take the title out of a node and return it; it is empty if there is none."""
        has_title = node.children and isinstance(node[0], nodes.title)
        return self.inline(node.pop(0)).strip() if has_title else ""

    def on_bullet_list(self, node):
        return self.items(node, ["- "] * len(node))

    def on_enumerated_list(self, node):
        first = node.get("start", 1)
        return self.items(node, [f"{first + i}. " for i in range(len(node))])

    def items(self, node, leads):
        """Return the items of a list, close together if each is a single paragraph."""
        with self.inside():
            texts = [
                indent(self.blocks(item), lead) for lead, item in zip(leads, node, strict=True)
            ]
        close = all(len(item) <= 1 for item in node)
        return ("\n" if close else "\n\n").join(texts)

    def on_definition_list(self, node):
        with self.inside():
            return "\n".join(indent(self.blocks(item), "- ") for item in node)

    def on_term(self, node):
        return f"**{self.inline(node).strip()}**"

    # Tables

    def on_table(self, node):
        title = self.take_title(node)
        name = self.page.name("table", node)
        heading = " ".join(filter(None, (name and f"**{name}.**", title)))
        with self.inside():
            head, body = ([self.row(row) for part in node.findall(kind) for row in part]
                          for kind in (nodes.thead, nodes.tbody))  # fmt: skip
        head = head or [[""] * len(body[0])]
        columns = zip(*body, strict=True)
        rules = ["--:" if all(map(NUMERIC.fullmatch, column)) else ":--" for column in columns]
        lines = [f"| {' | '.join(row)} |" for row in [*head, rules, *body]]
        return f"{heading}\n\n" * bool(heading) + "\n".join(lines)

    def row(self, node):
        """Return the cells of a row; one that spans columns is followed by empty ones."""
        cells = []
        for entry in node:
            cells += [self.cell(entry), *[""] * entry.get("morecols", 0)]
        return cells

    def cell(self, entry):
        """Return the content of a cell, on a line and without the character that ends cells."""
        text = re.sub(r"\n+", "<br>", self.blocks(entry))
        parts = FORMULA.split(text)
        parts[::2] = [part.replace("|", r"\|") for part in parts[::2]]
        parts[1::2] = [without_bars(part) for part in parts[1::2]]
        return "".join(parts)
