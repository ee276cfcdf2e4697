"""Degradations: from a clean image x to a degraded image y and the true parameters.

Each function takes images x (B, C, H, W) in [0, 1], draws only from `generator` (which must be on
the images' device) and returns a `Degraded`. All raise a ValueError when x is outside [0, 1], a
level is negative, or there are neither one nor one for each image; one that is made of another,
as `round_sr` of `blind_sr`, also when that one does. Noise is not clipped, except where the real
device or format clips (`jpeg`, `camera`). Noise levels are standard deviations in the images'
units: 25/255.
"""

from vbl.degradations.blur import blind_sr, blurred, printed, rough_sr, round_sr, shaken, turned_sr
from vbl.degradations.camera import camera, photographed
from vbl.degradations.degraded import Degrade, Degraded, Level, unchecked
from vbl.degradations.everyday import everyday, recoloured, smoothed_noise
from vbl.degradations.jpeg import jpeg, jpeg_luma
from vbl.degradations.kernels import (
    defocus_kernel,
    gaussian_kernel,
    motion_kernel,
    random_gaussian_parameters,
    rotated_parameters,
    vdir_test_kernels,
    virnet_test_kernels,
    with_floor,
)
from vbl.degradations.noise import awgn, correlated, grain, noniid, poisson_gaussian
from vbl.degradations.noise_maps import case_noise_map, local_variance, training_noise_map

# By name. Each entry is tested, and is a protocol of `vbl evaluate --protocol NAME`.
DEGRADATIONS: dict[str, Degrade] = {
    degrade.__name__: degrade
    for degrade in (
        awgn,
        noniid,
        poisson_gaussian,
        correlated,
        grain,
        camera,
        photographed,
        smoothed_noise,
        everyday,
        jpeg,
        jpeg_luma,
        blurred,
        shaken,
        printed,
        blind_sr,
        round_sr,
        turned_sr,
        rough_sr,
    )
}
