"""All questions by name, and `check`, which judges an answer."""

from importlib import import_module
from typing import Any

from vbl.evaluation.exercises.question import Choice, Design, Question, Verdict
from vbl.utils import look_up

CHAPTERS = [import_module(f"vbl.evaluation.exercises.chapter_{n}") for n in range(1, 12)]

# By the label of an exercise; the number of a part follows a dot.
QUESTIONS: dict[str, Question | Design | Choice] = {
    name: question for chapter in CHAPTERS for name, question in chapter.QUESTIONS.items()
}


def check(name: str, answer: Any) -> Verdict:
    """Say whether an answer to an exercise is right, or which known mistake it looks like.

    Args:
        name: The exercise's label and the part asked for, such as "ex-psnr.1".
        answer: A number, a tensor or array, a function or a phrase, as the exercise says.

    Returns:
        A verdict that prints itself and is true if the answer is right. An answer that cannot be
        compared (nan, a wrong shape or type) gets a sentence that says what was expected.

    Raises:
        UnknownName: If no exercise has this name.
    """
    return look_up("exercise", name, QUESTIONS).judge(answer)
