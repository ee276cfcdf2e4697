"""The pages of the built book, as parts of other documents: slides and the PDF."""

import re
import shutil
import sys
from functools import cache
from pathlib import Path

import yaml
from bs4 import BeautifulSoup

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "_build"
SITE = BUILD / "html"
MATHJAX = SITE / "_static" / "vendor" / "mathjax"
CONFIGURED = re.compile(r"window\.MathJax = .*")
# What a page has for readers at a screen
FOR_SCREENS = "a.headerlink, script, button, .vbl-explore div, .toggle-button"


@cache
def title():
    """Return the title of the book."""
    return yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))["title"]


def read(name):
    """Return a built page, parsed."""
    path = SITE / f"{name}.html"
    if not path.exists():
        sys.exit(f"{path} is not there: run `make book` first")
    return BeautifulSoup(path.read_text("utf-8"), "html.parser")


def macros(page):
    """Return the line of script that tells MathJax the macros; None if a page has no formulas."""
    scripts = (script.string or "" for script in page.find_all("script"))
    return next(filter(CONFIGURED.match, scripts), None)


def article(page):
    """Return what a page says, without what only a screen needs."""
    body = page.find("article")
    for element in body.select(FOR_SCREENS):
        element.decompose()
    return body


def use_pictures(body, folder):
    """Copy the pictures of a part of a page into a folder, and let it name them there."""
    for image in body.find_all("img"):
        if not image["src"].startswith("data:"):
            source = SITE / image["src"]
            shutil.copyfile(source, folder / source.name)
            image["src"] = f"{folder.name}/{source.name}"


def chromium():
    """Return the path of Chromium; None if there is none."""
    programs = map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))
    return next(filter(None, programs), None)
