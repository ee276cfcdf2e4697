"""Denoising: the baselines, VDN and VIRNet."""

from dataclasses import replace
from functools import partial

from vbl.degradations import awgn, camera, everyday, noniid, photographed
from vbl.models import supervised, vdn, virnet
from vbl.recipes.recipe import BERKELEY, Recipe, presets

noisy_25 = partial(awgn, std=25 / 255)  # for validation

RESTORER_CLIP = {"restorer": 1e3}  # VIRNet's, for its loss scale 1/(2 eps0²) per value
VIRNET_CLIP = RESTORER_CLIP | {"sigma": 1e2}  # the authors', for means over values

# VIRNet's restorer at sizes for a CPU
UNET = {
    "quick": {"widths": (16, 32, 48), "blocks": 1},
    "classroom": {"widths": (32, 64, 96), "blocks": 1},
    "ship": {"widths": (32, 64, 128), "blocks": (1, 1, 2)},
}

# And for a quarter of an hour of a GPU
UNET_GPU = {"widths": (64, 128, 192), "blocks": 2}
GPU = {"size": 128, "batch": 64, "lr": 1e-3}

CBSD68 = tuple(("cbsd68", {"sigma": sigma}) for sigma in (15, 25, 50))
PHOTOGRAPHS = (("cc15", {}), ("polyu100", {}))

RESUNET = Recipe(
    name="resunet",
    about="The baseline of every chapter: VIRNet's restorer, a ResUNet, under the squared error",
    model=supervised.Supervised,
    degrade=noniid,
    validate=noisy_25,
    scores=CBSD68,
    presets=presets(
        {size: supervised.Config("ResUNet", unet) for size, unet in UNET.items()}
        | {"paper": supervised.Config("ResUNet", {"widths": (96, 192, 288), "blocks": 3})},
        {"quick": 400, "classroom": 2400, "ship": 22_000, "paper": 600_000},
        clip=RESTORER_CLIP,
        ship={"restarts": (16_000,)},
        paper={"size": 128, "lr": 1e-4, "warmup": 0.04},
    ),
)

DNCNN = Recipe(
    name="dncnn",
    about="The baseline of the papers: DnCNN under the squared error, blind to the noise level",
    model=supervised.Supervised,
    degrade=noniid,
    validate=noisy_25,
    scores=CBSD68,
    presets=presets(
        {
            "quick": supervised.Config("DnCNN", {"width": 32, "depth": 8}),
            "classroom": supervised.Config("DnCNN", {"width": 48, "depth": 12}),
            "ship": supervised.Config("DnCNN", {"width": 64, "depth": 17}),
            "paper": supervised.Config("DnCNN", {"width": 64, "depth": 20}),
        },
        {"quick": 250, "classroom": 2000, "ship": 6000, "paper": 150_000},
        size=40,
        clip=RESTORER_CLIP,
        paper={"batch": 128, "size": 50, "lr": 1e-3},
    ),
)

VIRNET_DENOISE = Recipe(
    name="virnet-denoise",
    about="VIRNet for noise whose level changes over the picture",
    model=virnet.VIRNet,
    degrade=noniid,
    validate=noisy_25,
    scores=CBSD68,
    presets=presets(
        {size: virnet.Config(sigma_width=16, **unet) for size, unet in UNET.items()}
        | {"gpu": virnet.Config(**UNET_GPU), "paper": virnet.Config()},
        {"quick": 300, "classroom": 2400, "ship": 22_000, "gpu": 16_000, "paper": 1_200_000},
        clip=VIRNET_CLIP,
        ship={"restarts": (16_000,)},
        gpu=GPU,
        paper={"size": 128, "lr": 1e-4, "warmup": 5 / 120},
    ),
)

VIRNET_DENOISE_FREE = replace(
    VIRNET_DENOISE,
    name="virnet-denoise-free",
    about="VIRNet from dead leaves and the embedded photographs: nothing to download",
    data=("free",),
    presets={name: VIRNET_DENOISE.presets[name] for name in ("quick", "classroom")}
    | {"ship": replace(VIRNET_DENOISE.presets["classroom"], steps=5000)},
)

VIRNET_DENOISE_TRUE_MAP = replace(
    VIRNET_DENOISE,
    name="virnet-denoise-true-map",
    about="VIRNet with its authors' ξ for synthetic noise, the true map, and a deeper SNet",
    presets={
        name: replace(preset, config=replace(preset.config, xi="true", sigma_depth=8))
        for name, preset in VIRNET_DENOISE_FREE.presets.items()
    },
)

photographed_at_night = partial(camera, electrons=1000.0, read_std=3.0)  # for validation

REAL_WORLD = {"map_channels": 3, "sigma_depth": 8}  # colours differ; noise is correlated

VIRNET_DENOISE_REAL = Recipe(
    name="virnet-denoise-real",
    about="VIRNet for the noise of cameras, learned from a simulated one",
    model=virnet.VIRNet,
    degrade=photographed,
    validate=photographed_at_night,
    scores=PHOTOGRAPHS,
    presets=presets(
        {
            "quick": virnet.Config(sigma_width=16, **UNET["quick"], **REAL_WORLD),
            "ship": virnet.Config(sigma_width=16, **UNET["classroom"], **REAL_WORLD),
            "paper": virnet.Config(widths=(96, 160, 224, 288), **REAL_WORLD),
        },
        {"quick": 250, "ship": 4000, "paper": 1_500_000},
        clip=VIRNET_CLIP,
        paper={
            "size": 128,
            "lr": 1e-4,
            "warmup": 10 / 150,
            "clip": VIRNET_CLIP | {"restorer": 5e2},
        },
    ),
)

SMALL_VDN = vdn.Config(network="ResUNet", widths=(32, 64, 96), sigma_width=16)

VIRNET_PHOTO = Recipe(
    name="virnet-photo",
    about="VIRNet for photographs as people have them: any noise, colour or grey, through JPEG",
    model=virnet.VIRNet,
    degrade=everyday,
    validate=noisy_25,
    data=("wide1187", *BERKELEY),
    scores=CBSD68 + PHOTOGRAPHS,
    presets=presets(
        {
            size: virnet.Config(sigma_depth=8, sigma_width=16, **UNET[size])
            for size in ("quick", "ship")
        },
        {"quick": 300, "ship": 16_000},
        clip=VIRNET_CLIP,
        ship={"lr": 1e-3, "start": "virnet-denoise", "restarts": (8000, 12_000), "average": True},
    ),
)

VDN_DENOISE = Recipe(
    name="vdn-denoise",
    about="VDN, VIRNet's predecessor: every parameter of the posterior is learned",
    model=vdn.VDN,
    degrade=noniid,
    validate=noisy_25,
    scores=CBSD68,
    presets=presets(
        {
            "quick": replace(SMALL_VDN, widths=(16, 32, 48)),
            "classroom": SMALL_VDN,
            "ship": SMALL_VDN,
            "gpu": vdn.Config(network="ResUNet", widths=(64, 128, 256)),
            "paper": vdn.Config(),
        },
        {"quick": 300, "classroom": 2000, "ship": 5000, "gpu": 20_000, "paper": 250_000},
        clip=VIRNET_CLIP,
        gpu=GPU,
        paper={
            "batch": 64,
            "size": 128,
            "lr": 2e-4,
            "warmup": 0.0,
            "clip": {"restorer": 1e4, "sigma": 1e3},
        },
    ),
)

DENOISING = (
    RESUNET,
    DNCNN,
    VDN_DENOISE,
    VIRNET_DENOISE,
    VIRNET_DENOISE_TRUE_MAP,
    VIRNET_DENOISE_FREE,
    VIRNET_DENOISE_REAL,
    VIRNET_PHOTO,
)
