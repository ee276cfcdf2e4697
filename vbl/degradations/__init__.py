"""From a clean image x to a degraded one y, with the truth that made it.

Each function takes images (B, C, H, W) in [0, 1], draws only from `generator` (which must live on
the images' device) and returns a `Degraded`. Noise is never clipped, unless the device that makes
it clips (`jpeg`, `camera`). Levels are standard deviations in the images' units: 25/255, not 25.
"""

from collections.abc import Callable

from vbl.degradations.blur import blind_sr, blurred, printed, shaken
from vbl.degradations.camera import camera
from vbl.degradations.degraded import Degrade, Degraded, Level
from vbl.degradations.jpeg import jpeg
from vbl.degradations.kernels import (
    defocus_kernel,
    gaussian_kernel,
    kernel_parameters,
    motion_kernel,
    random_gaussian_parameters,
    rotated_parameters,
    vdir_test_kernels,
    virnet_test_kernels,
    with_floor,
)
from vbl.degradations.noise import awgn, correlated, grain, noniid, poisson_gaussian
from vbl.degradations.noise_maps import case_noise_map, local_variance, training_noise_map

__all__ = [
    "DEGRADATIONS",
    "Degrade",
    "Degraded",
    "Level",
    "awgn",
    "blind_sr",
    "blurred",
    "camera",
    "case_noise_map",
    "correlated",
    "defocus_kernel",
    "gaussian_kernel",
    "grain",
    "jpeg",
    "kernel_parameters",
    "local_variance",
    "motion_kernel",
    "noniid",
    "poisson_gaussian",
    "printed",
    "random_gaussian_parameters",
    "rotated_parameters",
    "shaken",
    "training_noise_map",
    "vdir_test_kernels",
    "virnet_test_kernels",
    "with_floor",
]

DEGRADATIONS: dict[str, Callable[..., Degraded]] = {
    "awgn": awgn,
    "noniid": noniid,
    "poisson_gaussian": poisson_gaussian,
    "correlated": correlated,
    "blur": blurred,
    "blind_sr": blind_sr,
    "jpeg": jpeg,
    "camera": camera,
}
