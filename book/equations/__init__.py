"""The numbered equations of the five papers, each with the code that computes it and a check.

::

    for equation in EQUATIONS:
        print(equation.paper, equation.number, equation.check(), "<", equation.tolerance)

One file per paper (VIRNet has two). A check compares the library with something that shares no
formula with it: sums over the raw densities, draws, differences, tables of a small discrete model.
To add an equation, write its check in the paper's file and a row in the `EQUATIONS` below it; the
Equation index of the book and the tests follow.
"""

from equations import calibration, densities, lud_vae, toys, vbdeblur, vdir, vdn, virnet, virnet_sr
from equations.equation import MONTE_CARLO, Equation

PAPERS = ("book", "VDN", "VIRNet", "VDIR", "LUD-VAE", "VBDeblurNet")
EQUATIONS: tuple[Equation, ...] = sum(
    (
        m.EQUATIONS
        for m in (densities, toys, vdn, virnet, virnet_sr, vdir, lud_vae, vbdeblur, calibration)
    ),
    (),
)

__all__ = ["EQUATIONS", "MONTE_CARLO", "PAPERS", "Equation"]
