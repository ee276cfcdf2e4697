"""Print the book: `make pdf`, or `.venv/bin/python book/pdf.py`. Needs Chromium.

_build/book.pdf has all pages of the built book but the reference of the library, with links, page
numbers, a table of contents and an outline. Code that is folded on a page is left out, what is
hidden otherwise stands open, and an interactive figure is its first picture.
"""

import re
import sys
from html import escape
from pathlib import Path

import yaml
from playwright.sync_api import sync_playwright
from pypdf import PdfReader
from sphinx_external_toc.parsing import parse_toc_yaml

import vbl
from articles import BUILD, ROOT, article, chromium, macros, read, title

HERE = Path(__file__).resolve().parent
OUT = BUILD / "book.pdf"
WITHOUT = {"api"}  # hundreds of pages, which nobody reads in order
FOLDED = ".tag_hide-input > details, .tag_hide-input > .cell_input, .tag_hide-cell"
MINUTES = 20 * 60_000  # milliseconds: a slow machine takes as long to set all formulas
DOCUMENT = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<link rel="stylesheet" href="html/_static/pygments.css">
<link rel="stylesheet" href="{style}">
<script>
{macros}
window.MathJax.startup = {{
  pageReady: () =>
    MathJax.startup.defaultPageReady().then(() => document.body.classList.add("ready")),
}};
</script>
<script defer src="html/_static/vendor/mathjax/tex-chtml.js"></script>
</head>
<body>
<header>
<h1>{title}</h1>
<p>{author}</p>
<p>{edition}</p>
</header>
<nav>
<h1>Contents</h1>
{contents}
</nav>
{pages}
</body>
</html>
"""
FOOTER = """\
<div style="width: 100%; font: 9px sans-serif; text-align: center"><span class="pageNumber"></span>
</div>"""


def anchor(name, key=""):
    """Return the id in the document of a page, or of something on it."""
    return f"{name}--{key}" if key else name


def link(name, address, pages):
    """Return what an address on a page is in the document; None if it leads out of it."""
    if re.match(r"\w+:", address):
        return address
    page, _, key = address.partition("#")
    page = page.removesuffix(".html") or name
    return f"#{anchor(page, key)}" if page in pages else None


def prepared(name, pages):
    """Return the article of a page as part of the document, and what MathJax is told on the page.

    Args:
        name: Of the page.
        pages: The names of all pages of the document.
    """
    page = read(name)
    configured, body = macros(page), article(page)
    for element in body.select(FOLDED):
        element.decompose()
    for details in body.find_all("details"):
        details["open"] = ""
    for element in body.find_all(id=True):
        element["id"] = anchor(name, element["id"])
    for element in body.find_all("a", href=True):
        element.attrs = {"href": link(name, element["href"], pages)}
        if element["href"] is None:
            element.unwrap()
    for image in body.find_all("img"):
        image.attrs.pop("loading", None)
        if not image["src"].startswith("data:"):
            image["src"] = f"html/{image['src']}"
    body["id"] = anchor(name)
    return body, configured


def contents(bodies):
    """Return the table of contents, with room for the numbers of pages."""
    lines = []
    for body in bodies:
        for heading in body.find_all(["h1", "h2"]):
            target = body["id"] if heading.name == "h1" else heading.find_parent(id=True)["id"]
            text = f'<a href="#{target}">{heading.decode_contents()}</a>'
            lines.append(f'<p class="{heading.name}">{text}<span data-of="{target}">000</span></p>')
    return "\n".join(lines)


def document():
    """Return the whole book as a page."""
    pages = parse_toc_yaml(HERE / "_toc.yml")
    names = [name for name in pages if name.partition("/")[0] not in WITHOUT]
    bodies, scripts = zip(*(prepared(name, names) for name in names), strict=True)
    config = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))
    given = {
        "title": escape(title()),
        "author": escape(config["author"]),
        "edition": f"Version {vbl.__version__} · {config['copyright']}",
        "style": (HERE / "_print" / "book.css").as_uri(),
        "macros": next(filter(None, scripts)),
        "contents": contents(bodies),
        "pages": "\n".join(map(str, bodies)),
    }
    return DOCUMENT.format(**given)


def page_numbers(path):
    """Return the number of the page on which each named place of a PDF is."""
    pdf = PdfReader(path)
    places = pdf.named_destinations.items()
    return {name.removeprefix("/"): pdf.get_destination_page_number(at) + 1 for name, at in places}


def printed(browser, source, target):
    """Print a page twice, as its table of contents needs the numbers of the first print."""
    page = browser.new_page()
    page.set_default_timeout(MINUTES)
    page.goto(source.as_uri())
    page.wait_for_selector("body.ready")
    for _ in range(2):
        page.pdf(
            path=target,
            prefer_css_page_size=True,
            display_header_footer=True,
            header_template="<span></span>",
            footer_template=FOOTER,
            print_background=True,
            outline=True,
            tagged=True,
        )
        page.evaluate(
            """numbers => document.querySelectorAll("[data-of]").forEach(
                 (e) => { e.textContent = numbers[e.dataset.of] ?? "" })""",
            page_numbers(target),
        )


def main():
    """Print the book that is built."""
    program = chromium()
    if program is None:
        sys.exit("Chromium is needed to print the book (Debian: apt install chromium)")
    print("Printing the book, which takes minutes ...", flush=True)
    source, partial = BUILD / "book.print.html", BUILD / "book.part.pdf"
    source.write_text(document(), "utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        printed(browser, source, partial)
        browser.close()
    source.unlink()
    partial.replace(OUT)
    print(f"{OUT}: {len(PdfReader(OUT).pages)} pages, {OUT.stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
