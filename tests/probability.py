"""What the tests of densities and samplers share: constants of the papers, Monte Carlo."""

import math

import torch

F64 = torch.float64
ALPHA0, KAPPA0, C = (24.5, 40.5, 60.5), 50.0, 2e4  # windows of 7, 9, 11; VIRNet; VBDeblurNet
# (ζ, a) with totals of the paper's size, a floored entry among them, and a small one.
DIRICHLETS = [
    ([12000.0, 6000.0, 1990.0, 9.98, 0.02], [11000.0, 7000.0, 1900.0, 99.0, 1.0]),
    ([9000.0, 9000.0, 2000.0], [10000.0, 8000.0, 2000.0]),
    ([0.6, 0.4, 2.0], [1.0, 1.0, 1.0]),
]
# The ends of the documented ranges.
SHAPES, SCALES = (0.5, 1.0, 23.5, 59.5), (1e-10, 1e-5, 1.0, 1e2)
CONCENTRATIONS = {
    "one entry has it all": [1.0, 1e-6, 1e-6, 1e-6],
    "the total is one, evenly": [1e-3] * 1000,
    "both ends": [1e-6, 1.0, 1e5],
    "all large": [1e5] * 4,
    "a sharp kernel": [2e4] + [1e-6] * 80,
}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def f64(*values):
    return torch.tensor(values, dtype=F64)


def assert_monte_carlo(exact, draw_values, n=1_000_000, chunks=10):
    """The mean of n values from draw_values(how_many), within five standard errors of exact."""
    values = torch.cat([draw_values(n // chunks) for _ in range(chunks)])
    standard_error = values.std() / math.sqrt(n)
    assert abs(values.mean() - exact) < 5 * standard_error + 1e-12 * abs(exact)


def assert_finite(values, inputs):
    gradients = torch.autograd.grad(values.sum(), inputs)
    assert all(t.isfinite().all() for t in (values, *gradients))
