"""The Sphinx builder that writes the notebooks."""

import shutil
from contextlib import suppress
from pathlib import Path

import nbformat
from jupyter_cache import get_cache
from nbformat.v4 import new_code_cell, new_notebook
from sphinx.builders import Builder

from .cells import CellWriter
from .editions import EDITIONS, FOLDED, edition
from .page import Page

CACHES = shutil.ignore_patterns("__pycache__")
INSTALL = """\
# Colab does not have the library of this book. Where it is installed, nothing happens here.
import importlib.util

if importlib.util.find_spec("vbl") is None:
    %pip install --quiet "vbl @ git+{url}@{branch}"
"""


class NotebookBuilder(Builder):
    """Writes each page that was made from a notebook as one, in each edition's folder."""

    name, format, epilog = "notebooks", "ipynb", "The notebooks are in %(outdir)s."
    supported_image_types = ("image/svg+xml", "image/png", "image/jpeg", "image/gif")
    supported_remote_images = True

    def is_notebook(self, page):
        """Whether a page was made from a notebook."""
        return str(self.env.doc2path(page)).endswith(".ipynb")

    def get_outdated_docs(self):
        """Return the pages to write: all, as a number in one may have changed by another."""
        return [page for page in self.env.found_docs if self.is_notebook(page)]

    def get_target_uri(self, docname, typ=None):
        """Return the address of a page, of a notebook where it is one."""
        return docname + (".ipynb" if self.is_notebook(docname) else ".html")

    def write(self, build_docnames, updated_docnames, method="update"):
        """Write the pages that were made from notebooks."""
        super().write(self.get_outdated_docs(), [], method)

    def prepare_writing(self, docnames):
        """Open the cache of executions; note which addresses are notebooks, which list works."""
        self.cache = get_cache(self.env.mystnb_config.execution_cache_path)
        self.notebooks = {self.get_target_uri(page) for page in self.get_outdated_docs()}
        self.editions = [
            name for name in EDITIONS if self.config.vbl_solutions or name != "instructor"
        ]
        works = self.env.domaindata.get("cite", {}).get("citations", [])
        pages = {work.bibliography_key.docname for work in works}
        self.bibliographies = set(map(self.get_target_uri, pages))

    def write_doc(self, docname, doctree):
        """Write a page in all editions."""
        if not self.is_notebook(docname):
            return
        source = self.executed(docname)
        writer = CellWriter(Page(self, docname), source)
        writer.write(doctree)
        for name in self.editions:
            cells = [*self.install(), *edition(name, writer.pieces)]
            self.save(Path(self.outdir, name, f"{docname}.ipynb"), cells, source.metadata)

    def executed(self, page):
        """Return the notebook of a page, with the outputs that the cache of executions holds."""
        source = nbformat.read(self.env.doc2path(page), as_version=4)
        with suppress(KeyError):  # where nothing is executed, there are none
            return self.cache.merge_match_into_notebook(source)[1]
        return source

    def save(self, path, cells, metadata):
        """Write a notebook."""
        notebook = new_notebook(cells=cells)
        known = {"kernelspec", "language_info"} & metadata.keys()
        notebook.metadata = {key: metadata[key] for key in sorted(known)}
        folded = [cell.id for cell in cells if FOLDED in cell.metadata]
        notebook.metadata["colab"] = {"collapsed_sections": folded}
        nbformat.validate(notebook)
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, path)

    def finish(self):
        """Copy the packages beside the chapters, which some of them import."""
        for package in Path(self.srcdir).glob("*/__init__.py"):
            for name in self.editions:
                target = Path(self.outdir, name, package.parent.name)
                shutil.copytree(package.parent, target, ignore=CACHES, dirs_exist_ok=True)

    def install(self):
        """Return the cell that installs the library, if the book knows its address."""
        options = self.config.html_theme_options
        if not options.get("repository_url"):
            return []
        address = {"url": options["repository_url"], "branch": options["repository_branch"]}
        return [new_code_cell(INSTALL.format(**address), id="install")]
