"""Shapes and dtypes of the annotations are checked in every test."""

import importlib

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
