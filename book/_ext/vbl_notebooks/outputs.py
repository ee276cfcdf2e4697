"""Outputs of the executed chapters as they are kept in notebooks."""

import re
from copy import deepcopy

from .tex import expand

# An interactive figure of a page works by a script, which no notebook lets run unasked.
SCRIPTED = re.compile(r'<figure class="vbl-explore"')
STILL = re.compile(r"<img .*?>|<figcaption>.*?</figcaption>", re.DOTALL)
PAGE_LINK = re.compile(r"\[([^\]]+)\]\([\w-]+\.(?:md|ipynb)\)")


def still(html):
    """Return the first picture of an interactive figure, and its caption."""
    picture, *caption = STILL.findall(html.partition("<script>")[0])
    return "".join([picture, *caption]).replace("figcaption>", "p>")


def plain_outputs(outputs, macros, alt=""):
    """Return outputs with macros expanded, page links as text, interactive figures as pictures.

    Args:
        outputs: Of a cell.
        macros: See `vbl_notebooks.tex.expand`.
        alt: The alternative text of the pictures among them.
    """
    # numbers that the text quotes are in the text
    outputs = [deepcopy(each) for each in outputs if "scrapbook" not in each.get("metadata", {})]
    for output in outputs:
        data = output.get("data", {})
        if alt and "image/png" in data:
            output.metadata["image/png"] = {**output.metadata.get("image/png", {}), "alt": alt}
        if SCRIPTED.search(data.get("text/html", "")):
            data["text/html"] = still(data["text/html"])
        if "text/markdown" in data:
            data["text/markdown"] = expand(PAGE_LINK.sub(r"\1", data["text/markdown"]), macros)
    return outputs
