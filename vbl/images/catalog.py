"""The catalogue: every set of pictures that can be opened from disk, with its terms and its hash.

Nothing is opened here: ``vbl.images.datasets`` does that; ``vbl.images.download`` lists what can be
fetched.
A set has one of three kinds: *embedded* (photographs inside packages that are installed anyway),
*generated* (drawn by ``vbl.images.synthetic``) or *local* (folders below the one VBL_DATA names).
"""

from dataclasses import dataclass, field
from typing import ClassVar

from vbl.images.photographs import PHOTOGRAPHS, Photograph


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What every set says about itself."""

    kind: ClassVar[str]
    about: str
    licence: str  # as its source states it
    citation: str
    source: str = ""  # public page or repository


@dataclass(frozen=True, kw_only=True)
class Photographs(Entry):
    """Photographs of installed packages."""

    kind: ClassVar[str] = "embedded"
    photographs: dict[str, Photograph] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Generated(Entry):
    """Pictures number ``first`` to ``first + count - 1``, each with its number as the seed."""

    kind: ClassVar[str] = "generated"
    count: int
    size: tuple[int, int]
    first: int = 0


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """How the file names of a set of pairs tell which degraded picture belongs to which clean one.

    All three are about paths relative to the folder of the set, without suffix: ``degraded`` is a
    regular expression, ``clean`` and ``name`` are templates with its groups.
    """

    degraded: str
    clean: str
    name: str = r"\1"


@dataclass(frozen=True, kw_only=True)
class Folder(Entry):
    """Folders below VBL_DATA.

    ``digest`` is what ``sha256sum FOLDER/* | sha256sum`` prints in VBL_DATA for the pictures in
    byte order of their paths, so a result can name the very files it was computed on.
    """

    kind: ClassVar[str] = "local"
    folders: tuple[str, ...]
    files: int
    digest: str
    pairs: Pairs | None = None
    never_show: tuple[str, ...] = ()  # names that must not appear in a figure


_UNSTATED = "research use; terms not stated"
_IMAGES_UNSTATED = "research use; terms not stated for the images (repository: Apache-2.0)"
_BSD_TERMS = "research use; terms not stated in the repository (asks to cite Arbelaez et al. 2011)"
_BSD_PAPERS = "Martin et al., ICCV 2001; Arbelaez et al., TPAMI 2011 (BSDS500)"
_REAL_MEAN = Pairs(degraded=r"(.+)_real", clean=r"\1_mean")

CATALOG: dict[str, Entry] = {
    "photographs": Photographs(
        about="Photographs of scikit-image, scikit-learn and Matplotlib, each with its author",
        licence="CC0, CC BY 2.0, public domain or no known restrictions: stated for each",
        citation="van der Walt et al., PeerJ 2014 (scikit-image)",
        photographs=PHOTOGRAPHS,
    ),
    "dead_leaves": Generated(
        about="Discs falling on each other: natural statistics without a photograph",
        licence="none needed: drawn by vbl.images.synthetic",
        citation="Lee, Mumford and Huang, IJCV 2001",
        count=24,
        size=(256, 256),
    ),
    "text_page": Generated(
        about="Pages of print in ten languages, to test the deblurring of documents",
        licence="none needed: drawn by vbl.images.synthetic",
        citation="",
        count=24,
        size=(256, 256),
    ),
    "text": Generated(
        about="Other pages of the same kind, to train it",
        licence="none needed: drawn by vbl.images.synthetic",
        citation="",
        count=1000,
        size=(256, 256),
        first=1000,
    ),
    "bsd397": Folder(
        about="Training photographs of BSDS500 that share no picture with a test set here",
        licence=_BSD_TERMS,
        citation=_BSD_PAPERS,
        source="https://github.com/BIDS/BSDS500",
        folders=("train/bsd432",),
        files=397,
        digest="e6670ee70772a7b83006b164d132b60f17dc3556a7f1585cf6d6d6f8ba5c5297",
    ),
    "bsd432": Folder(
        about="The 432 training photographs of VDN and VIRNet; 32 are in BSD100",
        licence=_BSD_TERMS,
        citation=_BSD_PAPERS,
        source="https://github.com/BIDS/BSDS500",
        folders=("train/bsd432", "test/BSD100_extra32", "excluded/bsd432"),
        files=432,
        digest="a21ccfc02a2e7af7eaa208870be9da97185cacef8ebd12cc0a812d656d7ac964",
    ),
    "t91": Folder(
        about="90 of the 91 training pictures of sparse-coding super-resolution",
        licence="research use; terms not stated for the images (repository code: MIT)",
        citation="Yang et al., TIP 2010",
        source="https://github.com/tegg89/SRCNN-Tensorflow",
        folders=("train/T91",),
        files=90,
        digest="60266078d508147b5d6590c7dcd4760aa2fe52b911b485630024dbfd9b246749",
    ),
    "cbsd68": Folder(
        about="68 test photographs of the Berkeley set, in colour",
        licence=_UNSTATED,
        citation="Martin et al., ICCV 2001; Roth and Black, IJCV 2009",
        source="https://github.com/cszn/FFDNet",
        folders=("test/CBSD68",),
        files=68,
        digest="db26dc4d7f2cd4b241e02b5183c3fa2044adf083710e9264482c4c8e0cecbc04",
    ),
    "bsd100": Folder(
        about="100 test photographs of the Berkeley set: CBSD68 and 32 more",
        licence=_BSD_TERMS,
        citation=_BSD_PAPERS,
        source="https://github.com/BIDS/BSDS500",
        folders=("test/CBSD68", "test/BSD100_extra32"),
        files=100,
        digest="f8dea2fea94d81efad12dee245efe186980d22bd83546e192ee1a1eb14eac0bb",
    ),
    "kodak24": Folder(
        about="The Kodak photographs as 500 x 500 centre crops, the size of the denoising papers",
        licence=_UNSTATED,
        citation="Kodak PhotoCD (Franzen, r0k.us)",
        source="https://github.com/cszn/FFDNet",
        folders=("test/Kodak24",),
        files=24,
        digest="bb425c9fa40b310df4d949151ffb4d15f5b853f1e0183b14171e6b7271727a21",
    ),
    "mcmaster18": Folder(
        about="Saturated colour photographs, 500 x 500",
        licence=_UNSTATED,
        citation="Zhang et al., JEI 2011",
        source="https://github.com/cszn/FFDNet",
        folders=("test/McMaster18",),
        files=18,
        digest="26220800fefb49bc6163990fa95ac7fc9c65392c4381061386261b27946e10aa",
    ),
    "set5": Folder(
        about="Five pictures on which super-resolution is traditionally reported",
        licence=_IMAGES_UNSTATED,
        citation="Bevilacqua et al., BMVC 2012",
        source="https://github.com/zsyOAOA/VIRNet",
        folders=("test/Set5",),
        files=5,
        digest="bf1b3836a192e25b9532148aaa6d9dc14545d654d56d68c5fb53d7c365ff7aa2",
    ),
    "set12": Folder(
        about="Twelve classic grey test pictures",
        licence=_UNSTATED,
        citation="Zhang et al., TIP 2017 (DnCNN)",
        source="https://github.com/cszn/FFDNet",
        folders=("test/Set12",),
        files=12,
        digest="597f2d9b1cb358d4c00c205be2decbce29e1206057bce4cd293fcfc9f63eede4",
        never_show=("08",),
    ),
    "set14": Folder(
        about="Fourteen classic test pictures",
        licence=_IMAGES_UNSTATED,
        citation="Zeyde et al., Curves and Surfaces 2010",
        source="https://github.com/zsyOAOA/VIRNet",
        folders=("test/Set14",),
        files=14,
        digest="2fcfe7d471c1cf66b6fe2c4e657db50061dd72430db0a04f7ccc4563e04266d7",
        never_show=("lenna",),
    ),
    "live1": Folder(
        about="The 29 reference pictures of the LIVE quality database",
        licence=_IMAGES_UNSTATED,
        citation="Sheikh et al., LIVE image quality database",
        source="https://github.com/zsyOAOA/VIRNet",
        folders=("test/LIVE1",),
        files=29,
        digest="cc62b77c6853cfc3f80d6182fdfbd282d79d6547d21de4a41a307303744f5d69",
    ),
    "classic5": Folder(
        about="Five grey pictures on which JPEG deblocking is reported",
        licence=_IMAGES_UNSTATED,
        citation="Foi et al., TIP 2007",
        source="https://github.com/zsyOAOA/VIRNet",
        folders=("test/Classic5",),
        files=5,
        digest="7f20cc008d8c3f22f6a9847c29ea520bafb3009fe5a081e60127ea2db6871974",
        never_show=("lena",),
    ),
    "cc15": Folder(
        about="15 crops of real photographs, each with the mean of 500 shots as the truth",
        licence="educational and research purposes only (MCWNNM); terms of Nam et al. not stated",
        citation="Nam et al., CVPR 2016",
        source="https://github.com/csjunxu/MCWNNM-ICCV2017",
        folders=("test/CC15",),
        files=30,
        digest="507a4f1ef7c79c2492d2c8027f920fac25ff53c7cd528b73100bcb17ddf90ce2",
        pairs=_REAL_MEAN,
    ),
    "polyu100": Folder(
        about="100 crops of real photographs with averaged truth, from five cameras",
        licence="non-commercial use only (teaching, research, demonstrations), with the notice",
        citation="Xu et al., arXiv:1804.02603",
        source="https://github.com/csjunxu/PolyU-Real-World-Noisy-Images-Dataset",
        folders=("test/PolyU100",),
        files=200,
        digest="ea2ce6864f123fa4581331e5db944ab65ba92604f886f48448dbd2f60814dfd8",
        pairs=_REAL_MEAN,
    ),
    "sidd_sample": Folder(
        about="One 256 x 256 pair of a smartphone",
        licence=_UNSTATED,
        citation="Abdelhamed et al., CVPR 2018",
        source="https://github.com/zsyOAOA/DANet",
        folders=("test/SIDD_sample",),
        files=2,
        digest="5a043209d422552cb75cecce3c571c3af5cd9f8bbc0901dd6290f4f6462fcfc4",
        pairs=Pairs(degraded=r"(.+)_noisy", clean=r"\1_gt"),
    ),
    "dnd_sample": Folder(
        about="Nine noisy crops of the DND benchmark; their truth is not public",
        licence="images: research use, terms not stated (repository: Apache-2.0)",
        citation="Plötz and Roth, CVPR 2017",
        source="https://github.com/GuoShi28/CBDNet",
        folders=("test/DND_sample",),
        files=9,
        digest="51f35fc2f394a54195505418938d54dd27a23e5c518e347e804ae211fa1ab941",
    ),
    "rni15": Folder(
        about="15 noisy colour photographs without truth",
        licence=_UNSTATED,
        citation="Zhang et al., TIP 2018 (FFDNet)",
        source="https://github.com/cszn/FFDNet",
        folders=("test/RNI15",),
        files=15,
        digest="9bff1d9e1e81de9fe248c97221b937a217207bed6385bfcac7ba1eeec3438313",
    ),
    "rni6": Folder(
        about="Six noisy grey photographs without truth",
        licence=_UNSTATED,
        citation="Zhang et al., TIP 2018 (FFDNet)",
        source="https://github.com/cszn/FFDNet",
        folders=("test/RNI6",),
        files=6,
        digest="5b9e7c4f38e6609ad3174f55c8efd167149e1b5bb20b2769c7cac1d42d4c07fa",
    ),
    "realsrset": Folder(
        about="20 small pictures of the real world, for super-resolution by eye",
        licence="images: research use, terms not stated (repository: Apache-2.0)",
        citation="Zhang et al., ICCV 2021 (BSRGAN)",
        source="https://github.com/cszn/BSRGAN",
        folders=("test/RealSRSet",),
        files=20,
        digest="530d48c5b0b6570023a333f93f7e3a2bede1b16a32d1ec1e5f138147f49c6c3e",
    ),
    "levin09": Folder(
        about="Four pictures under eight measured motion kernels; the truth is not registered",
        licence=_UNSTATED,
        citation="Levin et al., CVPR 2009",
        source="https://github.com/csdwren/SelfDeblur",
        folders=("test/Levin09",),
        files=44,
        digest="764f49d6b2fef9d77ea080a312a3a0dddcc1a421c6f2baca54fd40ad6f6169a8",
        pairs=Pairs(degraded=r"im(\d)_kernel(\d)_img", clean=r"gt/im\1", name=r"im\1_kernel\2"),
    ),
    "gopro_sample6": Folder(
        about="Six pairs of dynamic motion blur from a video camera",
        licence=_UNSTATED,
        citation="Nah et al., CVPR 2017 (origin inferred from the repository)",
        source="https://github.com/dongheehand/DeblurGAN-tf",
        folders=("test/GoPro_sample6",),
        files=12,
        digest="342cfe44adb6ed183f495c948812f445deaeb24ae440ae6d1a2b39973d7ecab0",
        pairs=Pairs(degraded=r"blur_(\d+)", clean=r"sharp_\1"),
    ),
    "realblurry_sample": Folder(
        about="Twelve blurred photographs and pages without truth",
        licence=_UNSTATED,
        citation="collected by cszn/IRCNN (several from Cho and Lee 2009; Pan et al.)",
        source="https://github.com/cszn/IRCNN",
        folders=("test/RealBlurry_sample",),
        files=12,
        digest="2403b366484cd24a582f642f61ae93f06366468b5274ad53d1d66cc752d5ac37",
    ),
}
