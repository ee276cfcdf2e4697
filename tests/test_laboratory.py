"""The laboratory: the page computes what PyTorch computes, and answers every reader."""

import base64
import io
import json
import re
import shutil
import struct
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from page_tools import BUSY, DESK, PHONE, SITE, choose_theme, violations, watched
from picture_files import encoded, png, png16
from PIL import Image
from vbl_laboratory import PARTS as MODELS

from vbl import load
from vbl.cli.main import main
from vbl.images import PHOTOGRAPHS, photo
from vbl.models.page import page_script
from vbl.models.stages import stages
from vbl.models.vdn import VDN, Config
from vbl.restoration import restore

LAB = Path(__file__).parent.parent / "book" / "_ext" / "assets" / "lab"
PAGE = SITE / "laboratory.html"
PARTS = list(MODELS)
RNG = np.random.default_rng(0)
NOISY = RNG.integers(60, 200, (90, 120, 3), dtype=np.uint8)
ENGINE = """([binary, table, weights, given]) => {
  const bytes = text => Uint8Array.from(atob(text), c => c.charCodeAt(0));
  const engine = vblEngine(bytes(binary)), stages = engine.load(table, bytes(weights).buffer);
  const {data} = engine.run(stages.restore, [{...given, data: Float32Array.from(given.data)}]);
  return [...data];
}"""
RUN = """async ([model, stage, pictures]) => {
  await vblLab.load(model);
  const floats = text => new Float32Array(Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer);
  const {h, w, c, data} = await vblLab.run(model, stage,
    ...pictures.map(p => ({...p, data: floats(p.data)})));
  let text = "";
  const bytes = new Uint8Array(data.buffer);
  for (let i = 0; i < bytes.length; i += 8192)
    text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return {h, w, c, data: btoa(text)};
}"""


@pytest.fixture(scope="module")
def opened(browser):
    """The laboratory, opened from disk without a network; nothing may be asked for or fail."""
    if not PAGE.exists():
        pytest.skip("there is no _build/html/laboratory.html: run `make book` first")
    with watched(browser, PAGE, until="domcontentloaded") as (page, requests, errors):
        yield page
        assert not requests
        assert not errors


def part(page, name):
    return page.locator(f".vbl-lab[data-part={name}]")


def status(page, name):
    return part(page, name).get_by_role("status")


def answer(page, name, act):
    """Do something and wait for the answer of a part; return its sentence."""
    page.evaluate(
        "name => { const part = document.querySelector(`.vbl-lab[data-part=${name}]`);"
        "window.answered = new Promise((done, fail) => {"
        "part.addEventListener('lab-answer', () => done(), {once: true});"
        f"setTimeout(() => fail(new Error('no answer')), {BUSY}) }}) }}",
        name,
    )
    act()
    page.evaluate("window.answered")
    return status(page, name).inner_text()


def sample(page, name):
    button = part(page, name).get_by_role("button", name="Try the sample")
    return answer(page, name, button.click)


def packed(image):
    """A tensor (1, C, H, W), (1, C) as a picture of the page."""
    image = image.reshape(*image.shape, *[1] * (4 - image.ndim))[0].float()
    data = image.permute(1, 2, 0).contiguous().numpy().astype("<f4").tobytes()
    c, h, w = image.shape
    return {"h": h, "w": w, "c": c, "data": base64.b64encode(data).decode()}


def run(page, model, stage, *pictures):
    """A stage in the page, as a tensor (1, C, H, W)."""
    found = page.evaluate(RUN, [model, stage, [packed(picture) for picture in pictures]])
    data = np.frombuffer(base64.b64decode(found["data"]), "<f4").copy()
    shape = found["h"], found["w"], found["c"]
    return torch.from_numpy(data).view(1, *shape).permute(0, 3, 1, 2)


def psnr(a, b):
    return -10 * (a - b).square().mean().log10().item()


def noisy(image, level, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return (image + level / 255 * torch.randn(image.shape, generator=generator)).clamp(0, 1)


# The page computes what PyTorch computes


@pytest.mark.parametrize(
    "name, height, width", [(n, 64 + 13 * i, 101 - 9 * i) for i, n in enumerate(PHOTOGRAPHS)][:10]
)
def test_the_page_restores_photographs_as_pytorch_does(opened, name, height, width):
    clean = photo(name).expand(1, 3, -1, -1)
    top, left = (n // 2 for n in clean.shape[-2:])
    clean = clean[..., top - 40 : top - 40 + height, left - 40 : left - 40 + width]
    y = noisy(clean, 25)
    expected = load("virnet-photo").restore(y)
    std = run(opened, "virnet-photo", "infer", y)
    image = run(opened, "virnet-photo", "restore", y, std)
    assert (std - expected.noise_std).abs().max() <= 1 / 255
    assert psnr(image, expected.image) >= 60
    assert psnr(image, clean) >= psnr(expected.image, clean) - 0.02


@pytest.mark.parametrize("name", sorted(set(MODELS.values()) - {"virnet-photo"}))
def test_every_stage_of_every_model_agrees_with_pytorch(opened, name):
    generator = torch.Generator().manual_seed(0)
    y, found = noisy(photo("coffee")[..., 100:196, 200:296], 10), None
    for stage, about in stages(load(name)).items():
        given = []
        for key, shape in about.inputs.items():
            shape = tuple(side * 96 // 256 if side > 30 else side for side in shape)
            if key in ("y", "hidden"):
                given.append(y)
            elif key.startswith("noise"):
                given.append(torch.randn(1, *shape, generator=generator))
            else:
                given.append(torch.ones(1, 1, 1, 1) if key == "temperature" else found)
        with torch.inference_mode():
            expected = about.run(*given).float()
        result = run(opened, name, stage, *given)
        assert psnr(result.flatten(), expected.flatten()) >= 60
        found = expected if stage == "infer" else found


def test_other_networks_run_too(opened):
    """Pooling and concatenation of the authors' U-Net, which no shipped model has."""
    torch.manual_seed(0)
    model = VDN(Config(widths=(8, 12, 16), sigma_width=8)).eval().requires_grad_(False)
    opened.add_script_tag(content=page_script("tiny", model))
    y = noisy(photo("rocket")[..., 100:203, 200:265], 10)
    expected = model.restore(y)
    assert psnr(run(opened, "tiny", "restore", y), expected.image) >= 60
    assert psnr(run(opened, "tiny", "infer", y), expected.noise_std) >= 60


@pytest.mark.skipif(not shutil.which("clang") or not shutil.which("wasm-ld"), reason="no clang")
def test_the_convolutions_that_ship_are_those_of_the_source(opened, tmp_path):
    built = tmp_path / "conv.wasm"
    subprocess.run([LAB / "build.sh", "clang", built], check=True)
    script = page_script("resunet", load("resunet"))
    about, end = json.JSONDecoder().raw_decode(script, script.index("{"))
    weights = script[end:].split("'")[1]
    given = {"h": 20, "w": 24, "c": 3, "data": torch.rand(20 * 24 * 3).tolist()}
    answers = [
        opened.evaluate(ENGINE, [base64.b64encode(p.read_bytes()).decode(), about, weights, given])
        for p in (built, LAB / "conv.wasm")
    ]
    assert np.allclose(*answers, atol=1e-5)


# Sizes, and the rest of the book


def test_the_laboratory_is_small():
    if not PAGE.exists():
        pytest.skip("there is no _build/html/laboratory.html: run `make book` first")
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for path in sorted((SITE / "_static" / "lab").rglob("*")):
            archive.write(path, path.name)
        sizes = {entry.filename: entry.compress_size for entry in archive.infolist()}
    assert sum(sizes.values()) <= 6e6
    assert max(sizes[f"{model}.js"] for model in set(MODELS.values())) <= 1.4e6


def test_chapters_lead_to_their_part_and_load_nothing_of_it():
    chapters = sorted(SITE.glob("0[3-8]-*.html"))
    if not chapters:
        pytest.skip("there are no pages: run `make book` first")
    for chapter in chapters:
        text = chapter.read_text("utf-8")
        assert re.search(r'href="laboratory\.html#[\w-]+"', text), chapter.name
        assert "_static/lab/" not in text


# What a reader does


@pytest.mark.parametrize("name", PARTS)
def test_the_sample_of_every_part_is_answered(opened, name):
    said = sample(opened, name)
    assert re.search(r"pixels in \d+\.\d\d s by " + MODELS[name], said), said
    labels = [
        c.get_attribute("aria-label") for c in part(opened, name).locator("figure canvas").all()
    ]
    assert len(labels) == 2 and all(re.search(r"\d", label) for label in labels)


@pytest.mark.parametrize("name", PARTS)
def test_sliders_of_every_part_answer_to_the_keyboard(opened, name):
    sample(opened, name)
    divider = part(opened, name).locator(".lab-divided input")
    divider.press("ArrowRight")
    assert divider.get_attribute("aria-valuetext") == "51 %"
    if name != "page":
        canvas = part(opened, name).locator("figure canvas").nth(1)
        before = canvas.get_attribute("aria-label")
        slider = part(opened, name).locator(".lab-controls input").first
        said = status(opened, name).inner_text()
        answer(opened, name, lambda: slider.press("PageUp"))
        after = canvas.get_attribute("aria-label")
        assert (after, status(opened, name).inner_text()) != (before, said)


def numbers(text):
    return [float(n) for n in re.findall(r"\d+\.\d", text)]


def test_added_noise_is_found_and_the_restored_picture_is_nearer_to_the_truth(opened):
    said = sample(opened, "noise")
    mean, before, after = numbers(said)[:3]
    assert 22 < mean < 30 and before < 21 and after > 30


def test_noise_is_painted_where_the_brush_is_with_keys_alone(opened):
    sample(opened, "noise")
    canvas = part(opened, "noise").locator(".lab-paint")
    canvas.focus()
    opened.keyboard.press("ArrowRight")
    answer(opened, "noise", lambda: opened.keyboard.press("Space"))
    inside, outside = opened.evaluate(
        "() => { const {result: {std}, crop: {w}} = document.querySelector('.vbl-lab').vblPart;"
        "return [std.data[128 * w + 144], std.data[10 * w + 10]] }"
    )
    assert inside > outside + 3 / 255


def test_a_restorer_that_is_told_too_little_noise_leaves_it(opened):
    sample(opened, "fool")
    told = part(opened, "fool")
    psnr_told = numbers(status(opened, "fool").inner_text())[2]
    answer(opened, "fool", told.get_by_role("button", name="Tell it what it infers").click)
    assert numbers(status(opened, "fool").inner_text())[2] > psnr_told + 3


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_barrier_in_the_used_laboratory(opened, theme):
    for name in PARTS:
        if part(opened, name).locator(".lab-body").is_hidden():
            sample(opened, name)
    choose_theme(opened, theme)
    found = violations(opened)
    choose_theme(opened, "light")
    assert not found


def test_the_used_laboratory_fits_a_phone(opened):
    opened.set_viewport_size(PHONE)
    width = opened.evaluate("document.documentElement.scrollWidth")
    opened.set_viewport_size(DESK)
    assert width <= PHONE["width"]


def test_results_are_saved_as_pictures(opened):
    sample(opened, "noise")
    with opened.expect_download() as download:
        part(opened, "noise").get_by_role("button", name="Save before, restored and map").click()
    with Image.open(download.value.path()) as image:
        assert image.format == "PNG" and image.size == (3 * 256 + 16, 256 + 20)


def give(page, name, filename, content):
    file = {"name": filename, "mimeType": "application/octet-stream", "buffer": content}
    part(page, name).locator("input[type=file]").set_input_files(file)


def test_a_whole_photograph_is_restored_in_tiles_as_at_once(opened):
    image = noisy(photo("coffee")[..., :341, :403], 20).mul(255).round()
    pixels = image[0].permute(1, 2, 0).byte().numpy()
    answer(opened, "noise", lambda: give(opened, "noise", "coffee.png", encoded(pixels, "PNG")))
    part(opened, "noise").get_by_role("button", name="Restore the whole photograph").click()
    button = part(opened, "noise").get_by_role("button", name="Save it")
    with opened.expect_download() as download:
        button.click()
    with Image.open(download.value.path()) as file:
        found = torch.from_numpy(np.array(file.convert("RGB"))).permute(2, 0, 1)[None] / 255
    expected = restore("virnet-photo", image / 255).image
    assert psnr(found, expected.clamp(0, 1)) > 58  # of which 8 bits alone cost all but a little


def test_a_photograph_of_twelve_megapixels_can_be_cancelled(opened):
    small = np.tile(NOISY, (34, 34, 1))[:3000, :4000]
    answer(opened, "noise", lambda: give(opened, "noise", "large.jpg", encoded(small, "JPEG")))
    assert "4000 × 3000" in part(opened, "noise").locator(".lab-chosen").inner_text()
    part(opened, "noise").get_by_role("button", name="Restore the whole photograph").click()
    part(opened, "noise").locator("progress:not([value='0'])").wait_for()
    part(opened, "noise").get_by_role("button", name="Cancel").click()
    status(opened, "noise").get_by_text("Cancelled; nothing was kept.").wait_for()


# Whatever a reader gives it


def rotated():
    exif = Image.Exif()
    exif[274] = 6
    return encoded(NOISY, "JPEG", exif=exif)


def header(kind):
    return struct.pack(">I", 24) + b"ftyp" + kind + bytes(40)


REFUSED = {
    "page.pdf": (b"%PDF-1.7\n", "is a PDF"),
    "nothing.jpg": (b"", "is empty"),
    "dot.png": (encoded(NOISY[:1, :1], "PNG"), "has 1 × 1 pixels"),
    "ribbon.png": (png(20000, 10, 8, 0), "has 20,000 × 10 pixels: the page takes at most"),
    "bomb.png": (png(16000, 16000, 8, 2), "has 16,000 × 16,000 pixels: the page takes at most"),
    "iphone.heic": (header(b"heic"), "is HEIC"),
    "film.mp4": (header(b"isom"), "is a film"),
    "scan.tif": (b"II*\0" + bytes(40), "is a TIFF or a camera's raw file"),
    "drawing.svg": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "is a drawing"),
    "letter.docx": (b"PK\3\4" + bytes(40), "is an archive or a document"),
    "text.jpg": (b"This is no picture at all.", "is damaged, or no picture"),
    "cut.png": (encoded(NOISY, "PNG")[:200], "is damaged, or no picture"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_photograph_is_refused_in_a_sentence(opened, name):
    content, expected = REFUSED[name]
    give(opened, "noise", name, content)
    said = status(opened, "noise").filter(has_text=f"“{name}” {expected}")
    said.wait_for()
    assert said.inner_text().endswith(".")


def cmyk():
    file = io.BytesIO()
    Image.fromarray(NOISY).convert("CMYK").save(file, "JPEG")
    return file.getvalue()


def moving():
    frames = [Image.fromarray(np.roll(NOISY, i, 0)) for i in range(3)]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    return file.getvalue()


TAKEN = {
    "moving.gif": (moving, "120 × 90 pixels. It is animated: this is its first frame."),
    "deep.png": (lambda: png16(np.full((40, 50, 3), 30000, np.uint16)), "the page sees 8"),
    "inks.jpg": (cmyk, "Its four inks were converted"),
    "turned.jpg": (rotated, "90 × 120 pixels"),
    "glass.png": (
        lambda: encoded(np.dstack([NOISY, NOISY[..., 0]]), "PNG"),
        "Its transparent pixels were laid on white.",
    ),
    "grey.png": (lambda: encoded(NOISY[..., 0], "PNG"), "120 × 90 pixels"),
    "avif.avif": (lambda: encoded(NOISY, "AVIF"), "120 × 90 pixels"),
}


@pytest.mark.parametrize("name", TAKEN)
def test_unusual_photographs_are_taken_and_what_is_unusual_is_said(opened, name):
    make, expected = TAKEN[name]
    said = answer(opened, "noise", lambda: give(opened, "noise", name, make()))
    assert " s by " in said
    assert expected in part(opened, "noise").locator(".lab-chosen").inner_text()


def test_a_browser_without_simd_is_told_so(browser):
    if not PAGE.exists():
        pytest.skip("there is no _build/html/laboratory.html: run `make book` first")
    context = browser.new_context(offline=True)
    context.set_default_timeout(BUSY)
    page = context.new_page()
    page.add_init_script("WebAssembly.validate = () => false")
    page.goto(PAGE.as_uri(), wait_until="domcontentloaded")
    part(page, "noise").get_by_role("button", name="Try the sample").click()
    status(page, "noise").get_by_text("This browser has no WebAssembly with SIMD").wait_for()
    context.close()


# vbl export


def test_a_model_is_exported_from_the_command_line(tmp_path, capsys):
    path = tmp_path / "vdn.js"
    assert main(["export", "vdn-denoise", "--page", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}: {path.stat().st_size / 1e6:.2f} MB\n"
    assert path.read_text().startswith('vblLab.add({"name":"vdn-denoise"')


def test_a_network_that_no_page_runs_is_refused_in_a_line(tmp_path, capsys):
    path = tmp_path / "dncnn.js"
    assert main(["export", "dncnn", "--page", str(path)]) == 1
    assert "no page has the operation aten.batch_norm" in capsys.readouterr().err
    assert not path.exists()
