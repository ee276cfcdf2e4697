"""Pack the built book for a USB stick: `make zip`, or `.venv/bin/python book/bundle.py`.

_build/book.zip holds one folder: pages/, notebooks/ and an index.html that links to both. Nothing
in it needs a server or a network. The instructor's edition stays out, as this is given to a class.
"""

import html
import json
import re
import sys
import zipfile
from pathlib import Path

import yaml

BUILD = Path(__file__).resolve().parent.parent / "_build"
FOLDER, LIMIT_MB = "book", 80
EDITIONS = {
    "full": "With the solutions of the exercises, if the book was built with them",
    "student": "With empty cells for the answers, nothing executed yet",
}
SOURCE = re.compile(r"_sources/([\w-]+\.ipynb)")  # where a page's download button leads
PAGE = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 1.1rem/1.5 sans-serif; max-width: 40rem; margin: 2rem auto; padding: 0 1rem }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
<p><a href="pages/index.html">Read the pages</a> in this browser.</p>
{editions}
<p>To open notebooks you need a program for them, for instance JupyterLab, and to run them the
library <code>vbl</code>, which comes with the sources of the book.</p>
</main>
</body>
</html>
"""


def title(path):
    """Return the title of a notebook."""
    cells = json.loads(path.read_text("utf-8"))["cells"]
    text = next("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    return text.splitlines()[0].lstrip("# ")


def index(name):
    """Return the page that links to everything.

    Args:
        name: The title of the book.
    """
    parts = []
    for edition, about in EDITIONS.items():
        links = [
            f'<li><a href="notebooks/{edition}/{path.name}">{html.escape(title(path))}</a></li>'
            for path in sorted((BUILD / "notebooks" / edition).glob("*.ipynb"))
        ]
        heading = f"<h2>Notebooks: {edition} edition</h2>\n<p>{about}.</p>"
        parts.append("\n".join([heading, "<ul>", *links, "</ul>"]))
    return PAGE.format(title=html.escape(name), editions="\n".join(parts))


def pages():
    """Yield the pages and what they need, as name in the folder and bytes.

    The notebooks that their download buttons give are those of the full edition, packed once.
    """
    site = BUILD / "html"
    for path in sorted(p for p in site.rglob("*") if p.is_file()):
        name = path.relative_to(site).as_posix()
        if SOURCE.fullmatch(name) or name == ".buildinfo":
            continue
        content = path.read_bytes()
        if path.suffix == ".html":
            content = SOURCE.sub(r"../notebooks/full/\1", content.decode("utf-8")).encode()
        yield f"pages/{name}", content


def notebooks():
    """Yield the notebooks and what they import, as name in the folder and bytes."""
    for edition in EDITIONS:
        for path in sorted(p for p in (BUILD / "notebooks" / edition).rglob("*") if p.is_file()):
            yield path.relative_to(BUILD).as_posix(), path.read_bytes()


def pack(name):
    """Write the archive and return its path.

    Args:
        name: The title of the book.
    """
    target, partial = BUILD / f"{FOLDER}.zip", BUILD / f"{FOLDER}.zip.part"
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{FOLDER}/index.html", index(name))
        for source in (pages(), notebooks()):
            for path, content in source:
                archive.writestr(f"{FOLDER}/{path}", content)
    return partial.replace(target)


def main():
    """Pack the book that is built, and say how large it is."""
    if not (BUILD / "notebooks" / "full").is_dir():
        sys.exit(f"{BUILD} holds no finished book: run `make book` first")
    config = yaml.safe_load((BUILD.parent / "_config.yml").read_text("utf-8"))
    path = pack(config["title"])
    size = path.stat().st_size / 1e6
    print(f"{path}: {size:.0f} MB")
    if size > LIMIT_MB:
        sys.exit(f"{path.name} has {size:.0f} MB, expected at most {LIMIT_MB}")


if __name__ == "__main__":
    main()
