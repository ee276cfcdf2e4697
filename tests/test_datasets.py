"""Opening photographs, sets of the catalogue and folders; and saying clearly why not."""

import dataclasses
import hashlib
import os
import re
from pathlib import Path

import pytest
import torch

from vbl import images
from vbl.images import (
    CATALOG,
    PHOTOGRAPHS,
    DataUnavailable,
    catalog,
    datasets,
    open_dataset,
    open_folder,
    photo,
)
from vbl.images.catalog import DOWNLOADS, Folder, Pairs
from vbl.utils import DATA, UnknownName

needs_data = pytest.mark.skipif(
    not os.environ.get("VBL_DATA"), reason="VBL_DATA is not set: no local image sets here"
)
LOCAL = [name for name, entry in CATALOG.items() if isinstance(entry, Folder)]


def make_folder(path, **pictures):
    """A folder of flat pictures, name -> (grey level, height, width)."""
    path.mkdir(parents=True, exist_ok=True)
    for name, (level, height, width) in pictures.items():
        images.write(path / f"{name}.png", torch.full((1, 3, height, width), level / 255))
    return path


# Embedded and generated ----------------------------------------------------------------------


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_every_embedded_photograph_opens_and_says_whose_it_is(name):
    image = photo(name)
    grey = "(" in PHOTOGRAPHS[name].title or PHOTOGRAPHS[name].title.endswith("(grey)")
    assert image.shape[:2] == (1, 1 if grey else 3)
    assert min(image.shape[-2:]) >= 300
    assert image.std() > 0.01
    assert all(dataclasses.astuple(PHOTOGRAPHS[name]))
    assert PHOTOGRAPHS[name].source.startswith("http")


def test_the_set_of_photographs_is_what_photo_opens():
    embedded = open_dataset("photographs")
    assert embedded.names == tuple(PHOTOGRAPHS)
    assert torch.equal(embedded["china"].image, photo("china"))
    assert embedded["china"].degraded is None


def test_a_package_with_another_file_is_reported(monkeypatch):
    other = dataclasses.replace(PHOTOGRAPHS["china"], sha256="0" * 64)
    monkeypatch.setitem(PHOTOGRAPHS, "china", other)
    with pytest.raises(DataUnavailable, match=r"china\.jpg is not the photograph of the catalogue"):
        photo("china")


def test_a_missing_package_is_reported(monkeypatch):
    other = dataclasses.replace(PHOTOGRAPHS["china"], package="not_a_package")
    monkeypatch.setitem(PHOTOGRAPHS, "china", other)
    with pytest.raises(DataUnavailable, match=r"not_a_package, which ships .* is not installed"):
        photo("china")


@pytest.mark.parametrize("name", ["dead_leaves", "text_page", "text"])
def test_generated_pictures_are_the_same_each_time_and_differ_from_each_other(name):
    pictures = open_dataset(name)
    first = pictures[0]
    assert first.name == pictures.names[0] == f"{name}_{CATALOG[name].first:02d}"
    assert first.image.shape[-2:] == CATALOG[name].size
    assert torch.equal(first.image, pictures[first.name].image)
    assert not torch.equal(first.image, pictures[1].image)


def test_no_page_is_both_for_training_and_for_testing():
    testing, training = (CATALOG[name] for name in ("text_page", "text"))
    assert testing.first + testing.count <= training.first


# The catalogue -------------------------------------------------------------------------------


def test_every_table_of_the_catalogue_is_a_set_or_a_photograph():
    found = catalog.read_catalog(DATA / "images.toml")
    assert sum(map(len, found.values())) == len(CATALOG) + len(PHOTOGRAPHS) + len(DOWNLOADS)
    assert found["embedded"]["photographs"].photographs == found["photograph"]


MANUAL = 'about = "a"\nlicence = "b"\ncitation = "c"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"[manul.here]\n{MANUAL}", r"manul\.here: unknown kind; expected photograph, embedded, "),
        (f"[manual.here]\n{MANUAL}colour = 1", r"manual\.here: unknown key 'colour'; expected ab"),
        ('[manual.here]\nabout = "a"', r"manual\.here: missing key 'licence'"),
        (
            f'[local.a]\n{MANUAL}folders = []\nfiles = 0\ndigest = ""\npairs = {{ noisy = "x" }}',
            r"local\.a\.pairs: unknown key 'noisy'; expected degraded, clean, name",
        ),
        ("[manual", r"Expected ']'"),
    ],
)
def test_a_catalogue_with_a_slip_is_refused_with_the_file_and_the_table(tmp_path, text, message):
    path = tmp_path / "images.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"images\.toml: {message}") as caught:
        catalog.read_catalog(path)
    assert "\n" not in str(caught.value)


def test_every_entry_states_its_terms_and_where_it_comes_from():
    for name, entry in CATALOG.items():
        assert re.fullmatch(r"[a-z0-9_]+", name)
        assert entry.about
        assert entry.licence
        if isinstance(entry, Folder):
            assert entry.citation
            assert entry.source.startswith("https://")
            assert re.fullmatch(r"[0-9a-f]{64}", entry.digest)


def test_the_usual_test_picture_that_is_never_shown_is_marked():
    assert {
        name: entry.never_show
        for name, entry in CATALOG.items()
        if name in LOCAL
        if entry.never_show
    } == {"set12": ("08",), "set14": ("lenna",), "classic5": ("lena",)}
    assert not any("len" in name for name in PHOTOGRAPHS)


@needs_data
@pytest.mark.parametrize("name", LOCAL)
def test_every_local_set_is_the_one_of_the_catalogue(name):
    entry, pictures = CATALOG[name], open_dataset(name)
    assert set(entry.never_show) <= set(pictures.names)
    sample = pictures[0]
    assert sample.image.shape[:2] in ((1, 1), (1, 3))
    assert (sample.degraded is not None) == (entry.pairs is not None)
    if entry.pairs is None:
        assert len(pictures) == entry.files
    elif name != "levin09":  # 4 pictures and 8 kernels make 32 pairs out of 44 files
        assert 2 * len(pictures) == entry.files


@needs_data
def test_the_pairs_show_the_same_scene():
    for name in ("cc15", "sidd_sample", "gopro_sample6", "levin09"):
        for sample in open_dataset(name)[::4]:
            both = torch.stack([sample.image.flatten(), sample.degraded.flatten()])
            assert torch.corrcoef(both)[0, 1] > 0.6, sample.name


@needs_data
def test_training_and_test_pictures_are_kept_apart():
    train, full = set(open_dataset("bsd397").names), set(open_dataset("bsd432").names)
    cbsd68, bsd100 = set(open_dataset("cbsd68").names), set(open_dataset("bsd100").names)
    assert not full & cbsd68
    assert not train & bsd100
    assert len(full & bsd100) == 32
    assert len(full - train) == 35


# Errors of open_dataset and photo --------------------------------------------------------------


def test_unknown_names_suggest_the_closest():
    with pytest.raises(UnknownName, match=r"^unknown data set 'Set-5'; did you mean set5"):
        open_dataset("Set-5")
    with pytest.raises(
        UnknownName, match=r"^unknown photograph 'chelsae'; did you mean chelsea\?$"
    ):
        photo("chelsae")
    with pytest.raises(UnknownName, match=r"^unknown photograph 'xyz'; known: astronaut, chelsea"):
        photo("xyz")
    with pytest.raises(
        UnknownName, match="unknown picture of photographs 'chna'; did you mean china"
    ):
        open_dataset("photographs")["chna"]


@pytest.mark.parametrize("name", [None, 3, ["set5"], Path("set5")])
def test_names_of_another_type_are_unknown_too(name):
    with pytest.raises(UnknownName, match="unknown data set"):
        open_dataset(name)
    with pytest.raises(UnknownName, match="unknown photograph"):
        photo(name)


def test_without_vbl_data_the_message_says_what_to_set(monkeypatch):
    monkeypatch.delenv("VBL_DATA", raising=False)
    with pytest.raises(DataUnavailable, match="set5 needs the environment variable VBL_DATA") as e:
        open_dataset("set5")
    assert "\n" not in str(e.value)


def test_a_missing_data_folder_or_set_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("VBL_DATA", str(tmp_path / "absent"))
    with pytest.raises(DataUnavailable, match=r"set5: the data folder .*absent does not exist"):
        open_dataset("set5")
    monkeypatch.setenv("VBL_DATA", str(tmp_path))
    with pytest.raises(
        DataUnavailable, match=r"Set5 does not exist; .*https://github\.com/zsyOAOA"
    ):
        open_dataset("set5")


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A catalogue with one set of pairs below ``tmp_path``."""
    folder = make_folder(tmp_path / "tiny", a_real=(10, 4, 5), a_mean=(20, 4, 5))
    digest = datasets.digest(tmp_path, sorted(folder.iterdir()))
    entry = Folder(
        about="",
        licence="",
        citation="",
        source="",
        folders=("tiny",),
        files=2,
        digest=digest,
        pairs=Pairs(degraded=r"(.+)_real", clean=r"\1_mean"),
    )
    monkeypatch.setitem(CATALOG, "tiny", entry)
    monkeypatch.setenv("VBL_DATA", str(tmp_path))
    return tmp_path


def test_a_set_of_pairs_gives_the_clean_and_the_degraded_picture(tiny):
    pictures = open_dataset("tiny")
    (sample,) = pictures
    assert pictures.names == ("a",)
    assert torch.allclose(sample.image, torch.tensor(20 / 255))
    assert torch.allclose(sample.degraded, torch.tensor(10 / 255))


def test_a_set_with_other_bytes_is_refused(tiny):
    images.write(tiny / "tiny" / "a_real.png", torch.zeros(1, 3, 4, 5))
    with pytest.raises(DataUnavailable, match="tiny is not the set of the catalogue: 2 pictures"):
        open_dataset("tiny")


def test_the_digest_is_the_one_of_the_sha256sum_tool(tiny):

    names = ("tiny/a_mean.png", "tiny/a_real.png")
    lines = [f"{hashlib.sha256((tiny / n).read_bytes()).hexdigest()}  {n}\n" for n in names]
    assert CATALOG["tiny"].digest == hashlib.sha256("".join(lines).encode()).hexdigest()


# Folders ---------------------------------------------------------------------------------------


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path):
    make_folder(tmp_path, b=(2, 4, 4), a=(1, 4, 4), c=(3, 4, 4))
    (tmp_path / "notes.txt").write_text("not a picture")
    (tmp_path / ".hidden.png").write_text("not a picture")
    (tmp_path / "inside").mkdir()
    with pytest.warns(UserWarning, match="left out what is no picture by its name: 1 x .txt$"):
        pictures = open_folder(str(tmp_path))
    assert pictures.names == ("a", "b", "c")
    assert len(pictures) == 3
    assert [round(255 * sample.image.max().item()) for sample in pictures] == [1, 2, 3]
    assert pictures[-1].name == pictures["c"].name == "c"
    assert pictures[1:].names == ("b", "c")
    assert repr(pictures) == f"ImageSet({tmp_path.name!r}, 3 pictures)"
    with pytest.raises(IndexError):
        pictures[3]


def test_a_name_is_looked_up_without_reading_a_file(tmp_path):
    (tmp_path / "a.png").write_bytes(b"not a picture")
    pictures = open_folder(tmp_path)
    assert "a" in pictures
    assert "b" not in pictures
    assert 0 not in pictures


def test_samples_are_compared_by_identity(tmp_path):
    pictures = open_folder(make_folder(tmp_path, a=(1, 4, 4)))
    sample = pictures[0]
    assert sample != pictures[0]
    assert {sample, pictures[0], sample} > {sample}


def test_noisy_and_clean_pictures_are_paired(tmp_path):
    make_folder(tmp_path, x_noisy=(9, 4, 4), x_clean=(5, 4, 4), y_noisy=(8, 4, 4))
    images.write(tmp_path / "y_clean.jpg", torch.zeros(1, 3, 4, 4))
    pictures = open_folder(tmp_path)
    assert pictures.names == ("x", "y")
    assert pictures["x"].degraded.max() > pictures["x"].image.max()


def test_another_naming_of_pairs_can_be_given(tmp_path):
    make_folder(tmp_path, blur_1=(9, 4, 4), sharp_1=(5, 4, 4))
    pairs = Pairs(degraded=r"blur_(\d+)", clean=r"sharp_\1")
    assert open_folder(tmp_path, pairs=pairs)["1"].degraded is not None


@pytest.mark.parametrize(
    ("pictures", "message"),
    [
        ({}, r"holds no picture \(\.png, \.jpg"),
        ({"a_noisy": (1, 4, 4), "b": (1, 4, 4)}, r"a_noisy\.png has no partner a_clean"),
        (
            {"a_noisy": (1, 4, 4), "a_clean": (1, 4, 4), "b": (1, 4, 4)},
            r"b\.png belongs to no pair",
        ),
    ],
)
def test_a_folder_that_makes_no_sense_is_refused(tmp_path, pictures, message):
    make_folder(tmp_path, **pictures)
    with pytest.raises(ValueError, match=message):
        open_folder(tmp_path)


def test_two_pictures_of_one_name_are_refused(tmp_path):
    make_folder(tmp_path, a=(1, 4, 4))
    images.write(tmp_path / "a.jpg", torch.zeros(1, 3, 4, 4))
    with pytest.raises(ValueError, match=r"holds two pictures called a$"):
        open_folder(tmp_path)


def test_a_path_that_is_no_folder_is_refused(tmp_path):
    with pytest.raises(NotADirectoryError, match="absent is not a folder"):
        open_folder(tmp_path / "absent")
    with pytest.raises(TypeError, match="path must be a string or a Path, got int"):
        open_folder(3)


def test_a_corrupt_picture_in_a_set_is_named(tmp_path):
    make_folder(tmp_path, a=(1, 4, 4))
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:40])
    pictures = open_folder(tmp_path)
    assert pictures[0].name == "a"
    with pytest.raises(images.UnreadableImage, match=r"cannot read .*b\.png: "):
        pictures[1]


def test_a_pair_of_two_sizes_is_refused(tmp_path):
    make_folder(tmp_path, a_noisy=(1, 4, 5), a_clean=(1, 4, 6))
    with pytest.raises(
        ValueError, match=r"a_noisy\.png and a_clean\.png are no pair: .*\(3, 4, 5\)"
    ):
        open_folder(tmp_path)[0]


# Crops -----------------------------------------------------------------------------------------
