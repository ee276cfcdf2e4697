"""``{laboratory} PART``: a part of the laboratory, which runs models in the reader's browser.

Scripts in ``assets/lab`` make the part, on the pages that have one. What they need more is written
here as scripts, because a page that is opened from disk may load nothing else: the compiled
convolutions, the models by `vbl.models.page`, and sample pictures.
"""

import base64
import io
from pathlib import Path

import torch
from docutils import nodes
from PIL import Image
from sphinx.util.docutils import SphinxDirective

from vbl import load
from vbl.degradations import printed
from vbl.degradations.blur import blur
from vbl.degradations.kernels import gaussian_kernel
from vbl.degradations.operators import bicubic_downsample
from vbl.images import photo, text_page
from vbl.models.page import page_script

PARTS = {  # part -> the model that it runs
    "noise": "virnet-photo",
    "fool": "virnet-denoise",
    "blur": "virnet-sr-x2",
    "code": "vdir-denoise",
    "grain": "lud-vae-real",
    "page": "vbdeblur-text",
}
SCRIPTS = ("engine", "workers", "picture", "view", "part", "parts")
WAITING = "This part needs scripts, which this program does not run: open the page in a browser."


def small_astronaut():
    """Return a photograph, blurred by a Gaussian of widths 2 and 1 pixels and half as large."""
    widths = (torch.tensor([v]) for v in (4.0, 1.0, 0.5))
    blurred = blur(photo("astronaut")[..., :320, 64:384], gaussian_kernel(*widths, 21), "symmetric")
    return bicubic_downsample(blurred, 2)


def shaken_page():
    """Return a printed page that was shaken."""
    generator = torch.Generator().manual_seed(3)
    page = text_page((320, 384), type_size=(14, 20), generator=generator)
    return printed(page, std=2.55 / 255, generator=generator).y


SAMPLES = {
    "chelsea": lambda: photo("chelsea"),
    "astronaut": small_astronaut,
    "coffee": lambda: photo("coffee")[..., 60:360, 120:520],
    "page": shaken_page,
}


class LaboratoryDirective(SphinxDirective):
    """``{laboratory}``."""

    required_arguments = 1

    def run(self):
        """Return the place where the scripts make the part."""
        (part,) = self.arguments
        if part not in PARTS:
            raise self.error(f"laboratory: expected one of {', '.join(PARTS)}, got {part!r}")
        box = f'<div class="vbl-lab" data-part="{part}"><p>{WAITING}</p></div>'
        return [nodes.container("", nodes.raw("", box, format="html"), classes=["vbl-laboratory"])]


def add_assets(app, pagename, templatename, context, doctree):
    """Load the laboratory's scripts on pages that have a part."""
    found = doctree.findall(nodes.container) if doctree is not None else ()
    if any("vbl-laboratory" in node["classes"] for node in found):
        app.add_css_file("lab/lab.css")
        for name in SCRIPTS:
            app.add_js_file(f"lab/{name}.js", loading_method="defer")


def encoded(raw):
    """Return bytes as text."""
    return base64.b64encode(raw).decode()


def picture_address(image):
    """Return an image (1, C, H, W) in [0, 1] as the address of a lossless WebP."""
    pixels = (255 * image[0].clamp(0, 1)).round().byte().expand(3, -1, -1).permute(1, 2, 0)
    file = io.BytesIO()
    Image.fromarray(pixels.numpy()).save(file, "webp", lossless=True)
    return f"data:image/webp;base64,{encoded(file.getvalue())}"


def write_scripts(static):
    """Write what the laboratory loads when it is used, unless it is there.

    Args:
        static: The folder with the scripts of ``assets``.
    """
    folder = static / "lab"
    made = {
        "kernel.js": lambda: f"vblLab.kernel('{encoded((folder / 'conv.wasm').read_bytes())}');\n"
    }
    for name in set(PARTS.values()):
        made[f"models/{name}.js"] = lambda name=name: page_script(name, load(name))
    for name, draw in SAMPLES.items():
        made[f"samples/{name}.js"] = lambda name=name, draw=draw: (
            f"vblLab.sample('{name}', '{picture_address(draw())}');\n"
        )
    for name, make in made.items():
        path = folder / name
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            path.write_text(make(), "utf-8")


def finish(app, exception):
    """Write the scripts beside finished pages."""
    if exception is None and app.builder.format == "html" and app.builder.name == "html":
        write_scripts(Path(app.outdir) / "_static")


def setup(app):
    """Register the directive."""
    app.add_directive("laboratory", LaboratoryDirective)
    app.connect("html-page-context", add_assets)
    app.connect("build-finished", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
