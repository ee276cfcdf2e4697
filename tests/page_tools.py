"""Opening the built pages in a browser, without a network."""

import importlib.resources
import re
from contextlib import contextmanager
from pathlib import Path

SITE = Path(__file__).parent.parent / "_build" / "html"
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}
BUSY = 180_000  # milliseconds in which a page opens on a busy machine


def violations(page, rules=None):
    """Run axe-core in the page, all rules or some; return its findings as readable lines."""
    script = importlib.resources.files("axe_playwright_python") / "axe.min.js"
    if not page.evaluate("'axe' in window"):
        page.evaluate(script.read_text("utf-8"))
    options = {"resultTypes": ["violations"], "selectors": False}
    options |= {"runOnly": rules} if rules else {}
    found = page.evaluate("options => axe.run(document, options)", options)["violations"]
    return [f"{rule['id']}: {node['html'][:160]}" for rule in found for node in rule["nodes"]]


def choose_theme(page, theme):
    """Switch between light and dark as the page's own button does."""
    page.evaluate("theme => document.documentElement.dataset.theme = theme", theme)


def open_page(browser, address):
    """Open a page without a network, and without its formulas, which take most of the time."""
    page = browser.new_context(viewport=DESK, offline=True).new_page()
    page.set_default_timeout(BUSY)
    page.route("**/mathjax/**", lambda route: route.abort())
    page.goto(address)
    return page


@contextmanager
def watched(browser, path, until="load"):
    """Open a page from disk without a network; yield it, what it asked for and its errors."""
    context = browser.new_context(viewport=DESK, color_scheme="light", offline=True)
    context.set_default_timeout(BUSY)
    requests, errors = [], []
    context.route(
        re.compile("^(?!file:|data:|blob:)"),
        lambda route: (requests.append(route.request.url), route.abort()),
    )
    page = context.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(path.as_uri(), wait_until=until)
    page.add_style_tag(content="* { transition: none !important }")  # colours are read at once
    yield page, requests, errors
    context.close()
