"""What an exercise asks for, and how an answer is judged."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

SLIPS: dict[str, Callable[[Tensor], Tensor]] = {  # of units; keys as those of `mistakes`
    "in percent, where a share of one is asked for": lambda v: 100 * v,
    "as a share of one, where percent are asked for": lambda v: v / 100,
    "in units of 1/255, where white is 1": lambda v: 255 * v,
    "where white is 1, and units of 1/255 are asked for": lambda v: v / 255,
    "if it is squared": lambda v: v.square(),
    "if its root is taken": lambda v: v.abs().sqrt(),
}


class UnusableAnswer(ValueError):
    """An answer that cannot be compared; the message says what was expected."""


@dataclass(frozen=True, repr=False)
class Verdict:
    """What is said of an answer. It prints its text, and is true if the answer is right."""

    right: bool
    text: str

    def __repr__(self) -> str:
        return self.text

    def __bool__(self) -> bool:
        return self.right


@dataclass(frozen=True)
class Question:
    """A question whose answer is a number, a tensor or a function.

    Attributes:
        asks: The answer in words, with its unit.
        answer: Computes the right one, without arguments; if `tries` is given, is the right one.
        mistakes: The same for known mistakes. A key says how one comes about, as the end of the
            sentence "This is what comes out ...".
        tries: Makes the arguments, a tuple for each call, on which functions are compared.
        tolerance: Largest relative error that still is right. Values below a hundredth of the
            largest one are compared relative to that hundredth.
    """

    asks: str
    answer: Callable[..., Any]
    mistakes: Mapping[str, Callable[..., Any]]
    tries: Callable[[], Iterable[tuple]] | None = None
    tolerance: float = 0.01

    def judge(self, answer: Any) -> Verdict:
        """The verdict on a number, a tensor or, if there are `tries`, a function."""
        try:
            given, right = self._values(answer), self.values(self.answer)
            errors = _errors(given, right)
        except UnusableAnswer as reason:
            return Verdict(False, f"Not an answer yet: {reason}.")
        if errors.max() <= self.tolerance:
            return Verdict(True, _nearness(errors.max().item()))
        for mistake, values in self.wrong():
            if _errors(given, values).max() <= self.tolerance:
                return Verdict(False, f"Not yet. This is what comes out {mistake}.")
        if errors.numel() == 1:
            direction = _direction(given[0], right[0])
            if errors.max() <= 4 * self.tolerance:
                near = f"Nearly. It is a little too {direction}: keep more digits"
                return Verdict(False, f"{near}, or look at the method again.")
            return Verdict(False, f"Not yet. It is too {direction}.")
        near = (errors <= self.tolerance).sum()
        return Verdict(False, f"Not yet. {near} of {errors.numel()} values are right.")

    def wrong(self) -> Iterator[tuple[str, list[Tensor]]]:
        """What comes out of known mistakes and, for numbers, of slips with their unit."""
        for mistake, compute in self.mistakes.items():
            yield mistake, self.values(compute)
        if self.tries is None:
            right = self.values(self.answer)
            for slip, change in SLIPS.items():
                yield slip, [change(value) for value in right]

    def solution(self) -> Any:
        """A right answer, as a reader would give it."""
        return self.answer() if self.tries is None else self.answer

    def values(self, compute: Callable[..., Any]) -> list[Tensor]:
        """What `answer`, a mistake or a reader's function gives for each of the tries."""
        calls = [()] if self.tries is None else self.tries()
        return [as_numbers(compute(*arguments)) for arguments in calls]

    def _values(self, answer: Any) -> list[Tensor]:
        if self.tries is None:
            return [as_numbers(answer)]
        if not callable(answer):
            raise UnusableAnswer(f"expected a function, got {_kind(answer)}")
        return self.values(answer)


@dataclass(frozen=True)
class Design:
    """A task that many functions can do, judged by what they achieve.

    Attributes:
        asks: The function in words: its arguments, and what it returns.
        score: Measures a function, on pictures of its own: numbers, one for each demand.
        met: Which of these numbers meet their demands.
        example: A function that meets all of them.
        mistakes: Functions with known mistakes, as in `Question`.
    """

    asks: str
    score: Callable[[Callable[..., Any]], Any]
    met: Callable[[Tensor], Tensor]
    example: Callable[..., Any]
    mistakes: Mapping[str, Callable[..., Any]]

    def judge(self, answer: Any) -> Verdict:
        """The verdict on a function."""
        try:
            scores = [self._scores(answer)]
        except UnusableAnswer as reason:
            return Verdict(False, f"Not an answer yet: {reason}.")
        met = self.met(scores[0])
        if met.all():
            return Verdict(True, f"Right: all {met.numel()} demands are met.")
        apart = {m: _errors(scores, [self._scores(f)]).max() for m, f in self.mistakes.items()}
        likely = min(apart, key=apart.__getitem__)
        if apart[likely] <= 0.01:
            return Verdict(False, f"Not yet. This is what comes out {likely}.")
        unmet = [f"{i + 1} ({scores[0][i]:.3g})" for i in range(met.numel()) if not met[i]]
        missed = f"missed, with what was measured: {', '.join(unmet)}"
        return Verdict(False, f"Not yet. {met.sum()} of {met.numel()} demands are met; {missed}.")

    def solution(self) -> Callable[..., Any]:
        """A right answer."""
        return self.example

    def _scores(self, answer: Any) -> Tensor:
        if not callable(answer):
            raise UnusableAnswer(f"expected a function, got {_kind(answer)}")
        return as_numbers(self.score(answer))


@dataclass(frozen=True)
class Choice:
    """A question whose answer is one of a few phrases.

    Attributes:
        asks: The question in words.
        right: The right phrase.
        wrong: The other phrases, each with what speaks against it, as a sentence.
    """

    asks: str
    right: str
    wrong: Mapping[str, str]

    @property
    def options(self) -> list[str]:
        """All phrases, in alphabetical order."""
        return sorted([self.right, *self.wrong])

    def solution(self) -> str:
        """The right phrase."""
        return self.right

    def judge(self, answer: Any) -> Verdict:
        """The verdict on a phrase."""
        spelt = {option.casefold(): option for option in self.options}
        answer = spelt.get(str(answer).strip().casefold(), answer)
        if answer == self.right:
            return Verdict(True, "Right.")
        if answer not in self.options:
            known = " or ".join(map(repr, self.options))
            return Verdict(False, f"Not an answer yet: expected {known}, got {answer!r}.")
        return Verdict(False, f"Not yet. {self.wrong[answer]}")


def as_numbers(value: Any) -> Tensor:
    """A number, or a tensor, array or list of real numbers, in double precision.

    Raises:
        UnusableAnswer: For anything else, and for nan and infinity.
    """
    try:
        found = torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError):
        raise UnusableAnswer(f"expected a number or a tensor, got {_kind(value)}") from None
    if found.dtype == torch.bool or found.is_complex():
        raise UnusableAnswer(f"expected real numbers, got {found.dtype}")
    if not found.isfinite().all():
        raise UnusableAnswer("it has nan or infinity in it")
    return found.detach().cpu().double()


def _errors(given: list[Tensor], right: list[Tensor]) -> Tensor:
    return torch.cat([*map(_relative, given, right)])


def _relative(given: Tensor, right: Tensor) -> Tensor:
    """Relative errors of the values of one call, flat."""
    if given.shape != right.shape and max(given.numel(), right.numel()) > 1:
        found, expected = tuple(given.shape), tuple(right.shape)
        raise UnusableAnswer(f"expected values of shape {expected}, got {found}")
    given, right = given.flatten(), right.flatten()
    size = right.abs()
    return (given - right).abs() / size.clamp_min(0.01 * size.max().item())


def _direction(given: Tensor, right: Tensor) -> str:
    return "large" if given.item() > right.item() else "small"


def _nearness(error: float) -> str:
    return "Right, to rounding." if error < 1e-6 else f"Right, within {100 * error:.2g} %."


def _kind(value: Any) -> str:
    return "a function" if callable(value) else f"{type(value).__name__} {value!r:.40}"
