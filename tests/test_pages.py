"""The built pages: whole, self-contained and readable, first as text and then in a browser."""

import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from page_tools import BUSY, DESK, PHONE, SITE, choose_theme, open_page, violations, watched

from vbl.evaluation.exercises import QUESTIONS, check

BOOK = Path(__file__).parent.parent / "book"
PAGES = sorted(SITE.rglob("*.html")) if (SITE / "index.html").exists() else []
PAGES = [page for page in PAGES if "_static" not in page.relative_to(SITE).parts]
NAMES = [str(page.relative_to(SITE)) for page in PAGES]
# Of the pages of code, which are all made from one template, one is opened in the browser.
CODE = SITE / "_modules" / "vbl" / "models" / "vdn.html"
OPENED = [page for page in PAGES if "_modules" not in page.parts or page == CODE]
# The themes differ in colours alone, and pages of one kind have the same: one of each kind.
KINDS = ("index", "09-side-by-side", "11-your-camera", "errata", "laboratory", "models", CODE.stem)
DARK = [page for page in OPENED if page.stem in KINDS]
LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "object": "data"}
LOADED_LINKS = {"stylesheet", "preload", "icon", "manifest"}


class Page(HTMLParser):
    """What a page loads, where it links to, what it calls itself, and its pictures."""

    def __init__(self, path):
        super().__init__()
        self.path, self.loads, self.links, self.ids, self.pictures = path, [], [], set(), []
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag, attrs):
        """Collect one element's references."""
        found = dict(attrs)
        self.ids.update(found[key] for key in ("id", "name") if found.get(key))
        if found.get(LOADED.get(tag)):
            self.loads.append(found[LOADED[tag]])
        if tag == "link" and LOADED_LINKS & set((found.get("rel") or "").split()):
            self.loads.append(found["href"])
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])
        if tag == "img":
            self.pictures.append(found)

    def target(self, address):
        """Return the file a local address means, and the anchor in it; None when not local."""
        parts = urlsplit(address)
        if parts.scheme or parts.netloc:
            return None
        path = self.path.parent / unquote(parts.path) if parts.path else self.path
        return path.resolve(), unquote(parts.fragment)


@pytest.fixture(scope="session")
def parsed():
    """Every page, parsed once."""
    return {page.resolve(): Page(page) for page in PAGES}


def test_the_book_is_built():
    assert PAGES, "there is no _build/html/index.html: run `make book` first"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_a_page_loads_nothing_from_elsewhere(page, parsed):
    loads = [address for address in parsed[page].loads if not address.startswith("data:")]
    external = [address for address in loads if urlsplit(address).scheme or address[:2] == "//"]
    assert not external
    assert not [address for address in loads if not parsed[page].target(address)[0].is_file()]


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_local_link_and_anchor_of_a_page_exists(page, parsed):
    targets = [(link, parsed[page].target(link)) for link in parsed[page].links]
    local = [(link, *target) for link, target in targets if target]
    assert not [link for link, path, _ in local if not path.is_file()]
    anchored = [entry for entry in local if entry[2] and entry[1] in parsed]
    assert not [link for link, path, anchor in anchored if anchor not in parsed[path].ids]


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_picture_of_a_page_is_described_in_words(page, parsed):
    described = [image.get("alt") or "logo__image" in image.get("class", "")
                 for image in parsed[page].pictures]  # fmt: skip
    assert all(described), parsed[page].pictures


def test_equations_link_to_the_library_and_the_library_to_equations(parsed):
    reference = [
        link for path, page in parsed.items() if path.parent.name == "api" for link in page.links
    ]
    assert [link for link in reference if re.match(r"\.\./\d\d-.*#equation-eq-", link)]
    chapters = [page for path, page in parsed.items() if re.match(r"\d\d-", path.name)]
    assert all(
        [link for link in page.links if re.search(r"api/[a-z-]+\.html#vbl\.", link)]
        for page in chapters
    )


def test_no_style_sheet_fetches_from_elsewhere():
    external = re.compile(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//[^\"')]*")
    sheets = list(SITE.rglob("*.css"))
    assert sheets
    assert not [(s.name, external.findall(s.read_text("utf-8"))) for s in sheets
                if external.search(s.read_text("utf-8"))]  # fmt: skip


@pytest.fixture(scope="module", params=OPENED, ids=lambda page: page.stem)
def opened(request, browser):
    """A page opened from disk without a network, its formulas set; and what went wrong."""
    with watched(browser, request.param) as (page, requests, errors):
        page.evaluate("window.MathJax?.startup?.promise")
        yield page, requests, errors


def test_an_opened_page_asks_no_server_for_anything(opened):
    page, requests, _ = opened
    choose_theme(page, "dark")
    choose_theme(page, "light")
    assert not requests


def test_an_opened_page_runs_without_script_errors(opened):
    assert not opened[2]


def test_every_formula_of_an_opened_page_is_typeset(opened):
    page = opened[0]
    formulas = page.locator(".math")
    assert page.locator("mjx-merror").count() == 0
    assert formulas.count() == page.locator(".math:has(mjx-container)").count()


def test_dark_mode_leaves_the_pixels_of_pictures_alone(opened):
    choose_theme(opened[0], "dark")
    filters = opened[0].evaluate(
        "[...document.querySelectorAll('article img, article canvas, article svg')]"
        ".map(picture => getComputedStyle(picture).filter)"
    )
    assert set(filters) <= {"none"}


SCROLLS = """() => [...document.querySelectorAll('article :not(span)')]
.filter(e => ['auto', 'scroll'].includes(getComputedStyle(e).overflowX))
.filter(e => e.clientWidth && e.scrollWidth > e.clientWidth + 1)
.map(e => e.tagName + ': ' + e.textContent.trim().slice(0, 60))"""


def test_nothing_on_an_opened_page_scrolls_sideways(opened):
    assert not opened[0].evaluate(SCROLLS)


def test_an_opened_page_fits_a_phone(opened):
    page = opened[0]
    page.set_viewport_size(PHONE)
    width = page.evaluate("document.documentElement.scrollWidth")
    page.set_viewport_size(DESK)
    assert width <= PHONE["width"]


@pytest.fixture
def shortened(opened):
    """An opened page with sixty entries of the reference: axe takes minutes for a thousand."""
    entries = "[...document.querySelectorAll('dl.py')].slice(60)"
    opened[0].evaluate(f"{entries}.forEach(entry => entry.remove())")
    return opened[0]


# These are the last of an opened page, as they shorten it.
def test_axe_finds_no_barrier_in_an_opened_page(shortened):
    choose_theme(shortened, "light")
    assert not violations(shortened)


@pytest.mark.parametrize("opened", DARK, indirect=True, ids=lambda page: page.stem)
def test_axe_finds_enough_contrast_in_the_dark(shortened):
    choose_theme(shortened, "dark")
    assert not violations(shortened, ["color-contrast"])


def test_a_figure_too_small_to_read_opens_alone(browser):
    page = open_page(browser, (SITE / "10-sure-of-what.html").as_uri())
    page.set_viewport_size(PHONE)
    link = page.locator("figure#fig-all-posteriors a:has(img)")
    link.wait_for()
    assert link.get_attribute("href") == link.locator("img").evaluate("image => image.src")
    assert not violations(page, ["link-name", "link-in-text-block"])
    page.context.close()


def test_the_search_works_from_disk(browser):
    page = open_page(browser, (SITE / "search.html").as_uri() + "?q=posterior")
    result = page.locator("#search-results li a", has_text="Glossary")
    result.first.wait_for(timeout=10_000)
    page.context.close()


def test_sliders_answer_to_the_keyboard_and_describe_what_they_show(browser):
    chapters = [path for path in PAGES if '<figure class="vbl-explore"' in path.read_text("utf-8")]
    assert chapters
    for chapter in chapters:
        page = open_page(browser, chapter.as_uri())
        figure = page.locator("figure.vbl-explore").first
        before = figure.locator("img").get_attribute("alt")
        figure.locator("input").first.press("ArrowLeft")
        assert figure.locator("img").get_attribute("alt") != before
        page.context.close()


def test_a_film_moves_only_when_somebody_plays_it(browser):
    films = [path for path in PAGES if "Play</button>" in path.read_text("utf-8")]
    assert films
    for path in films:
        page = open_page(browser, path.as_uri())
        figure = page.locator("figure.vbl-explore:has(button)")
        slider, end = figure.locator("input").first, figure.locator("img").get_attribute("alt")
        assert slider.input_value() == slider.get_attribute("max")
        figure.get_by_role("button", name="Play").click()
        page.wait_for_function("(s) => s.value === '1'", arg=slider.element_handle())
        figure.get_by_role("button", name="Pause").click()
        at = slider.input_value()
        page.wait_for_timeout(1500)
        assert slider.input_value() == at
        assert figure.locator("img").get_attribute("alt") != end
        page.context.close()


def test_a_quiz_answers_the_keyboard_with_an_explanation_of_each_option(browser):
    chapters = [path for path in PAGES if "vbl-quiz" in path.read_text("utf-8")]
    assert chapters == [path for path in PAGES if path.stem[:2].isdigit()]
    for chapter in chapters:
        page = open_page(browser, chapter.as_uri())
        assert page.locator(".vbl-quiz form legend").count() >= 5
        form = page.locator(".vbl-quiz form").first
        said = []
        for radio in form.locator("input").all():
            radio.focus()
            page.keyboard.press("Space")
            page.keyboard.press("Enter")
            said.append(form.get_by_role("status").inner_text())
        assert len(set(said)) == len(said) >= 3
        assert sum("Right." in text for text in said) == 1
        assert not page.locator(".vbl-explained").is_visible()
        page.emulate_media(media="print")
        assert page.locator(".vbl-explained").is_visible()
        page.context.close()


@pytest.mark.parametrize("name", ["ex-vote", "ex-vdn-likelihood", "ex-large-eps"])
def test_a_number_is_judged_on_the_page_as_in_a_notebook(browser, name):
    page = open_page(browser, (SITE / "03-vdn.html").as_uri())
    form = page.locator(".vbl-answer", has_text=f'"{name}"').locator("form")

    def judged(text):
        form.get_by_role("textbox").fill(text)
        page.keyboard.press("Enter")
        return form.get_by_role("status").inner_text()

    question = QUESTIONS[name]
    assert judged(f"{float(question.answer()):.5g}") == "Right."
    for hint, compute in question.mistakes.items():
        assert judged(f"{float(compute()):.6g}") == str(check(name, compute()))
        assert hint in judged(f"{float(compute()):.6e}".replace(".", ","))
    assert judged("1234567") == "Not yet."
    assert judged("ten") == "Expected a number."
    page.context.close()


def test_a_choice_is_judged_on_the_page_as_in_a_notebook(browser):
    first = SITE / "01-what-a-picture-lost.html"
    page = open_page(browser, first.as_uri())
    form = page.locator(".vbl-answer", has_text='"ex-median"').locator("form")
    for option in QUESTIONS["ex-median"].options:
        form.get_by_role("radio", name=option).check()
        form.get_by_role("button").click()
        assert form.get_by_role("status").inner_text() == str(check("ex-median", option))
    page.context.close()


def test_no_macro_of_the_book_hides_one_that_tex_already_has(browser):
    groups = yaml.safe_load((BOOK / "notation.yml").read_text("utf-8"))["groups"]
    names = [symbol["macro"] for group in groups for symbol in group["symbols"]]
    page = browser.new_context(offline=True).new_page()
    page.set_default_timeout(BUSY)
    packages = "{'[-]': ['noundefined', 'autoload', 'require']}"
    page.evaluate(f"window.MathJax = {{tex: {{packages: {packages}}}}}")
    page.add_script_tag(path=SITE / "_static" / "vendor" / "mathjax" / "tex-chtml.js")
    page.evaluate("MathJax.startup.promise")
    answers = page.evaluate("names => names.map(name => MathJax.tex2mml('\\\\' + name))", names)
    page.context.close()
    taken = [n for n, a in zip(names, answers, strict=True) if "Undefined control" not in a]
    assert not taken
