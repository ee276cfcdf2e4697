"""Restoration of images of any size by a model, in tiles or regions; classical methods."""

from vbl.restoration.classical import (
    kernel_of_pair,
    least_squares,
    non_local_means,
    richardson_lucy,
    total_variation,
    wavelet_shrinkage,
    wiener,
)
from vbl.restoration.error_scale import ErrorScale, fit_error_scale, local_detail
from vbl.restoration.methods import CLASSICAL, Method, find_method, restorer_of
from vbl.restoration.regions import restore_regions
from vbl.restoration.restore import is_told, restore, restore_bands, scale_of
from vbl.restoration.tiling import networks_in, receptive_radius, stride, tiles
from vbl.restoration.uncertainty import INTERVALS, WithUncertainty
