"""``{quiz}``: questions with options, each option with its own explanation.

The content is a numbered list. Options are bullets, "+" for the right one and "-" for the others;
what follows an option's first paragraph is its explanation:

    1. What is the mode of a distribution?

       - Its mean

         No: they agree for symmetric distributions only.

       + Where its density is largest

         By definition.

Pages and notebooks show questions and options, then a folded list of explanations. In a browser
``assets/quiz.js`` makes a form of each question.
"""

from string import ascii_lowercase

from docutils import nodes
from sphinx.util.docutils import SphinxDirective


class QuizDirective(SphinxDirective):
    """``{quiz}``."""

    has_content = True

    def run(self):
        """Return the questions, and below them what there is to say of each option."""
        parsed = nodes.container()
        self.state.nested_parse(self.content, self.content_offset, parsed)
        if [type(child) for child in parsed] != [nodes.enumerated_list]:
            raise self.error("quiz: expected one numbered list")
        questions, explanations = (nodes.enumerated_list(enumtype="arabic") for _ in range(2))
        for item in parsed[0]:
            question, explained = self.question(item)
            questions += question
            explanations += explained
        title = nodes.title("", "Answers to the quiz")
        answers = nodes.admonition("", title, explanations, classes=["dropdown", "vbl-explained"])
        return [nodes.container("", questions, answers, classes=["vbl-quiz"])]

    def question(self, item):
        """Split an item of the list into the question with its options, and their explanations."""
        text = [child for child in item if not isinstance(child, nodes.bullet_list)]
        lists = [child for child in item if isinstance(child, nodes.bullet_list)]
        found = [(child["bullet"] == "+", option) for child in lists for option in child]
        if sum(right for right, _ in found) != 1 or any(len(option) < 2 for _, option in found):
            raise self.error(
                "quiz: expected one right option (+) and an explanation below each option, got "
                f"another thing in {text[0].astext()!r:.60}"
            )
        options, explained = nodes.bullet_list(bullet="-"), nodes.bullet_list(bullet="-")
        for letter, (right, (option, *reasons)) in zip(ascii_lowercase, found, strict=False):
            options += nodes.list_item("", led_by(f"{letter}) ", option))
            said = f"{letter}) {'Right.' if right else 'Not quite.'} "
            kind = "vbl-right" if right else "vbl-wrong"
            reasons = [led_by(said, reasons[0]), *reasons[1:]]
            explained += nodes.list_item("", *reasons, classes=[kind])
        return nodes.list_item("", *text, options), nodes.list_item("", explained)


def led_by(start, paragraph):
    """Return the paragraph with words before it."""
    paragraph.insert(0, nodes.Text(start))
    return paragraph


def setup(app):
    """Register the directive."""
    app.add_directive("quiz", QuizDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
