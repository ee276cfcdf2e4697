"""Make slides of the chapters: `make slides`, or `.venv/bin/python book/slides.py`.

_build/slides/ holds a page of reveal.js for each chapter, and what they need; no server and no
network. The slides are the chapter's own sections, equations and figures with the sentences beside
them, and _slides/chapters.toml says what is left out and which sentence says more than the first.
"""

import math
import re
import shutil
import tomllib
from html import escape
from pathlib import Path

from tqdm.auto import tqdm

from articles import BUILD, MATHJAX, article, macros, read, title, use_pictures

HERE = Path(__file__).resolve().parent
PARTS = HERE / "_slides"
OUT = BUILD / "slides"
SENTENCE = re.compile(r"(?<=[.!?])(?<!e\.g\.)(?<!Fig\.)(?<!Eq\.)\s+(?=[A-Z“])")
TAG = re.compile(r"<[^>]*>")
HEADINGS = ["h2", "h3"]
AFTERWARDS = ("quiz", "exercises", "further-reading")  # sections that nobody projects
LETTERS = 190  # that sentences beside a figure or formula may have, if there are several
SHORTEST = 20  # letters of a sentence that stands alone
LONGEST = 6  # points on a slide


def sentences(paragraph):
    """Return the sentences of a paragraph as HTML; formulas and the like are not taken apart."""
    parts = [""]
    for child in paragraph.children:
        if child.name:
            for link in child.find_all("a"):
                link.unwrap()
            parts[-1] += child.decode_contents() if child.name == "a" else str(child)
            continue
        first, *others = SENTENCE.split(escape(str(child)))
        parts[-1] += first
        parts += others
    return [part.strip() for part in parts if part.strip()]


def first(paragraph, letters=LETTERS):
    """Return the sentences with which a paragraph begins: one, and more while they are short."""
    return cut(sentences(paragraph), letters)


def last(paragraph, letters=LETTERS):
    """Return the sentences with which a paragraph ends: one, and more while they are short."""
    kept = cut(sentences(paragraph)[::-1], letters, backwards=True)
    inside, bracket, rest = kept.partition(".)")  # of a remark that began before
    return rest.strip() if bracket and inside.count("(") == inside.count(")") else kept


def cut(parts, letters, backwards=False):
    """Return the first of the sentences, and more as long as all have at most so many letters."""
    length, kept = 0, []
    for part in parts:
        length += len(TAG.sub("", part))
        if kept and length > letters and len(kept[-1]) > SHORTEST:
            break
        kept.append(part)
    return " ".join(kept[::-1] if backwards else kept)


def ended(sentence):
    """Return a sentence with a full stop where something would follow."""
    return f"{sentence[:-1]}." if sentence.endswith((":", ",")) else sentence


def paragraph(html, kind=""):
    """Return a paragraph; nothing if it is empty."""
    return html and f'<p class="{kind}">{html}</p>'


class Deck:
    """The slides of a chapter.

    Args:
        body: The article of its page.
        wishes: Of _slides/chapters.toml: `without`, the ids of sections, figures and equations
            that are left out, and `say`, how a sentence begins that is said in place of the first,
            by the id of its section.

    Attributes:
        heading: Of the chapter.
        slides: HTML, each the content of a slide.
    """

    def __init__(self, body, wishes):
        self.slides, self.say = [], dict(wishes.get("say", {}))
        chapter = body.find("section")
        self.heading = chapter.h1.get_text()
        for name in wishes.get("without", ()):
            element = body.find(id=name)
            if element is None:
                raise SystemExit(f"{self.heading!r} has no {name!r} that slides could leave out")
            element.decompose()
        opening = paragraph(first(chapter.p, 2 * LETTERS))
        self.add("", f"<h1>{self.heading}</h1>", opening, kind="front")
        for figure in chapter.find_all("figure"):
            if figure.find_parent("section") is chapter:
                self.figure(self.heading, "", figure)
        for section in chapter.find_all("section"):
            if section.find(HEADINGS, recursive=False) and section["id"] not in AFTERWARDS:
                self.section(section)
        self.exercises(chapter)

    def add(self, heading, *parts, kind=""):
        """Add a slide."""
        parts = [heading and f"<h2>{heading}</h2>", *parts]
        content = "\n".join(filter(None, parts))
        self.slides.append(f'<section class="{kind}">\n{content}\n</section>')

    def section(self, section):
        """Add the slides of a section, without those of the sections within."""
        heading = section.find(HEADINGS, recursive=False).decode_contents()
        own = [e for e in section.find_all(True) if e.find_parent("section") is section]
        shown = [e for e in own if e.name == "figure" or is_equation(e) or is_theorem(e)]
        lead = self.lead(section)
        points = section.find("ul", recursive=False)
        if points and not shown:
            items = [item.decode_contents() for item in points.find_all("li", recursive=False)]
            size = math.ceil(len(items) / math.ceil(len(items) / LONGEST))
            for start in range(0, len(items), size):
                lines = "\n".join(f"<li>{item}</li>" for item in items[start : start + size])
                self.add(heading, f"<ul>\n{lines}\n</ul>")
        elif not shown:
            others = section.find_all("p", recursive=False)[1:LONGEST]
            texts = [paragraph(ended(text)) for text in (lead, *map(first, others))]
            self.add(heading, *texts)
        for group in together(shown):
            if group[0].name == "figure":
                self.figure(heading, lead, group[0])
            else:
                self.formulas(heading, group)
            lead = ""

    def lead(self, section):
        """Return the sentence that a section is introduced by."""
        paragraphs = section.find_all("p", recursive=False)
        wish = self.say.get(section["id"])
        if wish is None:
            return first(paragraphs[0]) if paragraphs else ""
        for each in paragraphs:
            text = sentences(each)
            for i, sentence in enumerate(text):
                if TAG.sub("", sentence).startswith(wish):
                    return cut(text[i:], LETTERS)
        raise SystemExit(f"no sentence of {section['id']} in {self.heading!r} begins with {wish!r}")

    def figure(self, heading, lead, figure):
        """Add a slide with a figure."""
        caption = figure.figcaption
        number = caption.find(class_="caption-number")
        text = caption.find(class_="caption-text") or caption
        name = f"<b>{number.get_text().strip()}.</b> " if number else ""
        picture = figure.img
        picture.attrs = {"src": picture["src"], "alt": picture["alt"]}
        below = paragraph(name + first(text.p or text), "caption")
        self.add(heading, paragraph(ended(lead), "lead"), str(picture), below, kind="picture")

    def formulas(self, heading, group):
        """Add a slide with formulas, or a theorem, and with what stands before and after them."""
        before = group[0].find_previous_sibling("p")
        after = group[-1].find_next_sibling("p")
        said = after and first(after)
        if said and said == last(after) and is_equation(after.find_next_sibling()):
            said = ""  # it introduces the next formula
        for inner in (section for each in group for section in each.find_all("section")):
            inner.name = "div"  # a section is a slide
        lead = before and paragraph(last(before), "lead")
        self.add(heading, lead, *map(str, group), said and paragraph(ended(said)))

    def exercises(self, chapter):
        """Add a slide with what there is to do."""
        titles = [box.find(class_="admonition-title") for box in chapter.select(".exercise")]
        lines = "\n".join(f"<li>{box.decode_contents()}</li>" for box in titles)
        self.add("Exercises", f'<ul class="tasks">\n{lines}\n</ul>')


def is_equation(element):
    """Whether an element is an equation with a number, and not within a theorem."""
    if element is None or element.name != "div" or not element.get("id"):
        return False
    return "math" in element.get("class", ()) and not element.find_parent(is_theorem)


def is_theorem(element):
    """Whether an element states a theorem or the like."""
    kinds = {"theorem", "lemma", "proposition", "corollary", "definition"}
    return element.name == "div" and not kinds.isdisjoint(element.get("class", ()))


def together(shown):
    """Return lists of what is shown on one slide: two formulas if both are in one paragraph's."""
    groups = []
    for element in shown:
        near = groups and is_equation(element) and is_equation(groups[-1][-1])
        if near and element.find_previous_sibling("p") is groups[-1][0].find_previous_sibling("p"):
            groups[-1].append(element)
        else:
            groups.append([element])
    return groups


def write(name, wishes):
    """Write the slides of a chapter; return how many they are.

    Args:
        name: Of its page.
        wishes: See `Deck`.
    """
    page = read(name)
    configured = macros(page)
    body = article(page)
    use_pictures(body, OUT / "pictures")
    deck = Deck(body, wishes)
    text = (PARTS / "deck.html").read_text("utf-8")
    given = {"TITLE": deck.heading, "BOOK": title(), "MACROS": configured}
    for key, value in {**given, "SLIDES": "\n".join(deck.slides)}.items():
        text = text.replace(f"{{{{{key}}}}}", value)
    (OUT / f"{name}.html").write_text(text, "utf-8")
    return len(deck.slides)


def main():
    """Write the slides of all chapters of the book that is built."""
    wishes = tomllib.loads((PARTS / "chapters.toml").read_text("utf-8"))
    shutil.rmtree(OUT, ignore_errors=True)
    (OUT / "pictures").mkdir(parents=True)
    shutil.copytree(PARTS / "reveal", OUT / "reveal")
    shutil.copytree(MATHJAX, OUT / "mathjax")
    shutil.copyfile(PARTS / "deck.css", OUT / "deck.css")
    for path in tqdm(sorted(HERE.glob("[01]*.ipynb")), desc="Slides", disable=None):
        count = write(path.stem, wishes.get(path.stem, {}))
        print(f"{count} slides: {OUT / path.stem}.html")


if __name__ == "__main__":
    main()
