"""All questions by name, and `check`, which judges an answer."""

from typing import Any

from vbl.evaluation.exercises import (
    chapter_1,
    chapter_2,
    chapter_3,
    chapter_4,
    chapter_5,
    chapter_6,
    chapter_7,
    chapter_8,
    chapter_9,
    chapter_10,
    chapter_11,
)
from vbl.evaluation.exercises.question import Choice, Design, Question, Verdict
from vbl.utils import look_up

# By the label of an exercise; the number of a part follows a dot.
QUESTIONS: dict[str, Question | Design | Choice] = {
    **chapter_1.QUESTIONS,
    **chapter_2.QUESTIONS,
    **chapter_3.QUESTIONS,
    **chapter_4.QUESTIONS,
    **chapter_5.QUESTIONS,
    **chapter_6.QUESTIONS,
    **chapter_7.QUESTIONS,
    **chapter_8.QUESTIONS,
    **chapter_9.QUESTIONS,
    **chapter_10.QUESTIONS,
    **chapter_11.QUESTIONS,
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
