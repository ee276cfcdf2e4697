"""From a clean image x to a degraded one y, with the truth that made it.

Each function takes images (B, C, H, W) in [0, 1], draws only from `generator` (which must live on
the images' device) and returns a `Degraded`. Noise is never clipped, unless the device that makes
it clips (`jpeg`, `camera`). Levels are standard deviations in the images' units: 25/255, not 25.
"""

from vbl.degradations.blur import (
    blind_sr,
    blurred,
    printed,
    rough_sr,
    round_sr,
    shaken,
    turned_sr,
)
from vbl.degradations.camera import camera, photographed
from vbl.degradations.degraded import Degrade, Degraded, Level
from vbl.degradations.jpeg import jpeg, jpeg_luma
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

# Each by its name. What stands here is tested, and measured by `vbl evaluate --protocol NAME`.
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
