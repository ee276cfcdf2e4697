"""Photographs inside packages that are installed anyway: who took them, and their terms.

Titles, authors and licences are those the packages state (scikit-image in the docstrings of
``skimage.data``, scikit-learn in the README beside its images) or, for Grace Hopper, the page the
file itself names. scikit-learn's README credits both pictures to one person, but its links for the
flower lead to vultilion's page, and so does this table.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Photograph:
    """One photograph inside an installed package."""

    title: str
    author: str
    licence: str
    source: str  # where the package took it from
    package: str  # the import name of the package that ships it
    path: str  # below the folder of that package
    sha256: str


_CC0 = "CC0 1.0"
_PUBLIC_DOMAIN = "public domain"

PHOTOGRAPHS: dict[str, Photograph] = {
    "astronaut": Photograph(
        title="Eileen Collins, astronaut",
        author="NASA",
        licence=_PUBLIC_DOMAIN,
        source="https://flic.kr/p/r9qvLn",
        package="skimage",
        path="data/astronaut.png",
        sha256="88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
    ),
    "chelsea": Photograph(
        title="Chelsea the cat",
        author="Stéfan van der Walt",
        licence=_CC0,
        source="https://scikit-image.org/docs/stable/api/skimage.data.html",
        package="skimage",
        path="data/chelsea.png",
        sha256="596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
    ),
    "coffee": Photograph(
        title="A cup of coffee",
        author="Rachel Michetti",
        licence=_CC0,
        source="https://scikit-image.org/docs/stable/api/skimage.data.html",
        package="skimage",
        path="data/coffee.png",
        sha256="cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
    ),
    "rocket": Photograph(
        title="Falcon 9 with DSCOVR on the launch pad",
        author="SpaceX",
        licence=_PUBLIC_DOMAIN,
        source="https://www.flickr.com/photos/spacexphotos/16511594820",
        package="skimage",
        path="data/rocket.jpg",
        sha256="c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c",
    ),
    "hubble": Photograph(
        title="Hubble eXtreme Deep Field",
        author="NASA",
        licence=_PUBLIC_DOMAIN,
        source="http://hubblesite.org/newscenter/archive/releases/2012/37/image/a/",
        package="skimage",
        path="data/hubble_deep_field.jpg",
        sha256="3a19c5dd8a927a9334bb1229a6d63711b1c0c767fb27e2286e7c84a3e2c2f5f4",
    ),
    "retina": Photograph(
        title="Retina of a left eye",
        author="Mikael Häggström",
        licence=_CC0,
        source="https://commons.wikimedia.org/wiki/File:Fundus_photograph_of_normal_left_eye.jpg",
        package="skimage",
        path="data/retina.jpg",
        sha256="38a07f36f27f095e818aea7b96d34202c05176d30253c66733f2e00379e9e0e6",
    ),
    "camera": Photograph(
        title="A photographer at work (grey)",
        author="Lav Varshney",
        licence=_CC0,
        source="https://github.com/scikit-image/scikit-image/issues/3927",
        package="skimage",
        path="data/camera.png",
        sha256="b0793d2adda0fa6ae899c03989482bff9a42d3d5690fc7e3648f2795d730c23a",
    ),
    "brick": Photograph(
        title="A brick wall (grey)",
        author="CC0 Textures",
        licence=_CC0,
        source="https://cc0textures.com/view.php?tex=Bricks25",
        package="skimage",
        path="data/brick.png",
        sha256="7966caf324f6ba843118d98f7a07746d22f6a343430add0233eca5f6eaaa8fcf",
    ),
    "grass": Photograph(
        title="Grass (grey)",
        author="linolafett",
        licence=_CC0,
        source="https://www.deviantart.com/linolafett/art/Grass-01-434853879",
        package="skimage",
        path="data/grass.png",
        sha256="b6b6022426b38936c43a4ac09635cd78af074e90f42ffa8227ac8b7452d39f89",
    ),
    "gravel": Photograph(
        title="Gravel (grey)",
        author="CC0 Textures",
        licence=_CC0,
        source="https://cc0textures.com/view.php?tex=Gravel04",
        package="skimage",
        path="data/gravel.png",
        sha256="c48615b451bf1e606fbd72c0aa9f8cc0f068ab7111ef7d93bb9b0f2586440c12",
    ),
    "coins": Photograph(
        title="Greek coins from Pompeii (grey)",
        author="Brooklyn Museum",
        licence="no known copyright restrictions",
        source="https://www.brooklynmuseum.org/opencollection/archives/image/51611",
        package="skimage",
        path="data/coins.png",
        sha256="f8d773fc9cfa6f4d8e5942dc34d0a0788fcaed2a4fefbbed0aef5398d7ef4cba",
    ),
    "clock": Photograph(
        title="A wall clock, blurred by the moving camera (grey)",
        author="Stéfan van der Walt",
        licence=_PUBLIC_DOMAIN,
        source="https://scikit-image.org/docs/stable/api/skimage.data.html",
        package="skimage",
        path="data/clock_motion.png",
        sha256="f029226b28b642e80113d86622e9b215ee067a0966feaf5e60604a1e05733955",
    ),
    "china": Photograph(
        title="A pagoda above a lake, China",
        author="danielbuechele",
        licence="CC BY 2.0",
        source="https://www.flickr.com/photos/danielbuechele/6061409035",
        package="sklearn",
        path="datasets/images/china.jpg",
        sha256="8378025ad2519d649d02e32bd98990db4ab572357d9f09841c2fbfbb4fefad29",
    ),
    "flower": Photograph(
        title="A dahlia",
        author="vultilion",
        licence="CC BY 2.0",
        source="https://www.flickr.com/photos/vultilion/6056698931",
        package="sklearn",
        path="datasets/images/flower.jpg",
        sha256="a77f6ec41e353afdf8bdff2ea981b2955535d8d83294f8cfa49cf4e423dd5638",
    ),
    "grace_hopper": Photograph(
        title="Commodore Grace M. Hopper",
        author="James S. Davis, US Navy",
        licence=_PUBLIC_DOMAIN,
        source="https://commons.wikimedia.org/wiki/File:Grace_Hopper.jpg",
        package="matplotlib",
        path="mpl-data/sample_data/grace_hopper.jpg",
        sha256="a8ca6d734765703b09728ab47fe59f473d93ae3967fc24c7c0288c3c7adb7130",
    ),
}
