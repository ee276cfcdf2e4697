"""Side by side: gains, signs that need no truth, a cure, and which damage a picture has."""

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

from vbl.degradations import awgn
from vbl.evaluation.exercises.material import seeded
from vbl.evaluation.exercises.question import Design, Question, UnusableAnswer, as_numbers
from vbl.evaluation.metrics import psnr
from vbl.evaluation.side_by_side import damaged, left_over, travelled
from vbl.images import photo
from vbl.models import load
from vbl.restoration import find_method

NAMED = ("white", "grain", "JPEG", "shaken")
SCENES = {  # photograph -> row and column of a square of 192 pixels
    "astronaut": (0, 130),
    "chelsea": (60, 130),
    "china": (20, 100),
    "coffee": (60, 120),
    "flower": (80, 220),
}
SIDE = 192


def _scene(name: str) -> Tensor:
    row, column = SCENES[name]
    return photo(name)[..., row : row + SIDE, column : column + SIDE]


@cache
def _signs(damage: str) -> dict[str, float]:
    pair = damaged(damage, _scene("coffee"))
    with torch.inference_mode():
        made = travelled(find_method("virnet-denoise", torch.device("cpu")), pair)
    others = {"noise": pair.y - pair.x, "error": made.restored.image - pair.x}
    alike = {name: left_over(v, _nothing(made))["alike"] for name, v in others.items()}
    return left_over(pair.y, made) | alike


def _nothing(made):
    return type(made)(made.restored, torch.zeros_like(made.explained))


@cache
def _grey(model: str, same: bool = True) -> float:
    """PSNR of a grey picture with noise of 40, the same in three channels or not."""
    grey = photo("camera")[..., 60:252, 180:372]
    x = grey.expand(-1, 3, -1, -1)
    y = awgn(grey if same else x, 40 / 255, generator=seeded()).y.expand(-1, 3, -1, -1)
    if model == "given":
        return psnr(y, x).item()
    with torch.inference_mode():
        return psnr(load(model).restore(y).image, x).item()


@cache
def _cases() -> list[tuple[str, Tensor]]:
    return [
        (damage, damaged(damage, _scene(name), number).y)
        for number, name in enumerate(SCENES)
        for damage in NAMED
    ]


def _found(place_of: Callable[[Tensor], int]) -> list[float]:
    """The share of the pictures of each damage that are recognised."""
    right = dict.fromkeys(NAMED, 0)
    for damage, y in _cases():
        place = as_numbers(place_of(y.clone())).item()
        if place not in range(len(NAMED)):
            raise UnusableAnswer(f"expected an index from 0 to {len(NAMED) - 1}, got {place}")
        right[damage] += NAMED[int(place)] == damage
    return [count / len(SCENES) for count in right.values()]


def quiet(y: Tensor, side: int = 16, share: float = 0.1) -> Tensor:
    """The quietest blocks, without their means and slopes, (n, side, side)."""
    blocks = F.unfold(y.mean(1, keepdim=True), side, stride=side // 2).mT.reshape(-1, side, side)
    ramp = torch.linspace(-1, 1, side)
    for shape in (torch.ones(side, side), ramp.repeat(side, 1), ramp[:, None].repeat(1, side)):
        shape = shape / shape.norm()
        blocks = blocks - (blocks * shape).sum((1, 2), keepdim=True) * shape
    strength = blocks.square().mean((1, 2))
    return blocks[strength <= strength.quantile(share)]


def steps(y: Tensor) -> float:
    """How much larger the steps at the edges of JPEG's blocks are than all others."""
    along = y.diff(dim=-1).abs().mean((0, 1, 2))
    edge = torch.arange(len(along)) % 8 == 7
    return (along[edge].mean() / along[~edge].mean()).item()


WHITE, GRAIN, JPEG, SHAKEN = range(len(NAMED))


def place_of(y: Tensor) -> int:
    """The index in `NAMED`, from the quiet blocks and the steps between blocks of 8."""
    return JPEG if steps(y) > 1.25 else _without_steps(y)


def _without_steps(y: Tensor) -> int:
    noise = quiet(y)
    alike = (noise[..., 1:] * noise[..., :-1]).mean() / noise.square().mean()
    if noise.std() < 5 / 255:
        return SHAKEN
    return GRAIN if alike > 0.3 else WHITE


def _by_level(y: Tensor) -> int:
    return WHITE if quiet(y).std() > 5 / 255 else SHAKEN


QUESTIONS = {
    "ex-share": Question(
        "the share of noisy pictures from which on the denoiser pays",
        lambda: 1.5 / (8.5 + 1.5),
        {
            "if the loss is divided by the gain": lambda: 1.5 / 8.5,
            "for the share of the other pictures": lambda: 8.5 / (8.5 + 1.5),
        },
    ),
    "ex-signs": Question(
        "how alike neighbours are in what virnet-denoise leaves of the grainy cup",
        lambda: _signs("grain")["alike"],
        {
            "for white noise": lambda: _signs("white")["alike"],
            "for the noise itself, which nobody has": lambda: _signs("grain")["noise"],
            "of what is wrong with the restoration, which needs the truth": lambda: _signs("grain")[
                "error"
            ],
            "if the ratio is given": lambda: _signs("grain")["ratio"],
        },
        tolerance=0.02,
    ),
    "ex-grey": Question(
        "the PSNR of virnet-photo minus that of virnet-denoise, in dB",
        lambda: _grey("virnet-photo") - _grey("virnet-denoise"),
        {
            "compared with the noisy picture": lambda: _grey("virnet-photo") - _grey("given"),
            "with the difference the other way round": lambda: (
                _grey("virnet-denoise") - _grey("virnet-photo")
            ),
            "if the noise is drawn for each channel; here it is the same in all three": lambda: (
                _grey("virnet-photo", same=False) - _grey("virnet-denoise", same=False)
            ),
            "with virnet-denoise-real": lambda: (
                _grey("virnet-denoise-real") - _grey("virnet-denoise")
            ),
        },
        tolerance=0.02,
    ),
    "ex-which": Design(
        "a function of a picture (1, 3, 192, 192) that returns 0 for white noise, 1 for grain, 2 "
        "for JPEG, 3 for a shake",
        _found,
        lambda shares: shares > 0.75,
        place_of,
        {
            "if only the level is looked at": _by_level,
            "if the steps between JPEG's blocks are not looked at": _without_steps,
        },
    ),
}
