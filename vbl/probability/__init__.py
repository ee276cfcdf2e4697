"""Densities in closed form, and the evidence lower bound as named terms."""

from vbl.probability.distributions import (
    expected_log_normal,
    inverse_gamma_entropy,
    inverse_gamma_expected_log,
    inverse_gamma_expected_reciprocal,
    inverse_gamma_log_prob,
    inverse_gamma_mean,
    inverse_gamma_mode,
    kl_dirichlet,
    kl_inverse_gamma,
    kl_normal,
    rsample_dirichlet,
    rsample_inverse_gamma,
)
from vbl.probability.elbo import Elbo, per_image
