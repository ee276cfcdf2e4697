"""Batches: a pure function of (seed, i), uniform, whole; sets with a few bad files."""

import pytest
import tiny_runs
import torch

from vbl.degradations import Degraded, awgn, blind_sr, jpeg
from vbl.images import ImageSet, Sample, UnreadableImage, open_folder, pack, random_crops
from vbl.images.datasets import readable
from vbl.training.batches import Batches, concatenate
from vbl.utils import seeded


@pytest.fixture(scope="module")
def pixels(tmp_path_factory):
    return pack(open_folder(tiny_runs.pictures(tmp_path_factory.mktemp("set") / "pictures")))


def one_picture(image):
    return ImageSet("one", {"a": lambda: Sample("a", image)})


def test_batch_i_depends_on_seed_and_i_alone(pixels):
    def batches(seed):
        return Batches(pixels, awgn, size=8, batch=4, seed=seed)

    forwards = [batches(0)[i].y for i in range(4)]
    backwards = [batches(0)[i].y for i in reversed(range(4))][::-1]
    assert all(torch.equal(a, b) for a, b in zip(forwards, backwards, strict=True))
    assert not torch.equal(forwards[0], forwards[1])
    assert not torch.equal(forwards[0], batches(1)[0].y)


def test_the_values_of_a_first_batch_are_checked(pixels):
    batches = Batches(pixels, lambda x, **kw: awgn(3 * x, **kw), size=8, batch=4, seed=0)
    for i in (0, 7):  # it has to be drawn whole before others are trusted
        with pytest.raises(ValueError, match=r"expected images in \[0, 1\]"):
            batches[i]


def test_shards_together_are_the_whole_batch(pixels):
    def shards(mine):
        return Batches(pixels, awgn, size=8, batch=6, seed=0, shards=3, mine=mine)[5]

    whole = shards(None)
    parts = [shards([i]) for i in range(3)]
    assert torch.equal(torch.cat([part.y for part in parts]), whole.y)
    assert torch.equal(torch.cat([part.noise_var for part in parts]), whole.noise_var)
    assert len(whole.y) == 6 and not torch.equal(parts[0].y, parts[1].y)
    with pytest.raises(ValueError, match="multiple of 4 shards, got 6"):
        Batches(pixels, awgn, size=8, batch=6, seed=0, shards=4)


def test_a_crop_is_one_of_eight_views_of_a_place_in_the_picture():
    picture = torch.arange(3 * 7 * 9, dtype=torch.float32).view(1, 3, 7, 9) / 255
    crops = random_crops(pack(one_picture(picture)), 4, 400, generator=seeded("cpu", 0))
    views = {}
    for top in range(4):
        for left in range(6):
            place = picture[0, :, top : top + 4, left : left + 4]
            for turns in range(4):
                turned = place.rot90(turns, (1, 2))
                views[tuple(turned.flatten().tolist())] = (top, left, turns, False)
                views[tuple(turned.flip(2).flatten().tolist())] = (top, left, turns, True)
    assert len(views) == 4 * 6 * 8
    seen = [views[tuple(crop.flatten().tolist())] for crop in crops]  # KeyError: no such view
    assert len(set(seen)) > 150  # of 192: coverage, not one corner
    for part in zip(*seen, strict=True):
        assert len(set(part)) in (2, 4, 6)


def test_pictures_of_different_sizes_do_not_bleed_into_each_other():
    values = {"a": 0.2, "b": 0.4, "c": 0.6}
    sizes = {"a": (5, 9), "b": (12, 6), "c": (5, 5)}
    load = {n: lambda n=n: Sample(n, torch.full((1, 3, *sizes[n]), values[n])) for n in values}
    crops = random_crops(pack(ImageSet("s", load)), 5, 300, generator=seeded("cpu", 1))
    assert (crops.amax((1, 2, 3)) == crops.amin((1, 2, 3))).all()
    shares = [(crops[:, 0, 0, 0] * 255).round().eq(v * 255).float().mean() for v in values.values()]
    assert all(abs(share - 1 / 3) < 0.1 for share in shares)


def test_a_mapped_file_gives_the_same_crops(pixels, tmp_path):
    folder = tiny_runs.pictures(tmp_path / "pictures")
    mapped = pack(open_folder(folder), path=tmp_path / "pixels.bin")
    a, b = (random_crops(p, 8, 5, generator=seeded("cpu", 2)) for p in (pixels, mapped))
    assert torch.equal(a, b)
    assert (tmp_path / "pixels.bin").stat().st_size == 6 * 24 * 32 * 3


def test_a_mapped_file_is_whole_or_absent(tmp_path):
    small = ImageSet("s", {
        "a": lambda: Sample("a", torch.zeros(1, 3, 9, 9)),
        "b": lambda: Sample("b", torch.zeros(1, 3, 5, 9)),
    })  # fmt: skip
    with pytest.raises(ValueError, match="b is 5 x 9, smaller than a crop of 8 x 8"):
        pack(small, 8, tmp_path / "pixels.bin")
    assert list(tmp_path.iterdir()) == []


def test_grey_and_colour_do_not_mix_and_nothing_is_no_set():
    mixed = ImageSet("s", {
        "a": lambda: Sample("a", torch.zeros(1, 3, 9, 9)),
        "b": lambda: Sample("b", torch.zeros(1, 1, 9, 9)),
    })  # fmt: skip
    with pytest.raises(ValueError, match="b: cannot mix grey and colour"):
        pack(mixed)
    with pytest.raises(ValueError, match="at least one picture"):
        pack(ImageSet("s", {}))


def with_bad_files(count, bad):
    def load(i):
        if i < bad:
            raise UnreadableImage(f"{i}.png", "truncated")
        return Sample(str(i), torch.zeros(1, 3, 4, 4))

    return ImageSet("s", {str(i): lambda i=i: load(i) for i in range(count)})


def test_a_few_bad_files_are_named_and_passed_over():
    with pytest.warns(UserWarning, match=r"left out \(1 of 201\): cannot read 0\.png"):
        assert len(list(readable(with_bad_files(201, 1)))) == 200
    with pytest.warns(UserWarning), pytest.raises(UnreadableImage, match=r"2\.png"):
        list(readable(with_bad_files(201, 3)))
    with pytest.raises(UnreadableImage, match=r"0\.png"):
        list(readable(with_bad_files(20, 1)))


@pytest.mark.parametrize(
    "degrade",
    [awgn, jpeg, lambda x, generator: blind_sr(x, 2, generator=generator)],
    ids=["awgn", "jpeg", "blind_sr"],
)
def test_every_field_survives_concatenation(degrade):
    parts = [degrade(torch.rand(2, 3, 8, 8), generator=seeded("cpu", i)) for i in range(2)]
    whole = concatenate(parts)
    for name, value in vars(parts[1]).items():
        joined = getattr(whole, name)
        if isinstance(value, torch.Tensor):
            assert torch.equal(joined[2:], value)
        elif isinstance(value, dict):
            assert all(torch.equal(joined[k][2:], v) for k, v in value.items())
        else:
            assert joined == value
    assert isinstance(whole, Degraded)


def test_seeds_of_different_parts_are_different():
    draws = {
        tuple(torch.rand(3, generator=seeded("cpu", *p)).tolist())
        for p in ((1, 2), (12,), (1, 2, 0))
    }
    assert len(draws) == 3
