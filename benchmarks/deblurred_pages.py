"""Pages of print deblurred by VBDeblurNet and by classical methods, told one kernel or the other.

    python benchmarks/deblurred_pages.py        writes data/results/deblurred-pages.json

The 24 pages of `text_page`, shaken or out of focus, as in the table vbdeblur-pages. Each classical
method is told the kernel that VBDeblurNet has inferred, and then the true one. The constants of
Wiener's filter (a balance of 0.02) and of Richardson's and Lucy's iteration (30 steps) are the same
for all pages, and so is the noise of 2.55 of 255 that least squares is told; in two more rows it is
told the true noise of each page.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from skimage.restoration import richardson_lucy, wiener
from torch import Tensor
from tqdm.auto import tqdm

from vbl.degradations import Degraded
from vbl.evaluation import psnr, save_result, ssim
from vbl.evaluation.protocols import degraded
from vbl.images import open_dataset
from vbl.models import load
from vbl.restoration import least_squares

ASSUMED_VAR = (2.55 / 255) ** 2


def channelwise(method: Callable) -> Callable[[Tensor, Tensor], Tensor]:
    """A method of scikit-image, which takes one channel, for images (1, C, H, W)."""

    def restored(y: Tensor, kernel: Tensor) -> Tensor:
        planes = [method(plane.numpy(), kernel[0, 0].numpy()) for plane in y[0]]
        return torch.stack([torch.as_tensor(p) for p in planes])[None].float()

    return restored


def mirrored(method: Callable, margin: int = 16) -> Callable[[Tensor, Tensor], Tensor]:
    """A method that assumes an image which repeats, given one that is mirrored at its edges."""

    def restored(y: Tensor, kernel: Tensor) -> Tensor:
        wide = F.pad(y.clamp(0, 1), 4 * [margin], mode="reflect")
        return method(wide, kernel)[..., margin:-margin, margin:-margin].clamp(0, 1)

    return restored


METHODS = {
    "Wiener": mirrored(channelwise(lambda y, k: wiener(y, k, 0.02, clip=False))),
    "Richardson-Lucy": mirrored(channelwise(lambda y, k: richardson_lucy(y, k, num_iter=30))),
    "least squares": lambda y, k: least_squares(y, k, ASSUMED_VAR).clamp(0, 1),
}


def answers(pair: Degraded, model: torch.nn.Module, twin: torch.nn.Module) -> dict[str, Tensor]:
    """Every method's image of one page."""
    answer = model.restore(pair.y)
    found = {"blurred": pair.y, "MSE twin": twin.restore(pair.y).image, "VBDeblurNet": answer.image}
    kernels = {"inferred": answer.kernel, "true": pair.kernel}
    for method, solve in METHODS.items():
        found |= {f"{method}, {which}": solve(pair.y, k) for which, k in kernels.items()}
    for which, kernel in kernels.items():
        told = least_squares(pair.y, kernel, pair.noise_var)
        found[f"least squares, {which}, told the noise"] = told.clamp(0, 1)
    return found


def width(kernel: Tensor) -> float:
    """How far the path of a kernel (1, 1, k, k) is from its middle, root mean square, in pixels."""
    offset = torch.arange(kernel.shape[-1]) - kernel.shape[-1] // 2
    return float((kernel[0, 0] * (offset**2 + offset[:, None] ** 2)).sum().sqrt())


@torch.inference_mode()
def main() -> None:
    """Measure every method on every page."""
    torch.set_num_threads(1)
    model, twin = load("vbdeblur-text"), load("vbdeblur-text-mse")
    pages, rows = [], {}
    for name, pair in tqdm(list(degraded(open_dataset("text_page"), "printed", {}))):
        noise = 255 * float(pair.noise_var.mean().sqrt())
        pages.append({"name": str(name), "noise": noise, "width": width(pair.kernel)})
        for method, image in answers(pair, model, twin).items():
            scores = {"psnr": psnr(image, pair.x).item(), "ssim": ssim(image, pair.x).item()}
            rows.setdefault(method, []).append({key: round(v, 4) for key, v in scores.items()})
    about = {"command": "python benchmarks/deblurred_pages.py", "device": torch.device("cpu")}
    save_result("deblurred-pages", {"pages": pages, "rows": rows}, **about)


if __name__ == "__main__":
    main()
