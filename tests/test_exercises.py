"""Exercises that answer: right answers, known mistakes, other wrong answers, bad input, pages."""

import re
from pathlib import Path

import nbformat
import pytest
import torch
from vbl_answers import buckets, digest, number_key

from vbl.evaluation.exercises import QUESTIONS, Choice, Design, Question, check
from vbl.utils import UnknownName

CHAPTERS = sorted((Path(__file__).parent.parent / "book").glob("[01]*.ipynb"))
EXERCISE = (
    r"```\{exercise\}[^\n]*\n:label: (\S+)\n\{effort\}`(\d), ([^,]+), (\w+)`\n(.*?)\n```(?:\n|$)"
)
NUMBERS = {n: q for n, q in QUESTIONS.items() if isinstance(q, Question) and q.tries is None}
FUNCTIONS = {n: q for n, q in QUESTIONS.items() if isinstance(q, Question) and q.tries is not None}
DESIGNS = {n: q for n, q in QUESTIONS.items() if isinstance(q, Design)}
CHOICES = {n: q for n, q in QUESTIONS.items() if isinstance(q, Choice)}
MISTAKES = [
    (name, hint)
    for name, question in {**NUMBERS, **FUNCTIONS, **DESIGNS}.items()
    for hint in question.mistakes
]
SPECIFIC = "This is what comes out"


def computed(question, compute):
    """Return what a reader would hand in: a number or tensor, or a function."""
    return compute() if isinstance(question, Question) and question.tries is None else compute


@pytest.mark.parametrize("name", {**NUMBERS, **FUNCTIONS})
def test_the_right_answer_is_right(name):
    verdict = check(name, computed(QUESTIONS[name], QUESTIONS[name].answer))
    assert verdict, verdict
    assert repr(verdict).startswith("Right")


@pytest.mark.parametrize("name", DESIGNS)
def test_a_design_that_meets_the_demands_is_right(name):
    assert check(name, DESIGNS[name].example), check(name, DESIGNS[name].example)


@pytest.mark.parametrize(("name", "hint"), MISTAKES)
def test_a_known_mistake_earns_its_own_hint(name, hint):
    question = QUESTIONS[name]
    verdict = check(name, computed(question, question.mistakes[hint]))
    assert not verdict
    assert str(verdict) == f"Not yet. {SPECIFIC} {hint}."


@pytest.mark.parametrize(
    "name, given, unit",
    [
        ("ex-share", 15.0, "in percent"),
        ("ex-twice", [82.3, 99.9], "in percent"),
        ("ex-vote", 1.0198e-2, "root"),
        ("ex-width", 8.06 / 255, "where white is 1"),
    ],
)
def test_a_slip_of_units_is_named(name, given, unit):
    assert SPECIFIC in str(check(name, given)) and unit in str(check(name, given))


@pytest.mark.parametrize("name", NUMBERS)
def test_another_wrong_answer_gets_no_hint(name):
    right = torch.as_tensor(NUMBERS[name].answer(), dtype=torch.float64)
    for wrong in (1.37 * right, -0.61 * right, right + 8.3 * right.abs().max()):
        verdict = check(name, wrong)
        assert not verdict and SPECIFIC not in str(verdict), verdict


@pytest.mark.parametrize("name", {**FUNCTIONS, **DESIGNS})
def test_another_wrong_function_gets_no_hint(name):
    question = QUESTIONS[name]
    right = question.example if isinstance(question, Design) else question.answer
    verdict = check(name, lambda *given: 0.37 * torch.as_tensor(right(*given)))
    assert not verdict and SPECIFIC not in str(verdict), verdict


@pytest.mark.parametrize("name", {**NUMBERS, **FUNCTIONS, **DESIGNS})
def test_a_question_knows_two_mistakes_or_more(name):
    assert len(QUESTIONS[name].mistakes) >= 2


@pytest.mark.parametrize("name", CHOICES)
def test_each_phrase_of_a_choice_has_its_own_verdict(name):
    question = CHOICES[name]
    assert check(name, question.right) and check(name, f" {question.right.upper()}")
    said = {str(check(name, option)) for option in question.wrong}
    assert len(said) == len(question.wrong) and not any(check(name, o) for o in question.wrong)


@pytest.mark.parametrize(
    ("name", "answer", "said"),
    [
        ("ex-psnr.1", "20", "expected a number or a tensor, got str '20'"),
        ("ex-psnr.1", None, "expected a number or a tensor, got NoneType None"),
        ("ex-psnr.1", float("nan"), "it has nan or infinity in it"),
        ("ex-psnr.1", True, "expected real numbers, got torch.bool"),
        ("ex-psnr.1", torch.ones(3), "expected values of shape (), got (3,)"),
        ("ex-psnr.1", len, "expected a number or a tensor, got a function"),
        ("ex-adjoint", 3.0, "expected a function, got float 3.0"),
        ("ex-adjoint", lambda y, kernel: y[0], "expected values of shape (1, 1, 12, 16), got"),
        ("ex-level", 25 / 255, "expected a function, got float"),
        ("ex-median", "Poisson", "expected 'Cauchy' or 'Gaussian' or 'Laplace' or 'uniform'"),
    ],
)
def test_what_cannot_be_compared_gets_a_sentence_that_says_what_was_expected(name, answer, said):
    verdict = check(name, answer)
    assert not verdict
    assert str(verdict).startswith("Not an answer yet: ") and said in str(verdict)


def test_an_unknown_exercise_is_named_with_its_neighbours():
    with pytest.raises(UnknownName, match=r"unknown exercise 'ex-psnr'; did you mean ex-psnr"):
        check("ex-psnr", 20.0)


@pytest.mark.parametrize("answer", [[20.17], torch.tensor(20.17), torch.tensor([20.17]).numpy()])
def test_a_number_may_come_as_a_list_a_tensor_or_an_array(answer):
    assert check("ex-psnr.1", answer)


def test_a_verdict_says_how_near_an_answer_is_and_never_the_solution():
    assert str(check("ex-psnr.1", 20.2)) == "Right, within 0.14 %."
    said = [str(check("ex-psnr.1", value)) for value in (15.0, 25.0)]
    assert said == ["Not yet. It is too small.", "Not yet. It is too large."]


def test_a_number_that_was_rounded_too_soon_is_told_so():
    assert (
        str(check("ex-vdn-likelihood", 0.82))
        == "Nearly. It is a little too small: keep more digits, or look at the method again."
    )


def test_the_page_accepts_what_the_notebook_accepts():
    question = QUESTIONS["ex-psnr.1"]
    key, (right,) = number_key("ex-psnr.1", question), question.values(question.answer)
    for error in (-0.9, -0.3, 0.0, 0.5, 0.9):
        value = right.item() * (1 + error * question.tolerance)
        (bucket,) = buckets(value, 0.0, key["step"])
        assert digest(f"ex-psnr.1|{bucket}") in key["right"]
    (far,) = buckets(right.item() * (1 + 2 * question.tolerance), 0.0, key["step"])
    assert digest(f"ex-psnr.1|{far}") not in key["right"]


def cells(path):
    return [cell.source for cell in nbformat.read(path, as_version=4).cells]


def exercises(path):
    """Return label, title, difficulty, time, kind and questions of a chapter's exercises."""
    found = re.findall(EXERCISE, "\n".join(cells(path)), re.DOTALL)
    return [(*about, re.findall(r":::\{answer\} (\S+)", rest)) for *about, rest in found]


@pytest.mark.parametrize("path", CHAPTERS, ids=[path.stem for path in CHAPTERS])
def test_exercises_say_what_they_take_and_begin_with_the_easier_ones(path):
    labels = re.findall(r"^```\{exercise\}.*\n:label: (\S+)", "\n".join(cells(path)), re.MULTILINE)
    found = exercises(path)
    assert labels == [label for label, *_ in found]
    difficulties = [int(difficulty) for _, difficulty, *_ in found]
    assert difficulties == sorted(difficulties)
    kinds = [kind for _, _, _, kind, _ in found]
    assert kinds.count("project") == 1 and kinds[-1] == "project"
    assert "design" in kinds and kinds.count("code") + kinds.count("design") >= 2


@pytest.mark.parametrize("path", CHAPTERS, ids=[path.stem for path in CHAPTERS])
def test_a_question_belongs_to_its_exercise_and_code_is_checked(path):
    for label, _, _, kind, questions in exercises(path):
        assert all(question.split(".")[0] == label for question in questions)
        assert questions or kind in ("pencil", "project"), f"{label} is not checked"


def test_every_question_is_asked_once():
    asked = [name for path in CHAPTERS for *_, names in exercises(path) for name in names]
    assert sorted(asked) == sorted(QUESTIONS)
