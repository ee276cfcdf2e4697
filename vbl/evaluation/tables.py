"""The tables: our rows, the data sets and cases, the protocol."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Column:
    """A column for each metric.

    Attributes:
        dataset: The paper's name of the data set.
        case: The paper's name of the case.
        ours: The set of the catalogue.
        options: Options of `vbl.evaluation.evaluate`.
    """

    dataset: str
    case: str
    ours: str
    options: Mapping[str, Any]


@dataclass(frozen=True)
class Table:
    """A table of a paper with our rows, or a table of our rows alone.

    Attributes:
        paper: Name of the file in data/papers, without suffix; None if all rows are ours.
        protocol: A key of `vbl.evaluation.PROTOCOLS`.
        models: Our rows; for each the method of the paper that it reproduces, or None.
        columns: Our columns; those that the paper does not have are empty in its rows.
        about: What a table of our rows alone measures.
    """

    paper: str | None
    protocol: str
    models: Mapping[str, str | None]
    columns: tuple[Column, ...]
    about: str = ""


def _columns(sets: Mapping[str, str], cases: Mapping[str, Mapping[str, Any]]) -> tuple[Column, ...]:
    return tuple(
        Column(dataset, case, ours, options)
        for dataset, ours in sets.items()
        for case, options in cases.items()
    )


_CASES = {f"Case {case}": {"case": case} for case in (1, 2, 3)}
_LEVELS = {f"sigma={sigma}": {"sigma": sigma} for sigma in (15, 25, 50)}
_NOISES = (0, 2.55, 7.65)
_BLURRED = {f"x4 noise={s:g}": {"scale": 4, "kernel": "all", "sigma": s} for s in _NOISES}
_BLURRED_X2 = {f"x2 noise={s:g}": {"scale": 2, "kernel": "all", "sigma": s} for s in _NOISES}
_ANISOTROPIC = {f"kernel {k}": {"scale": 4, "kernel": k, "sigma": 2.55} for k in (3, 4, 5, 6)}
_WHITE = {f"sigma={sigma}": {"sigma": sigma} for sigma in (10, 30, 50, 70)}
_SHARP_X2 = {f"x2 {name}": {"scale": 2, "kernel": k} for k, name in enumerate(("g2.0", "gani"))}
_SHARP_X4 = {"x4 g2.0": {"scale": 4, "kernel": 0}}
_QUALITIES = {f"QF={quality}": {"quality": quality} for quality in (10, 20, 30, 40, 70, 80)}
_QUALITIES_RGB = {f"QF={quality}": {"quality": quality} for quality in range(10, 90, 10)}
_SHARP_SETS = {"Set5": "set5", "BSD100": "bsd100"}
_TRAINED = {"resunet": None, "vdn-denoise": None, "virnet-denoise": "VIRNet"}
_TRUE_MAP = {"virnet-denoise-true-map": None}
_FED = ("least-squares+mean-kernel", "least-squares+virnet-sr-x4", "least-squares")
_TOLD = {"ffdnet": "FFDNet_GT", "ffdnet+virnet-denoise": "FFDNet_VIR"}

TABLES: dict[str, Table] = {
    "virnet-table-1": Table(
        paper="virnet_table1",
        protocol="virnet-table-1",
        models={"nlm": "NLM", "ffdnet": "FFDNet*", "dncnn": "DnCNN", **_TRAINED, **_TRUE_MAP},
        columns=_columns({"CBSD68": "cbsd68", "McMaster": "mcmaster18"}, _CASES),
    ),
    "virnet-table-2": Table(
        paper="virnet_table2",
        protocol="virnet-table-2",
        models={"ffdnet": "FFDNet*", "dncnn": "DnCNN", **_TRAINED},
        columns=_columns(
            {"CBSD68": "cbsd68", "McMaster": "mcmaster18", "Kodak24": "kodak24"}, _LEVELS
        ),
    ),
    "virnet-table-7": Table(
        paper="virnet_table7",
        protocol="virnet-table-2",
        models=_TOLD,
        columns=_columns({"CBSD68": "cbsd68"}, _LEVELS),
    ),
    "virnet-table-8": Table(
        paper="virnet_table8",
        protocol="virnet-table-1",
        models=_TOLD,
        columns=_columns({"CBSD68": "cbsd68"}, _CASES),
    ),
    "virnet-table-5": Table(
        paper="virnet_table5",
        protocol="virnet-table-5",
        models={"bicubic": "Bicubic", "virnet-sr-x4": "VIRNet"},
        columns=_columns({"Set14": "set14", "CBSD68": "cbsd68", "Set5": "set5"}, _BLURRED),
    ),
    "virnet-table-5-direct": Table(
        paper=None,
        about="Blurred and reduced by 4, by direct sampling",
        protocol="virnet-table-5-direct",
        models=dict.fromkeys(("bicubic", "bicubic-aligned")),
        columns=_columns({"Set14": "set14", "CBSD68": "cbsd68", "Set5": "set5"}, _BLURRED),
    ),
    "virnet-x2": Table(
        paper=None,
        about="Blurred and reduced by 2",
        protocol="virnet-table-5",
        models=dict.fromkeys(("bicubic", "virnet-sr-x2")),
        columns=_columns({"Set14": "set14", "CBSD68": "cbsd68", "Set5": "set5"}, _BLURRED_X2),
    ),
    "virnet-table-9": Table(
        paper=None,
        about="Anisotropic blurs, reduced by 4",
        protocol="virnet-table-5",
        models=dict.fromkeys(("mean-kernel", "virnet-sr-x4")),
        columns=_columns({"Set14": "set14", "CBSD68": "cbsd68"}, _ANISOTROPIC),
    ),
    "virnet-table-10": Table(
        paper=None,
        about="Kernels and what is made with them, reduced by 4",
        protocol="virnet-table-5",
        models=dict.fromkeys(("virnet-sr-x4", *_FED)),
        columns=_columns({"Set14": "set14"}, _ANISOTROPIC),
    ),
    "vdir-table-1": Table(
        paper="vdir_table1",
        protocol="vdir-table-1",
        models={
            "ffdnet": "FFDNet",
            "vdn-denoise": "VDN",
            "vdir-denoise": "VDIR",
            "resunet": None,
            "virnet-denoise": None,
        },
        columns=_columns({"CBSD68": "cbsd68", "Kodak24": "kodak24"}, _WHITE),
    ),
    "vdir-table-4": Table(
        paper="vdir_table4",
        protocol="vdir-table-4",
        models={
            "bicubic": "Bicubic",
            "bicubic-aligned": None,
            "virnet-sr-x2": None,
            "vdir-sr-x2": "VDIR",
        },
        columns=_columns(_SHARP_SETS, _SHARP_X2),
    ),
    "vdir-table-5": Table(
        paper="vdir_table5",
        protocol="vdir-table-4",
        models={
            "bicubic": "Bicubic",
            "bicubic-aligned": None,
            "virnet-sr-x4": None,
            "vdir-sr-x4": "VDIR",
        },
        columns=_columns(_SHARP_SETS, _SHARP_X4),
    ),
    "vdir-table-6": Table(
        paper="vdir_table6",
        protocol="vdir-table-6",
        models={"input": "JPEG", "vdir-jpeg": "VDIR"},
        columns=_columns({"Classic5": "classic5", "LIVE1": "live1"}, _QUALITIES),
    ),
    "vdir-table-7": Table(
        paper="vdir_table7",
        protocol="vdir-table-7",
        models={"input": "JPEG", "vdir-jpeg-rgb": "VDIR"},
        columns=_columns({"LIVE1": "live1"}, _QUALITIES_RGB),
    ),
    "vbdeblur-pages": Table(
        paper=None,
        about="Pages of print, shaken or out of focus",
        protocol="printed",
        models=dict.fromkeys(("input", "vbdeblur-text-mse", "vbdeblur-text")),
        columns=(Column("Text", "24 pages", "text_page", {}),),
    ),
    "vbdeblur-photographs": Table(
        paper=None,
        about="Photographs, shaken or out of focus",
        protocol="shaken",
        models=dict.fromkeys(("input", "vbdeblur-natural")),
        columns=(Column("CBSD68", "shaken", "cbsd68", {}),),
    ),
    "real-noise": Table(
        paper=None,
        about="Photographs with the noise of their cameras",
        protocol="pairs",
        models=dict.fromkeys(
            (
                "input",
                "resunet",
                "vdn-denoise",
                "virnet-denoise",
                "virnet-denoise-real",
                "vdir-real",
            )
        ),
        columns=(
            Column("CC", "15 crops", "cc15", {}),
            Column("PolyU", "100 crops", "polyu100", {}),
        ),
    ),
}
