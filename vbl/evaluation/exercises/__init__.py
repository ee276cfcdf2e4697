"""Exercises of the book that answer: a file for each chapter, with references that are computed.

A notebook says ``check("ex-psnr.1", 20.2)`` and reads whether that is right or which known mistake
it looks like.
"""

from vbl.evaluation.exercises.answers import QUESTIONS, check
from vbl.evaluation.exercises.question import Choice, Design, Question, Verdict
