"""The book as a PDF: addresses within it, numbers of pages, and the book that is built."""

import pytest
from bs4 import BeautifulSoup
from toy_books import ROOT

import articles

pytest.importorskip("playwright.sync_api")

import pdf

PAGE = """<!DOCTYPE html><body class="ready"><nav>{contents}</nav>
<article id="one"><h1>One</h1>{text}<section id="one--late"><h2>Late</h2></section></article>"""


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("#eq", "#one--eq"),
        ("two.html", "#two"),
        ("two.html#eq", "#two--eq"),
        ("api.html#vbl.load", None),
        ("https://example.org/#a", "https://example.org/#a"),
    ],
)
def test_links_lead_to_places_of_the_document(address, found):
    assert pdf.link("one", address, ["one", "two"]) == found


def test_the_contents_name_chapters_and_sections():
    body = BeautifulSoup(PAGE.format(contents="", text=""), "html.parser").article
    assert pdf.contents([body]).splitlines() == [
        '<p class="h1"><a href="#one">One</a><span data-of="one">000</span></p>',
        '<p class="h2"><a href="#one--late">Late</a><span data-of="one--late">000</span></p>',
    ]


def test_an_article_is_what_a_printer_needs(monkeypatch, tmp_path):
    page = """<article><h1 id="t">T<a class="headerlink" href="#t">#</a></h1>
    <div class="cell tag_hide-input"><details><pre>code</pre></details><p>output</p></div>
    <details><summary>More</summary></details><img src="_images/a.png" loading="lazy">
    <a href="two.html#x">two</a> <a href="api.html">api</a><button>Copy</button></article>"""
    (tmp_path / "one.html").write_text(page)
    monkeypatch.setattr(articles, "SITE", tmp_path)
    body, _ = pdf.prepared("one", ["one", "two"])
    assert (body["id"], body.h1["id"], body.img["src"]) == ("one", "one--t", "html/_images/a.png")
    assert "code" not in body.get_text() and "output" in body.get_text()
    assert [a.get("href") for a in body.find_all("a")] == ["#two--x"]
    assert "api" in body.get_text() and not body.select(".headerlink, button")
    assert body.find("details").has_attr("open")


def test_the_contents_get_the_numbers_of_pages(browser, tmp_path):
    text = '<p style="break-after: page">text</p>' * 3
    body = BeautifulSoup(PAGE.format(contents="", text=text), "html.parser").article
    source, target = tmp_path / "book.html", tmp_path / "book.pdf"
    source.write_text(PAGE.format(contents=pdf.contents([body]), text=text))
    pdf.printed(browser, source, target)
    first, *_, last = pdf.PdfReader(target).pages
    assert "One1" in first.extract_text().replace("\n", "").replace(" ", "")
    assert "Late4" in first.extract_text().replace("\n", "").replace(" ", "")
    assert "Late" in last.extract_text()
    assert [entry.title for entry in pdf.PdfReader(target).outline if not isinstance(entry, list)]


@pytest.mark.minutes
@pytest.mark.skipif(not (ROOT / "_build/html/index.html").exists(), reason="needs the book")
def test_the_book_has_200_to_400_pages(monkeypatch, tmp_path):
    monkeypatch.setattr(pdf, "OUT", tmp_path / "book.pdf")
    pdf.main()
    pages = pdf.PdfReader(tmp_path / "book.pdf").pages
    assert 200 <= len(pages) <= 400
    contents = "".join(page.extract_text() for page in pages[1:5])
    assert "Noise inference" in contents and "000" not in contents
