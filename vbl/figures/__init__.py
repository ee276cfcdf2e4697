"""The figures and widgets of the book, and the statistics that they show."""

from vbl.figures.grids import as_blocks, show_grid
from vbl.figures.heat_map import heat_map
from vbl.figures.latent_statistics import linear_r2, middles, mmd, neighbours, pooled, squares
from vbl.figures.noise_statistics import autocorrelation, histogram_kl, noise_level_function
from vbl.figures.plots import (
    KERNEL_COLOURS,
    NOISE_COLOURS,
    PALETTE,
    against_truth,
    learning_curves,
    noise_profile,
    show,
    show_kernels,
    show_maps,
    training_terms,
    use_style,
)
from vbl.figures.quote import quote
from vbl.figures.seeds import show_seeds
from vbl.figures.widgets import Explore, LiveTerms
