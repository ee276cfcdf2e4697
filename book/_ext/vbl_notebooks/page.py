"""What the text of a page refers to: macros, numbers, other pages, pictures."""

import base64
import mimetypes
from pathlib import Path

import pyvips

SCALE = 2  # pixels of a drawing for one of the page's


class Page:
    """A page that is being written.

    Args:
        builder: The builder.
        name: Of the page.

    Attributes:
        macros: Of TeX, see `vbl_notebooks.tex.expand`.
        attachments: The pictures that :meth:`attach` was asked for since it was emptied.
        cited: The works that :meth:`cite` was told of, in full, by the address of their entry.
    """

    def __init__(self, builder, name):
        self.builder, self.env = builder, builder.env
        self.macros = (builder.config.mathjax3_config or {}).get("tex", {}).get("macros", {})
        self.numbers = self.env.toc_fignumbers.get(name, {})
        self.sections = self.env.toc_secnumbers.get(name, {})
        self.attachments, self.cited = {}, {}

    def number(self, kind, node):
        """Return the number of a figure, table, equation or theorem; empty if it has none."""
        known = self.numbers.get(kind, {})
        numbers = (known[key] for key in node["ids"] if key in known)
        return ".".join(map(str, next(numbers, ())))

    def name(self, kind, node):
        """Return what the book calls a figure or table, "Fig. 3.2"; empty if it has no number."""
        number = self.number(kind, node)
        return number and self.builder.config.numfig_format[kind] % number

    def section(self, node, top):
        """Return the number of a section, or of the page if it is the top one; or nothing."""
        keys = [""] if top else [f"#{key}" for key in node["ids"]]
        numbers = (self.sections[key] for key in keys if self.sections.get(key))
        return ".".join(map(str, next(numbers, ())))

    def link(self, address):
        """Return what a link of the page becomes in a notebook; None if it leads nowhere."""
        if "://" in address or address.startswith("mailto:"):
            return address
        page = address.partition("#")[0]  # programs that open notebooks have no common anchors
        if page in self.builder.notebooks:
            return page
        base = self.builder.config.html_baseurl
        return f"{base.rstrip('/')}/{address}" if base and page else None

    def cite(self, address, entry):
        """Note a work if an address is that of its entry, which is in full, in the bibliography."""
        if entry and address.partition("#")[0] in self.builder.bibliographies:
            self.cited[address] = entry

    def attach(self, address):
        """Attach a picture of the book's folder; return its address in the cell."""
        if "://" in address:
            return address
        path = Path(self.builder.srcdir, address)
        kind, content = mimetypes.guess_type(path)[0], path.read_bytes()
        if kind == "image/svg+xml":  # not every program shows these
            kind, content = "image/png", self.draw(path)
        name = path.with_suffix(mimetypes.guess_extension(kind)).name
        self.attachments[name] = {kind: base64.b64encode(content).decode()}
        return f"attachment:{name}"

    def draw(self, path):
        """Return a drawing as a PNG."""
        return pyvips.Image.svgload(str(path), scale=SCALE).pngsave_buffer()
