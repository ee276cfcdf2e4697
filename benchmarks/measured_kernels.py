"""Photographs blurred by measured kernels, a third of their size, before and after restoration.

    python benchmarks/measured_kernels.py     writes data/results/measured-kernels.json

The 32 pictures of Levin et al. (2009), which `VBL_DATA` must hold, as chapter 8 shows them: means
of three by three pixels, `vbdeblur-natural`, and PSNR after registration.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from vbl import load
from vbl.evaluation import psnr, registered, save_result
from vbl.images import open_dataset


def third(image: Tensor) -> Tensor:
    """A grey picture at a third of its size, in three equal channels."""
    height, width = (side // 3 * 3 for side in image.shape[-2:])
    return F.avg_pool2d(image[..., :height, :width], 3).expand(-1, 3, -1, -1)


@torch.inference_mode()
def main() -> None:
    """Measure and store."""
    model, rows = load("vbdeblur-natural"), []
    for sample in open_dataset("levin09"):
        y, x = third(sample.degraded), third(sample.image)
        images = {"blurred": y, "restored": model.restore(y).image}
        scores = {
            name: round(psnr(registered(image, x), x, "registered").item(), 4)
            for name, image in images.items()
        }
        rows.append({"picture": sample.name, **scores})
    print(save_result("measured-kernels", {"rows": rows}))


if __name__ == "__main__":
    main()
