"""The library on a GPU: devices, generators, handing back, waits.

On a machine without one it is pretended (`pretended_gpu`); then faults and waits are tested, too.
"""

from pathlib import Path

import gpu_cases
import pytest
from pretended_gpu import why_not
from vbl_tables import TRAINED as TRAINED_IN_CHAPTERS

from vbl.degradations import DEGRADATIONS
from vbl.models.checkpoints import index
from vbl.recipes import RECIPES

cannot = None if gpu_cases.REAL else why_not()
pytestmark = pytest.mark.skipif(cannot is not None, reason=cannot or "")
pretended = pytest.mark.skipif(gpu_cases.REAL, reason="only a pretended GPU refuses and counts")

TRAINED = (*RECIPES, gpu_cases.PAIRS_RECIPE)
CHAPTERS = sorted((Path(__file__).parents[1] / "book").glob("*.ipynb"))


@pytest.fixture(scope="module")
def gpu():
    """Calls cases where a GPU may be pretended."""
    process = gpu_cases.GpuProcess()
    yield process
    process.close()


@pretended
@pytest.mark.parametrize("fault", gpu_cases.LINES)
def test_what_is_an_error_on_a_gpu_is_refused(gpu, fault):
    with pytest.raises((RuntimeError, TypeError)):
        gpu(gpu_cases.refuses, fault)


@pretended
def test_waits_of_the_host_are_counted(gpu):
    assert gpu(gpu_cases.waits_of_lines) == [0, 1, 0, 1, 1, 0, 1, 1, 0]


@pretended
def test_the_host_does_not_wait_for_a_batch_in_pinned_memory(gpu):
    assert gpu(gpu_cases.waits_of_copies) == [7, 0]


# Where the host waits in a training step: the norms of the gradients are read, one number for each
# objective; JPEG is done on the CPU.
WAITS = {
    "resunet": 1, "vdn-denoise": 1, "virnet-denoise": 1, "virnet-denoise-real": 1,
    "virnet-sr-x4": 1, "virnet-sr-x4-learned-width": 1, "vdir-denoise": 1, "vdir-sr-x2": 1,
    "vdir-real": 1, "vdir-jpeg": 4, "lud-vae-correlated": 1, "lud-vae-real": 1, "lud-vae-small": 1,
    "vbdeblur-text": 1, "vbdeblur-natural": 1,
}  # fmt: skip


@pretended
@pytest.mark.parametrize("name", WAITS)
def test_the_host_waits_in_a_step_for_the_norms_alone(gpu, name):
    counts = gpu(gpu_cases.costs, name)
    assert sum(counts.waits.values()) <= WAITS[name], counts.waits
    assert sum(counts.launches.values()) < 900


@pretended
@pytest.mark.parametrize("fault", gpu_cases.FAULTS)
def test_a_forgotten_device_is_found_in_training(gpu, fault):
    with pytest.raises(RuntimeError, match=r"device|layout"):
        gpu(gpu_cases.finds, fault)


@pytest.mark.parametrize("name", TRAINED)
def test_every_recipe_trains_as_on_a_cpu(gpu, name):
    gpu(gpu_cases.trains, name, "quick")


@pytest.mark.minutes
@pytest.mark.parametrize("name", [n for n in RECIPES if "paper" in RECIPES[n].presets])
def test_every_network_of_a_paper_trains_in_bfloat16(gpu, name):
    gpu(gpu_cases.trains, name, "paper", True)


@pytest.mark.minutes
@pytest.mark.parametrize("name", [n for n in RECIPES if "gpu" in RECIPES[n].presets])
def test_every_network_for_a_gpu_trains(gpu, name):
    gpu(gpu_cases.trains, name, "gpu")


@pytest.mark.minutes
@pytest.mark.parametrize("name", TRAINED_IN_CHAPTERS.values())
def test_a_chapter_trains_and_its_network_can_be_loaded(gpu, name):
    gpu(gpu_cases.trains_here, name)


@pytest.mark.parametrize("first, then", [("cpu", "cuda"), ("cuda", "cpu")])
def test_each_fit_computes_where_it_was_asked_to(gpu, first, then):
    gpu(gpu_cases.is_obeyed, first, then)


@pytest.mark.parametrize("name", index())
def test_every_checkpoint_restores_as_on_a_cpu(gpu, name):
    gpu(gpu_cases.restores, name)


@pytest.mark.parametrize("call", ["restore", "evaluate"])
def test_a_model_stays_where_it_was(gpu, call):
    gpu(gpu_cases.stays, call)


@pytest.mark.parametrize("name", [*DEGRADATIONS, *gpu_cases.OTHERS])
def test_every_degradation_stays_on_the_device(gpu, name):
    gpu(gpu_cases.degrades, name)


@pytest.mark.parametrize("method, options", gpu_cases.EVALUATIONS)
def test_every_method_is_evaluated(gpu, method, options):
    gpu(gpu_cases.evaluates, method, options)


@pytest.mark.minutes
@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_every_cell_of_a_chapter_runs(gpu, chapter):
    gpu(gpu_cases.runs_cells, chapter)
