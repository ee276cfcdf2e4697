"""Slides of the chapters: how many, what of the chapter is on them, and that all of it fits."""

import re

import pytest
from bs4 import BeautifulSoup
from toy_books import ROOT

import articles
import slides

CHAPTERS = [path.stem for path in sorted((ROOT / "book").glob("[01]*.ipynb"))]
PAGE = """
<script>window.MathJax = {"tex": {}}</script>
<article><section id="one"><h1>1. One</h1><p>Opening. More.</p>
<section id="two"><h2>1.1. Two</h2><p>Long since. A formula says:</p>
<div class="math" id="equation-eq"><span class="eqno">(1.1)</span>x</div>
<p>with <a href="x.html">x</a>, e.g. this. And more.</p>
<figure id="fig-a"><img src="data:," alt="a" style="width: 1px"><figcaption><p>
<span class="caption-number">Fig. 1.1</span><span class="caption-text">A figure. Look.</span>
</p></figcaption></figure></section>
<section id="three"><h2>1.2. Three</h2><p>Said first. Said instead.</p><p>Then.</p></section>
<section id="exercises"><h2>1.3. Exercises</h2>
<div class="exercise"><p class="admonition-title">Exercise 1.1</p></div></section>
</section></article>
"""
# Of each slide: what is below and to the right of it, in pixels, the size of its smallest letters,
# and the number of formulas that could not be set
FITS = """() => [...document.querySelectorAll(".slides > section")].map((slide, number) => {
  Reveal.slide(number);
  const right = (e) => e.getBoundingClientRect().right;
  const parts = [...slide.querySelectorAll("mjx-math, code, img, li")];
  const letters = [slide, ...slide.querySelectorAll("div.math")].map(
    (e) => parseFloat(e.style.fontSize || 1));
  return [slide.scrollHeight - slide.clientHeight,
          Math.max(0, ...parts.map((e) => right(e) - right(slide))),
          Math.min(...letters),
          slide.querySelectorAll("mjx-merror").length];
})"""


def deck(**wishes):
    return slides.Deck(BeautifulSoup(PAGE, "html.parser").find("article"), wishes)


def texts(made):
    return [" ".join(BeautifulSoup(s, "html.parser").get_text(" ").split()) for s in made.slides]


def test_slides_are_the_sections_formulas_and_figures_of_a_chapter():
    assert texts(deck()) == [
        "1. One Opening. More.",
        "1.1. Two Long since. A formula says: (1.1) x with x, e.g. this. And more.",
        "1.1. Two Fig. 1.1. A figure. Look.",
        "1.2. Three Said first. Said instead. Then.",
        "Exercises Exercise 1.1",
    ]


def test_a_chapter_may_leave_out_and_say_something_else():
    made = texts(deck(without=["two"], say={"three": "Said instead"}))
    assert made[1] == "1.2. Three Said instead. Then."


@pytest.mark.parametrize(
    ("wishes", "said"),
    [
        ({"without": ["fig-b"]}, "has no 'fig-b' that slides could leave out"),
        ({"say": {"three": "Never"}}, "no sentence of three in '1. One' begins with 'Never'"),
    ],
)
def test_wishes_that_cannot_be_met_are_named(wishes, said):
    with pytest.raises(SystemExit, match=said):
        deck(**wishes)


def test_a_book_that_is_not_built_is_refused_in_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr(articles, "SITE", tmp_path)
    with pytest.raises(SystemExit, match=r"is not there: run `make book` first$"):
        articles.read("one")


# The book that is built

built = pytest.mark.skipif(not (articles.SITE / "index.html").exists(), reason="needs the book")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder of the slides of all chapters."""
    folder = tmp_path_factory.mktemp("slides") / "slides"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slides, "OUT", folder)
        slides.main()
    return folder


@built
@pytest.mark.slow
@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_has_12_to_25_slides_that_need_no_network(made, name):
    text = (made / f"{name}.html").read_text("utf-8")
    assert 12 <= len(re.findall(r'<section class="\w*">', text)) <= 25
    used = re.findall(r'(?:src|href)="((?!data:|#)[^"]+)"', text)
    assert all((made / address).is_file() for address in used)


@built
@pytest.mark.slow
@pytest.mark.parametrize("name", CHAPTERS)
def test_slides_fit_and_formulas_are_set(made, name, browser):
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((made / f"{name}.html").as_uri())
    page.wait_for_selector("body.ready", timeout=180_000)
    for number, (tall, wide, letters, errors) in enumerate(page.evaluate(FITS), start=1):
        assert tall <= 0 and wide <= 0 and errors == 0, f"slide {number}"
        assert letters >= 0.6, f"slide {number} says too much"
    assert all(url.startswith(("file:", "data:")) for url in asked)
    page.close()
