"""Errors on the command line: one line that says why, an exit code, nothing half-written."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import tiny_runs
import torch
from marks import POSIX
from tiny_runs import TINY

import vbl
from vbl import recipes
from vbl.cli.main import main

LINE = "train tiny --preset quick --data pictures --folder run"


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """An empty folder to work in, and a recipe that takes a second."""
    monkeypatch.setitem(recipes.RECIPES, "tiny", TINY)
    monkeypatch.setenv("VBL_STATIC", "1")
    monkeypatch.delenv("VBL_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def complaint(line: str, capsys, code: int = 1) -> str:
    """The one line that running `line` leaves on stderr."""
    assert main(shlex.split(line)) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("vbl: error: ")
    assert len(captured.err.splitlines()) == 1
    return captured.err.removeprefix("vbl: error: ").strip()


def files(folder) -> dict:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("train tiny --preset quik", "unknown preset of tiny 'quik'; did you mean quick?"),
        ("train tinny", "unknown recipe 'tinny'; did you mean tiny?"),
        ("train tiny --preset quick --data bsd39", "'bsd39'; did you mean bsd397"),
        (
            "train tiny --preset quick --data bsd397",
            "bsd397 needs the environment variable VBL_DATA",
        ),
        ("train tiny --preset quick --data empty", "empty holds no picture"),
        ("evaluate ffdnt dead_leaves --sigma 25", "unknown model 'ffdnt'; did you mean ffdnet?"),
        ("evaluate vdir-jpg dead_leaves --quality 10", "unknown model 'vdir-jpg'"),
        ("evaluate input dead_leafs --sigma 25", "'dead_leafs'; did you mean dead_leaves?"),
        ("evaluate input empty --sigma 25", "empty holds no picture"),
        ("evaluate input dead_leaves", "clean picture: give sigma, case, scale with kernel"),
        ("evaluate input dead_leaves --sigma 300", "sigma: expected a noise level from 0 to 255"),
        ("evaluate bicubic dead_leaves --scale 4 --kernel 9", "kernel: expected 'all' or 0 ... 6"),
        ("evaluate input dead_leaves --sigma 5 --protocol x", "unknown protocol 'x'"),
        ("evaluate empty dead_leaves --sigma 5", "empty holds no weights.safetensors"),
        ("restore no.png -o out --model resunet", "cannot read no.png: No such file or directory"),
        (
            "restore empty -o out --model resunet",
            "empty holds no picture (-r looks into its folders)",
        ),
        ("restore no.png -o text.safetensors --model resunet", "text.safetensors: File exists"),
        ("restore no.png -o out --model ffdnt", "unknown model 'ffdnt'; did you mean ffdnet?"),
        ("restore no.png -o out --model empty", "empty holds no weights.safetensors"),
        ("restore no.png -o out --model text.safetensors", "text.safetensors is damaged"),
        ("restore no.png -o out --model resunet --sigma 5", "sigma: Supervised is not told"),
        ("restore no.png a/no.png -o out --model resunet", "would both become no_restored.png"),
        (
            "reproduce virnet-table-20",
            "unknown table 'virnet-table-20'; did",
        ),
        ("info ffdnt", "unknown model 'ffdnt'; did you mean ffdnet?"),
        ("info ffdnet", "VBL_DATA"),
        ("info none.safetensors", "none.safetensors: No such file or directory"),
        ("info text.safetensors", "text.safetensors is damaged or no safetensors file"),
        ("info empty", "empty holds no weights.safetensors: expected the folder of a finished run"),
        ("data fetch kodak", "unknown download 'kodak'"),
        ("data fetch sidd", "get it by hand from https://"),
        ("data fetch dead_leaves", "dead_leaves is not for download; it is here, 24 pictures"),
    ],
)
def test_an_error_is_one_line_and_leaves_no_file(tiny, capsys, line, said):
    (tiny / "empty").mkdir()
    (tiny / "text.safetensors").write_text("not weights")
    before = files(tiny)
    assert said in complaint(line, capsys)
    assert files(tiny) == before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--threads 0", "--threads: expected at least 1, got 0"),
        ("--tile 0", "--tile: expected at least 1, got 0"),
        ("--max-pixels 0", "--max-pixels: expected at least 1, got 0"),
        ("--sigma nan", "--sigma: expected a noise level from 0 to 255, got nan"),
        ("--format foo", "--format: expected one of .png, .jpg, .jpeg, .tif"),
        ("--device tpu", "--device: expected 'auto', 'cpu', 'cuda', 'cuda:1' or 'mps', got 'tpu'"),
    ],
)
def test_a_value_that_no_picture_could_have_is_a_usage_error(
    tiny, capsys, monkeypatch, options, said
):
    monkeypatch.setattr("vbl.models.load", None)  # before any work
    line = f"restore a.png b.png -o out {options}"
    assert complaint(line, capsys, code=2).startswith(f"restore: {said}")
    assert files(tiny) == {}


@pytest.mark.parametrize("line", ["train tiny", "evaluate input dead_leaves", "reproduce a-table"])
def test_an_unknown_device_is_a_usage_error_of_every_command(tiny, capsys, line):
    said = complaint(f"{line} --device tpu", capsys, code=2)
    assert said.startswith(f"{line.split()[0]}: --device: expected 'auto'")


@pytest.mark.parametrize("set_by_user", [None, "0"])
def test_what_an_apple_gpu_lacks_runs_on_the_cpu_unless_it_is_forbidden(set_by_user):
    name = "PYTORCH_ENABLE_MPS_FALLBACK"
    environment = {key: value for key, value in os.environ.items() if key != name}
    environment |= {} if set_by_user is None else {name: set_by_user}
    environment["PYTHONPATH"] = str(Path(vbl.__file__).parents[1])
    # it must be set before PyTorch is loaded, which reads it then
    code = f"import os, sys, vbl; print(os.environ[{name!r}], 'torch' in sys.modules)"
    command = [sys.executable, "-c", code]
    said = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert said.stdout.split() == [set_by_user or "1", "False"]


def test_a_gpu_that_is_not_there_is_refused(tiny, capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    said = complaint("train tiny --preset quick --device cuda", capsys)
    assert said == "device: 'cuda' was asked for, but PyTorch sees no CUDA GPU here"


def test_an_image_smaller_than_the_crop_is_named(tiny, capsys):
    tiny_runs.pictures(tiny / "pictures", side=12)
    assert "is 12 x 20, smaller than a crop of 16 x 16" in complaint(LINE, capsys)


def corrupt(folder, name):
    (folder / f"{name}.png").write_bytes((folder / f"{name}.png").read_bytes()[:60])


@pytest.mark.filterwarnings("default")  # our own, which main prints
@pytest.mark.parametrize("name", ["005", "010"])  # for training, for validation
def test_a_corrupt_image_among_a_hundred_others_is_named_and_counted(tiny, capsys, name):
    corrupt(tiny_runs.pictures(tiny / "pictures", count=101), name)
    assert main(shlex.split(LINE)) == 0
    warning = capsys.readouterr().err
    assert warning.startswith("vbl: warning: left out (1 of 101): ")
    assert f"pictures/{name}.png" in warning
    assert len(warning.splitlines()) == 1


def test_a_corrupt_image_among_few_is_an_error_that_names_it(tiny, capsys):
    corrupt(tiny_runs.pictures(tiny / "pictures"), "003")
    assert complaint(LINE, capsys).startswith("cannot read pictures/003.png: ")
    assert not list((tiny / "run").glob("*"))


def test_a_folder_of_another_kind_is_neither_used_nor_deleted(tiny, capsys):
    tiny_runs.pictures(tiny / "pictures")
    (tiny / "run").mkdir()
    (tiny / "run" / "thesis.txt").write_text("years of work")
    before = files(tiny)
    assert "run is not empty: give --resume" in complaint(LINE, capsys)
    assert "run holds no training run: it is not deleted" in complaint(
        f"{LINE} --overwrite", capsys
    )
    assert files(tiny) == before


@pytest.mark.parametrize("name", ["003", "000"])  # for training, for validation
def test_a_run_that_could_not_start_is_overwritten(tiny, capsys, name):
    folder = tiny_runs.pictures(tiny / "pictures")
    whole = (folder / f"{name}.png").read_bytes()
    corrupt(folder, name)
    assert f"{name}.png" in complaint(f"{LINE} --memory-map", capsys)
    (folder / f"{name}.png").write_bytes(whole)
    assert main(shlex.split(f"{LINE} --memory-map --overwrite")) == 0


def test_notes_beside_a_run_survive_its_being_overwritten(tiny):
    tiny_runs.pictures(tiny / "pictures")
    assert main(shlex.split(LINE)) == 0
    (tiny / "run" / "notes.txt").write_text("what I tried")
    assert main(shlex.split(f"{LINE} --overwrite")) == 0
    assert (tiny / "run" / "notes.txt").read_text() == "what I tried"


def test_a_finished_run_is_kept_resumed_and_overwritten_as_asked(tiny, capsys):
    tiny_runs.pictures(tiny / "pictures")
    assert main(shlex.split(LINE)) == 0
    capsys.readouterr()
    before = files(tiny)
    assert "--overwrite to delete it" in complaint(LINE, capsys)
    different = complaint(f"{LINE} --resume --seed 1", capsys)
    assert different == "run holds another run: its seed is 0 where 1 was asked for"
    assert files(tiny) == before
    assert main(shlex.split(f"{LINE} --overwrite --seed 1")) == 0
    weights = tiny / "run" / "weights.safetensors"
    assert weights.read_bytes() != before[weights]


def test_an_overwrite_that_cannot_start_deletes_nothing(tiny, capsys):
    tiny_runs.pictures(tiny / "pictures")
    assert main(shlex.split(LINE)) == 0
    capsys.readouterr()
    tiny_runs.pictures(tiny / "small", side=12)
    before = files(tiny)
    complaint(LINE.replace("pictures", "small") + " --overwrite", capsys)
    assert files(tiny) == before


def test_a_file_where_the_folder_should_be_is_an_error(tiny, capsys):
    tiny_runs.pictures(tiny / "pictures")
    (tiny / "run").write_text("a file")
    assert complaint(LINE, capsys).startswith("run: ")
    (tiny / "run").unlink()
    (tiny / "file").write_text("a file")
    assert complaint(LINE.replace("run", "file/run"), capsys) == "file/run: Not a directory"


@POSIX
def test_a_folder_that_cannot_be_written_is_an_error(tiny, capsys):
    tiny_runs.pictures(tiny / "pictures")
    line = LINE.replace("run", "/proc/vbl")  # even root cannot write there
    assert complaint(line, capsys).startswith("/proc/vbl: ")


@POSIX
@pytest.mark.slow
def test_a_full_disk_is_one_line_and_leaves_no_part_of_a_file(tiny):
    tiny_runs.pictures(tiny / "pictures")
    code = (
        "import resource\n"
        "from tiny_runs import TINY\n"
        "from vbl.recipes import RECIPES\n"
        "from vbl.cli.main import main\n"
        "RECIPES['tiny'] = TINY\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))\n"  # the kernel's own refusal
        f"raise SystemExit(main({shlex.split(LINE)}))"
    )
    result = tiny_runs.run_python(code, tiny, check=False)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith("vbl: error: run/state-000000020")
    assert "Traceback" not in result.stderr
    left = {path.name for path in (tiny / "run").iterdir()}
    assert left == {"log.jsonl"}


def test_the_traceback_is_there_for_those_who_ask(tiny, monkeypatch):
    monkeypatch.setenv("VBL_DEBUG", "1")
    with pytest.raises(KeyError, match="unknown recipe"):
        main(["train", "tinny"])


def test_an_error_of_the_program_keeps_its_traceback(tiny, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr("vbl.training.fit", broken)
    with pytest.raises(RuntimeError, match="a mistake of ours"):
        main(["train", "tiny"])


def test_ctrl_c_before_the_first_step_is_quiet(tiny, monkeypatch, capsys):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("vbl.training.fit", stopped)
    assert complaint("train tiny", capsys, code=130) == "interrupted"
