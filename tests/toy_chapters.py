"""A book of two short chapters that have one of everything notebooks are made from."""

import subprocess
import sys

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from toy_books import KERNEL, ROOT

CONFIG = r"""
import sys

sys.path.insert(0, "EXTENSIONS")
extensions = ["myst_nb", "sphinx_proof", "sphinx_exercise", "sphinx_design",
              "sphinxcontrib.bibtex", "vbl_notebooks"]
exclude_patterns = ["_build"]
nb_execution_mode = "cache"
myst_enable_extensions = ["amsmath", "attrs_inline", "colon_fence", "dollarmath"]
numfig = math_numfig = True
math_eqref_format = "Eq. ({number})"
bibtex_bibfiles, bibtex_reference_style = ["works.bib"], "author_year"
macros = {"picture": r"\boldsymbol{x}", "norm": [r"\lVert #1 \rVert", 1]}
mathjax3_config = {"tex": {"macros": macros}}
"""
SETTINGS = {
    "address": """
html_baseurl = "https://book.example/"
html_theme_options = {"repository_url": "https://code.example/book", "repository_branch": "main"}
"""
}
WORKS = """
@book{bayes1763, author = {Thomas Bayes}, title = {An Essay}, publisher = {Dodsley}, year = {1763}}
"""
DRAWING = """<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20">
<rect width="40" height="20" fill="#c00"/></svg>"""
FRONT = """# Front

```{toctree}
:numbered:

one
two
prose
```
"""
PROSE = """# Prose

(a-place)=
## A place

```{bibliography}
```
"""
DOT = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5E"
    "rkJggg=="
)
FIGURE = {"figure": {"caption": "A dot.", "name": "fig-dot"}, "image": {"alt": "a dot"}}
MACROS = new_markdown_cell(
    r"$$\newcommand{\picture}{\boldsymbol{x}}$$", metadata={"tags": ["remove-cell"]}
)
TITLE = new_markdown_cell("# Beginning")
TEXT = new_markdown_cell(r"""
Of $\picture_\picture$, *slanted* and **bold** `code`, a_name, 5 $ and 2 < 3.

$$
\norm{\picture}^2 = 1  % a comment
$$ (eq-one)

## Boxes

```{prf:theorem} Of norms
:label: thm-one
If $\picture$ is given, then

$$
\norm{\picture} \ge 0 .
$$ (eq-two)
```

```{prf:proof}
By {eq}`eq-one`.
```

:::{note}
Take note.
:::

:::{admonition} What it costs
- **CPU:** nothing
- **GPU:** none
:::

:::{dropdown} Where from
From here.
:::
""")
PICTURES = new_markdown_cell(r"""
## Pictures and tables

```{figure} drawing.svg
:name: fig-drawing
:alt: A red [box]
The drawing of {cite:t}`bayes1763`.
```

```{list-table} Of numbers
:header-rows: 1
:name: tab-one

* - Name
  - dB
* - $p(a|b)$, `a|b`
  - 3.5
* - ours
  - –
```
""")
CODE = [
    new_code_cell("print('printed')", id="hidden", metadata={"tags": ["hide-input"]}),
    new_code_cell(
        f"import base64\nfrom IPython.display import Image\n\nImage(base64.b64decode('{DOT}'))",
        id="drawn",
        metadata={"mystnb": FIGURE},
    ),
]
LISTS = new_markdown_cell(r"""
{numref}`fig-dot` and {numref}`fig-drawing` are here, {numref}`tab-one` too.

1. One
   - inner
2. Two, in two paragraphs

   $$
   a = \picture
   $$
""")
EXERCISES = [
    new_markdown_cell(r"""
## Exercises

```{exercise} Words
:label: ex-words
What is an animal?
```

```{solution} ex-words
:class: dropdown
The opaque pangolin.
```

```{exercise} Code: a number
:label: ex-code
Compute it.
```

```{solution-start} ex-code
:class: dropdown
```
First the wombat.
"""),
    new_code_cell("wombat = 42\nwombat", id="solved"),
    new_markdown_cell("Then the marmot.\n\n```{solution-end}\n```"),
]
QUIZ = new_markdown_cell(r"""
## Further

[Difficulty 1]{.vbl-effort}
A question.

:::{admonition} Answers to the quiz
:class: dropdown
1. Right.
:::

After it.
""")
LINKS = new_markdown_cell(r"""
From {eq}`eq-one`, {numref}`fig-drawing`, {prf:ref}`thm-one`, [the first](one.ipynb),
{ref}`a-place` and [elsewhere](https://example.org/), as {cite:p}`bayes1763` says.
""")
CHAPTERS = {
    "one": [MACROS, TITLE, TEXT, PICTURES, *CODE, LISTS, *EXERCISES, QUIZ],
    "two": [new_markdown_cell("# End"), LINKS],
}


def write_chapters(folder, settings=""):
    """Write the book into an empty folder; `settings` is a key of `SETTINGS`, or nothing."""
    config = CONFIG.replace("EXTENSIONS", (ROOT / "book" / "_ext").as_posix())
    (folder / "conf.py").write_text(config + SETTINGS.get(settings, ""))
    texts = {"works.bib": WORKS, "drawing.svg": DRAWING, "index.md": FRONT, "prose.md": PROSE}
    for name, text in texts.items():
        (folder / name).write_text(text)
    for name, cells in CHAPTERS.items():
        nbformat.write(new_notebook(cells=cells, metadata=KERNEL), folder / f"{name}.ipynb")
    package = folder / "beside"
    package.mkdir()
    (package / "__init__.py").write_text("")


def run_sphinx(folder, builder, **environment):
    """Build the book in a folder; return what lies in its output folder."""
    out = folder / "_build" / builder
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-n", "--keep-going", "-b", builder]
    command += ["-d", str(folder / "_build" / ".doctrees"), str(folder), str(out)]
    subprocess.run(command, check=True, env=environment)
    return out
