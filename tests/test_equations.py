"""Every row of the Equation index: its check passes, and would notice a wrong function."""

import dataclasses
import inspect
import math
import re
from pathlib import Path

import pytest
import torch
import vbl_equations
from test_notation import NAMES, known_to_mathjax, macros_in
from torch.distributions import Gamma

from equations import EQUATIONS, PAPERS
from equations.equation import Quadrature, real, relative, seeded, standard_errors, worst
from vbl.degradations import Degraded
from vbl.probability import Elbo

BOOK = Path(__file__).parent.parent / "book"
IDS = [f"{e.paper} {e.number} {e.name}" for e in EQUATIONS]
every_equation = pytest.mark.parametrize("equation", EQUATIONS, ids=IDS)
SPOILS = [(e, f) for e in EQUATIONS for f in e.functions if inspect.isfunction(f)]


@every_equation
def test_the_error_of_an_equation_is_below_its_tolerance(equation):
    assert equation.check() < equation.tolerance


def spoiled(result):
    """A result that is five per cent wrong."""
    if isinstance(result, tuple):
        return tuple(spoiled(part) for part in result)
    if isinstance(result, Elbo):
        terms = {name: spoiled(term) for name, term in result.log_likelihood.items()}
        return dataclasses.replace(result, log_likelihood=terms)
    if isinstance(result, Degraded):
        return dataclasses.replace(result, y=spoiled(result.y))
    if isinstance(result, Gamma):
        return Gamma(spoiled(result.concentration), result.rate)
    return 1.05 * result


@pytest.mark.parametrize(
    ("equation", "function"),
    SPOILS,
    ids=[f"{e.paper} {e.number} {e.name}: {f.__name__}" for e, f in SPOILS],
)
def test_a_check_notices_a_function_that_is_five_per_cent_wrong(monkeypatch, equation, function):
    def wrong(*arguments, **options):
        return spoiled(function(*arguments, **options))

    owner = inspect.unwrap(equation.check).__globals__
    if "." in function.__qualname__:
        monkeypatch.setattr(owner[function.__qualname__.split(".")[0]], function.__name__, wrong)
    else:
        monkeypatch.setitem(owner, function.__name__, wrong)
    assert not equation.check() < equation.tolerance


@every_equation
def test_a_row_can_be_printed(equation):
    assert equation.paper in PAPERS
    assert "|" not in equation.statement
    assert macros_in([equation.statement]) <= set(NAMES) | known_to_mathjax()
    assert all(f.__module__.startswith("vbl.") for f in equation.functions)


def test_every_paper_has_equations_and_no_row_is_there_twice():
    assert {e.paper for e in EQUATIONS} == set(PAPERS)
    assert len(set(IDS)) == len(IDS)


def test_every_link_of_a_row_has_its_target_in_the_book():
    text = "\n".join(path.read_text("utf-8") for path in BOOK.glob("*.ipynb"))
    labels = {f"({e.label})" for e in EQUATIONS if e.label}
    anchors = {f"({e.erratum})=" for e in EQUATIONS if e.erratum}
    assert {target for target in labels | anchors if target not in text} == set()


def test_every_erratum_about_an_equation_is_named_by_a_row():
    text = (BOOK / "errata.ipynb").read_text("utf-8")
    anchors = set(re.findall(r"\((erratum-[\w-]+)\)=", text))
    tables = {anchor for anchor in anchors if "-table-" in anchor}
    assert anchors - tables == {e.erratum for e in EQUATIONS if e.erratum}


@pytest.mark.parametrize(
    ("how", "error", "text"),
    [
        ("Monte Carlo", 1.26, "1.3 standard errors"),
        ("quadrature", 2.3e-14, r"$2 \cdot 10^{-14}$"),
        ("algebra", 0.0, "0"),
    ],
)
def test_an_error_is_printed_in_the_unit_of_its_method(how, error, text):
    equation = dataclasses.replace(EQUATIONS[0], how=how)
    assert vbl_equations.error_text(equation, error) == text


def warnings_of(equation, monkeypatch):
    """What the directive logs about one equation."""
    found = []
    monkeypatch.setattr(
        vbl_equations.LOGGER, "warning", lambda text, *values, **_: found.append(text % values)
    )
    directive = object.__new__(vbl_equations.EquationIndexDirective)
    directive.lineno = 1
    directive.state = type("State", (), {"document": None})()
    monkeypatch.setattr(
        vbl_equations.EquationIndexDirective,
        "env",
        type("Env", (), {"docname": "equations"})(),
        raising=False,
    )
    directive.checked(equation)
    return found


@pytest.mark.parametrize("error", [1.0, math.nan, math.inf])
def test_a_failed_check_is_a_warning_of_the_build(monkeypatch, error):
    failed = dataclasses.replace(EQUATIONS[0], check=lambda: error)
    (text,) = warnings_of(failed, monkeypatch)
    assert failed.name in text
    assert not warnings_of(dataclasses.replace(failed, check=lambda: 0.0), monkeypatch)


def test_the_sums_of_the_checks_reproduce_known_integrals():
    assert Quadrature.normal(2.0, 9.0).mean(lambda x: x**2) == pytest.approx(13, rel=1e-12)
    assert Quadrature.inverse_gamma(3.0, 4.0).mean(lambda x: x) == pytest.approx(2, rel=1e-12)
    assert Quadrature.over(lambda x: 0 * x, 0.0, 3.0).mean(lambda x: x) == pytest.approx(4.5)


def test_standard_errors_grow_with_the_distance_and_the_number_of_draws():
    def draws(n):
        yield torch.randn(n, 1, generator=seeded()) + 1

    assert standard_errors(draws(10_000), 1.0) < 5
    assert standard_errors(draws(10_000), 1.1) == pytest.approx(10, abs=3)
    assert standard_errors(draws(40_000), 1.1) == pytest.approx(20, abs=3)


def test_a_value_that_is_not_a_number_is_the_worst_error():
    assert worst(iter([0.1, math.nan])) == math.inf
    assert relative(real(1.1, 2.0), real(1.0, 2.0)) == pytest.approx(0.1)
