"""Removing noise: the baselines, VDN and VIRNet."""

from dataclasses import replace
from functools import partial

from vbl.degradations import awgn, camera, noniid, photographed
from vbl.models import supervised, vdn, virnet
from vbl.recipes.recipe import BERKELEY, Preset, Recipe

noisy_25 = partial(awgn, std=25 / 255)  # the level on which training is watched

RESTORER_CLIP = {"restorer": 1e3}  # VIRNet's, for its loss scale 1/(2 eps0²) per value

RESUNET = Recipe(
    name="resunet",
    about="A plain ResUNet under the mean squared error: VIRNet's restorer without a noise model",
    model=supervised.Supervised,
    degrade=noniid,
    validate=noisy_25,
    data=BERKELEY,
    presets={
        "quick": Preset(
            config=supervised.Config("ResUNet", {"widths": (16, 32, 48), "blocks": 1}),
            steps=400,
            clip=RESTORER_CLIP,
        ),
        "classroom": Preset(
            config=supervised.Config("ResUNet", {"widths": (32, 64, 96), "blocks": 1}),
            steps=2400,
            clip=RESTORER_CLIP,
        ),
        "ship": Preset(
            config=supervised.Config("ResUNet", {"widths": (32, 64, 128), "blocks": (1, 1, 2)}),
            steps=22_000,
            restarts=(16_000,),
            clip=RESTORER_CLIP,
        ),
        "paper": Preset(
            config=supervised.Config("ResUNet", {"widths": (96, 192, 288), "blocks": 3}),
            steps=600_000,
            size=128,
            lr=1e-4,
            warmup=0.04,
            clip=RESTORER_CLIP,
            compile=True,
        ),
    },
)

DNCNN = Recipe(
    name="dncnn",
    about="DnCNN under the mean squared error, blind to the noise level",
    model=supervised.Supervised,
    degrade=noniid,
    validate=noisy_25,
    data=BERKELEY,
    presets={
        "quick": Preset(
            config=supervised.Config("DnCNN", {"width": 32, "depth": 8}),
            steps=250,
            size=40,
            clip=RESTORER_CLIP,
        ),
        "classroom": Preset(
            config=supervised.Config("DnCNN", {"width": 48, "depth": 12}),
            steps=2000,
            size=40,
            clip=RESTORER_CLIP,
        ),
        "ship": Preset(
            config=supervised.Config("DnCNN", {"width": 64, "depth": 17}),
            steps=6000,
            size=40,
            clip=RESTORER_CLIP,
        ),
        "paper": Preset(
            config=supervised.Config("DnCNN", {"width": 64, "depth": 20}),
            steps=150_000,
            batch=128,
            size=50,
            lr=1e-3,
            clip=RESTORER_CLIP,
            compile=True,
        ),
    },
)

VIRNET_CLIP = {"restorer": 1e3, "sigma": 1e2}  # the authors', for means over values

VIRNET_DENOISE = Recipe(
    name="virnet-denoise",
    about="VIRNet for noise whose level changes over the picture",
    model=virnet.VIRNet,
    degrade=noniid,
    validate=noisy_25,
    data=BERKELEY,
    presets={
        "quick": Preset(
            config=virnet.Config(sigma_width=16, widths=(16, 32, 48), blocks=1),
            steps=300,
            clip=VIRNET_CLIP,
        ),
        "classroom": Preset(
            config=virnet.Config(sigma_width=16, widths=(32, 64, 96), blocks=1),
            steps=2400,
            clip=VIRNET_CLIP,
        ),
        "ship": Preset(
            config=virnet.Config(sigma_width=16, widths=(32, 64, 128), blocks=(1, 1, 2)),
            steps=22_000,
            restarts=(16_000,),
            clip=VIRNET_CLIP,
        ),
        "paper": Preset(
            config=virnet.Config(), steps=1_200_000, size=128, lr=1e-4, warmup=0.04,
            clip=VIRNET_CLIP, compile=True,
        ),
    },
)  # fmt: skip

VIRNET_DENOISE_FREE = replace(
    VIRNET_DENOISE,
    name="virnet-denoise-free",
    about="The same from dead leaves and the embedded photographs: nothing to download",
    data=("free",),
    presets={name: VIRNET_DENOISE.presets[name] for name in ("quick", "classroom")}
    | {"ship": replace(VIRNET_DENOISE.presets["classroom"], steps=5000)},
)

VIRNET_DENOISE_TRUE_MAP = replace(
    VIRNET_DENOISE,
    name="virnet-denoise-true-map",
    about="The true noise map for ξ, as the authors train on synthetic noise, and a deeper SNet",
    presets={
        name: replace(preset, config=replace(preset.config, xi="true", sigma_depth=8))
        for name, preset in VIRNET_DENOISE_FREE.presets.items()
    },
)

# The light in which the training for photographs is watched.
photographed_at_night = partial(camera, electrons=1000.0, read_std=3.0)

REAL_WORLD = {"map_channels": 3, "sigma_depth": 8}  # colours differ; noise is correlated

VIRNET_DENOISE_REAL = Recipe(
    name="virnet-denoise-real",
    about="VIRNet for the noise of cameras, learned from a simulated one",
    model=virnet.VIRNet,
    degrade=photographed,
    validate=photographed_at_night,
    data=BERKELEY,
    presets={
        "quick": Preset(
            config=virnet.Config(**REAL_WORLD, sigma_width=16, widths=(16, 32, 48), blocks=1),
            steps=250,
            clip=VIRNET_CLIP,
        ),
        "ship": Preset(
            config=virnet.Config(**REAL_WORLD, sigma_width=16, widths=(32, 64, 96), blocks=1),
            steps=4000,
            clip=VIRNET_CLIP,
        ),
        "paper": Preset(
            config=virnet.Config(**REAL_WORLD, widths=(96, 160, 224, 288)),
            steps=1_500_000, size=128, lr=1e-4, warmup=0.04, clip=VIRNET_CLIP, compile=True,
        ),
    },
)  # fmt: skip

VDN_CLIP = {"restorer": 1e3, "sigma": 1e2}

VDN_DENOISE = Recipe(
    name="vdn-denoise",
    about="VDN, VIRNet's predecessor: every parameter of the posterior is learned",
    model=vdn.VDN,
    degrade=noniid,
    validate=noisy_25,
    data=BERKELEY,
    presets={
        "quick": Preset(
            config=vdn.Config(network="ResUNet", widths=(16, 32, 48), sigma_width=16),
            steps=300,
            clip=VDN_CLIP,
        ),
        "classroom": Preset(
            config=vdn.Config(network="ResUNet", widths=(32, 64, 96), sigma_width=16),
            steps=2000,
            clip=VDN_CLIP,
        ),
        "ship": Preset(
            config=vdn.Config(network="ResUNet", widths=(32, 64, 96), sigma_width=16),
            steps=5000,
            clip=VDN_CLIP,
        ),
        "paper": Preset(
            config=vdn.Config(), steps=300_000, batch=64, size=128, lr=2e-4, warmup=0.04,
            clip=VDN_CLIP, compile=True,
        ),
    },
)  # fmt: skip

DENOISING = (
    RESUNET,
    DNCNN,
    VDN_DENOISE,
    VIRNET_DENOISE,
    VIRNET_DENOISE_TRUE_MAP,
    VIRNET_DENOISE_FREE,
    VIRNET_DENOISE_REAL,
)
