"""Shapes and dtypes of the annotations are checked in every test; the browser of page tests."""

import importlib
import shutil

import pytest
import torch
from jaxtyping import install_import_hook

# An int may stand where a float is expected, as PEP 484 has it.
install_import_hook("vbl", "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))")

# Tests compute little; on a busy machine, threads that wait for each other take ten times as long.
torch.set_num_threads(1)


@pytest.fixture(scope="module")
def float32():
    """Restoration in float32, as on a machine where bfloat16 is not faster."""
    module = importlib.import_module("vbl.restoration.restore")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "bf16_pays", lambda _: False)
        yield


@pytest.fixture(scope="module")
def browser():
    """Debian's Chromium, started for each file: Playwright's event loop is in others' way."""
    programs = [shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")]
    if not any(programs):
        pytest.skip("no Chromium on this machine: the pages were not opened in a browser")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        program = next(filter(None, programs))
        chromium = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield chromium
        chromium.close()
