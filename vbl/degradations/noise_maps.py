"""Maps of the noise's standard deviation, random for training and Cases 1-3 for tests."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from vbl.degradations.operators import pad

LOWEST, HIGHEST = 10 / 255, 75 / 255  # range of the three test maps, VIRNet Section 5.1
_GRID = 256


def training_noise_map(
    b: int, h: int, w: int, *, generator: torch.Generator | None = None
) -> Float[Tensor, "b 1 h w"]:
    """One Gaussian bump of random place, width and height, as in VDN's and VIRNet's training.

    On a 128 x 128 patch both coordinates of the centre are U(0, 127) and the width, its standard
    deviation, is U(31.75, 95.25) pixels; other sizes scale with it. The bump is normalised to
    [0, 1] and stretched from the smaller to the larger of two draws from U(0, 75/255), the latter
    raised by 5/255.

    Args:
        b: Number of maps.
        h: Height in pixels.
        w: Width in pixels.
        generator: Source of randomness (and its device).

    Returns:
        Standard deviations (B, 1, H, W) in [0, 80/255].
    """
    device = generator.device if generator else None
    u = torch.rand(5, b, 1, 1, generator=generator, device=device)
    y = torch.linspace(0, 1, h, device=device)[:, None] - u[0]
    x = torch.linspace(0, 1, w, device=device)[None, :] - u[1]
    width = 0.25 + 0.5 * u[2]
    bump = _to_unit_range(torch.exp(-(x**2 + y**2) / (2 * width**2)))
    low, high = torch.minimum(u[3], u[4]) * 75 / 255, torch.maximum(u[3], u[4]) * 75 / 255
    return (low + bump * (high + 5 / 255 - low)).unsqueeze(1)


def case_noise_map(
    case: int,
    h: int,
    w: int,
    *,
    generator: torch.Generator | None = None,
    draws: Float[Tensor, "3 64"] | None = None,
) -> Float[Tensor, "1 1 h w"]:
    """One of the three test maps of VDN's and VIRNet's tables.

    Each is computed on a 256 x 256 grid, normalised to [10/255, 75/255] and resized to the image
    by nearest neighbours: Case 1 is MATLAB's `peaks`, Case 2 is sin(x) + cos(y), Case 3 a
    mixture of 64 Gaussian bumps with one random centre in each 32 x 32 cell.

    Args:
        case: 1, 2 or 3.
        h: Height in pixels.
        w: Width in pixels.
        generator: Source of randomness of Case 3; the other two are fixed.
        draws: Samples of U(0, 1) to use instead of the generator: row, column and width of each
            bump, cell by cell along the rows.

    Returns:
        Standard deviations (1, 1, H, W).

    Raises:
        ValueError: If `case` is not 1, 2 or 3.
    """
    maps = {1: _peaks, 2: _waves, 3: _mixture}
    if case not in maps:
        raise ValueError(f"case: expected 1, 2 or 3, got {case!r}")
    if case == 3 and draws is None:
        device = generator.device if generator else None
        draws = torch.rand(3, 64, generator=generator, device=device, dtype=torch.float64)
    unit = _to_unit_range(maps[case](draws))
    std = (LOWEST + unit * (HIGHEST - LOWEST)).float()[None, None]
    # In integers: torch's "nearest-exact" rounds in float32 and picks a wrong row at height 321.
    rows, cols = ((2 * torch.arange(n, device=std.device) + 1) * _GRID // (2 * n) for n in (h, w))
    return std[..., rows, :][..., cols]


def local_variance(
    y: Float[Tensor, "b c h w"],
    x: Float[Tensor, "b c h w"],
    p: int,
    window_std: float,
    *,
    shared: bool,
    floor: float = 1e-10,
) -> Float[Tensor, "b n h w"]:
    """ξ, the local noise variance of a pair, :eq:`eq-xi`; VIRNet's Eq. (5).

    The squared differences filtered by a Gaussian window of side p, with reflection padding;
    exactly `floor` where y = x in the whole window.

    Args:
        y: Noisy images.
        x: Clean images.
        p: Side of the window in pixels, odd.
        window_std: Standard deviation of the window in pixels: 1.4 at p = 7 in VIRNet, 3 in VDN.
        shared: Average over the channels: one map for all (N = 1), else one for each (N = C).
        floor: Smallest variance, so that log ξ is finite where the noise is 0.

    Raises:
        ValueError: If `p` is even.
    """
    if p % 2 == 0:
        raise ValueError(f"p: expected an odd window, got {p}")
    square = (y - x).square()
    if shared:
        square = square.mean(1, keepdim=True)
    window = [math.exp(-(t**2) / (2 * window_std**2)) for t in range(-(p // 2), p // 2 + 1)]
    square = pad(square, p // 2)
    for dim in (-2, -1):  # shifted sums: a Fourier transform would round to nonzero where x = y
        side = square.shape[dim] - p + 1
        square = sum(w * square.narrow(dim, i, side) for i, w in enumerate(window)) / sum(window)
    return square.clamp_min(floor)


def _to_unit_range(m: Tensor) -> Tensor:
    low, high = m.amin((-2, -1), keepdim=True), m.amax((-2, -1), keepdim=True)
    return (m - low) / (high - low).clamp_min(1e-12)  # high = low for a map of one pixel


def _peaks(_: Tensor | None) -> Tensor:
    t = torch.linspace(-3, 3, _GRID, dtype=torch.float64)
    x, y = t[None, :], t[:, None]
    return (
        3 * (1 - x) ** 2 * torch.exp(-(x**2) - (y + 1) ** 2)
        - 10 * (x / 5 - x**3 - y**5) * torch.exp(-(x**2) - y**2)
        - torch.exp(-((x + 1) ** 2) - y**2) / 3
    )


def _waves(_: Tensor | None) -> Tensor:
    x = torch.linspace(1, 10, _GRID, dtype=torch.float64)[None, :]
    y = torch.linspace(1, 20, _GRID, dtype=torch.float64)[:, None]
    return x.sin() + y.cos()


def _mixture(u: Tensor) -> Tensor:
    cells = torch.arange(0, _GRID, 32, device=u.device, dtype=torch.float64)
    corner = torch.cartesian_prod(cells, cells)
    cy, cx, std = corner[:, 0] + 32 * u[0], corner[:, 1] + 32 * u[1], 16 + 16 * u[2]
    t = torch.arange(_GRID, device=u.device, dtype=torch.float64)
    rows = torch.exp(-((t - cy[:, None]) ** 2) / (2 * std[:, None] ** 2))
    cols = torch.exp(-((t - cx[:, None]) ** 2) / (2 * std[:, None] ** 2))
    weight = 1 / (2 * math.pi * std**2) / len(corner)
    return torch.einsum("k,ky,kx->yx", weight, rows, cols)
