"""``{effort}`` and ``{answer}``: what an exercise takes, and a form that checks its answer.

An exercise begins with {effort}`2, 15, code`: its difficulty of 3, minutes, and kind. It ends with
an ``{answer}`` for each of its questions in `vbl.evaluation.exercises`, which says how a notebook
checks it. For numbers and choices ``assets/answers.js`` adds a form to the page; the page holds
hashes of the answers.
"""

import json
import math

from docutils import nodes
from sphinx.util.docutils import SphinxDirective, SphinxRole

from vbl.evaluation.exercises import QUESTIONS, Choice, Question

SCRIPTS = {"vbl-quiz": "quiz", "vbl-answer": "answers"}  # by a class on the page
KINDS = ("pencil", "code", "design", "project")


class EffortRole(SphinxRole):
    """{effort}`2, 15, code`, or {effort}`3, a day, project`."""

    def run(self):
        """Return the words; a style sheet puts as many stars before them."""
        difficulty, time, kind = (part.strip() for part in self.text.split(","))
        if difficulty not in ("1", "2", "3") or kind not in KINDS:
            where = self.inliner.reporter
            expected = f"expected 1 to 3, minutes, and one of {', '.join(KINDS)}"
            error = where.error(f"effort: {expected}; got {self.text!r}", line=self.lineno)
            return [], [error]
        time = f"{time} minutes" if time.isdigit() else time
        words = f"Difficulty {difficulty} of 3 · {time} · {kind}"
        classes = ["vbl-effort", f"vbl-difficulty-{difficulty}"]
        return [nodes.inline("", words, classes=classes)], []


class AnswerDirective(SphinxDirective):
    """``{answer} ex-psnr.1``."""

    required_arguments = 1

    def run(self):
        """Return a sentence, and for the page what a form has to know."""
        name = self.arguments[0]
        if name not in QUESTIONS:
            raise self.error(f"answer: {name!r} is not in vbl.evaluation.exercises")
        question = QUESTIONS[name]
        call = nodes.literal("", f'check("{name}", ...)')
        text = nodes.paragraph("", "", nodes.Text("Check yourself: "), call)
        what = f" with {what_to_give(question)}."
        text += nodes.inline("", what, classes=["vbl-what"])  # a form says it in its own way
        box = nodes.container("", text, classes=["vbl-answer"])
        make_key = KEYS.get(type(question))
        key = make_key and make_key(name, question)
        if key:
            box += nodes.raw("", script(key), format="html")
        return [box]


def what_to_give(question):
    """Return the answer in words; for a choice, its options."""
    if not isinstance(question, Choice):
        return question.asks
    options = " or ".join(f"\u201c{option}\u201d" for option in question.options)
    return f"{question.asks}: {options}"


def choice_key(name, question):
    """Return what the form of a choice knows."""
    wrong = [
        [f"Not yet. {why}", [digest(f"{name}|{option}")]] for option, why in question.wrong.items()
    ]
    right = [digest(f"{name}|{question.right}")]
    about = {"name": name, "asks": question.asks, "options": question.options}
    return {**about, "right": right, "wrong": wrong}


def number_key(name, question):
    """Return what the form of a number knows, or None if the answer is not one number."""
    if question.tries is not None:
        return None
    (value,) = question.values(question.answer)
    if value.numel() > 1:
        return None
    step, about = question.tolerance / 4, {"name": name, "asks": question.asks}

    def digests(number):
        return [digest(f"{name}|{b}") for b in buckets(number.item(), question.tolerance, step)]

    wrong = [
        [f"Not yet. This is what comes out {how}.", digests(number)]
        for how, (number,) in question.wrong()
    ]
    return {**about, "step": step, "right": digests(value), "wrong": wrong}


KEYS = {Choice: choice_key, Question: number_key}


def buckets(value, tolerance, step):
    """Return names of the intervals of log |value|, of length `step`, within the tolerance."""
    sign = "-" if value < 0 else "+"
    low, high = (math.log(abs(value) * (1 + t)) for t in (-tolerance, tolerance))
    return [f"{sign}{b}" for b in range(math.floor(low / step), math.floor(high / step) + 1)]


def digest(text):
    """Return the 32-bit FNV-1a hash, in hexadecimal; assets/answers.js computes the same."""
    value = 0x811C9DC5
    for byte in text.encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return f"{value:08x}"


def script(key):
    """Return the key as an element that no browser shows."""
    text = json.dumps(key, ensure_ascii=False).replace("</", "<\\/")
    return f'<script type="application/json" class="vbl-key">{text}</script>'


def add_assets(app, pagename, templatename, context, doctree):
    """Load what a page's quizzes and exercises need, and on other pages nothing."""
    there = (
        set()
        if doctree is None
        else {c for n in doctree.findall(nodes.Element) for c in n["classes"]}
    )
    scripts = [script for kind, script in SCRIPTS.items() if kind in there]
    if scripts or "vbl-effort" in there:
        app.add_css_file("exercises.css")
    for name in ["forms", *scripts] if scripts else []:
        app.add_js_file(f"{name}.js", loading_method="defer")


def setup(app):
    """Register the role and the directive."""
    app.add_role("effort", EffortRole())
    app.add_directive("answer", AnswerDirective)
    app.connect("html-page-context", add_assets)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
