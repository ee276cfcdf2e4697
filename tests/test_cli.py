"""The command line: what it understands, what it prints, and how long help takes."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
import tiny_runs
from marks import POSIX

from vbl import recipes
from vbl.cli.commands import Command, Data, Evaluate, Restore, Train
from vbl.cli.commands.data import Fetch
from vbl.cli.main import main, parse
from vbl.utils import DATA

TINY = "import tiny_runs; from vbl.recipes import RECIPES; RECIPES['tiny'] = tiny_runs.TINY\n"


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """An empty folder to work in, six small pictures, and a recipe that takes a second."""
    monkeypatch.setitem(recipes.RECIPES, "tiny", tiny_runs.TINY)
    monkeypatch.setenv("VBL_STATIC", "1")
    monkeypatch.delenv("VBL_DATA", raising=False)
    tiny_runs.pictures(tmp_path / "pictures")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def vbl(line: str) -> int:
    return main(shlex.split(line))


def last_line(text: str) -> str:
    return text.splitlines()[-1].strip()


def pages_of_help():
    names = [command.__name__.lower() for command in get_args(Command)]
    return ["", *names, "data list", "data fetch"]


@pytest.mark.parametrize("command", pages_of_help())
def test_every_page_of_help_says_what_it_does_and_gives_an_example(command, capsys):
    assert vbl(f"{command} --help") == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert f"$ vbl {command}" in captured.out
    assert len(captured.out.splitlines()) < 50


def test_help_is_printed_without_importing_torch():
    code = "import sys; from vbl.cli.main import main; main(['--help'])"
    code += "; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "evaluate ffdnet cbsd68 --sigma 25",
            Evaluate(model="ffdnet", dataset="cbsd68", sigma=25.0),
        ),
        (
            "evaluate virnet-denoise kodak24 --case 2",
            Evaluate(model="virnet-denoise", dataset="kodak24", case=2),
        ),
        (
            "evaluate virnet-sr-x4 set14 --scale 4 --kernel all --sigma 2.55",
            Evaluate(model="virnet-sr-x4", dataset="set14", scale=4, kernel="all", sigma=2.55),
        ),
        (
            "evaluate vdir-jpeg classic5 --quality 10 --json",
            Evaluate(model="vdir-jpeg", dataset="classic5", quality=10, json=True),
        ),
        ("train --queue --minutes 60", Train(queue=True, minutes=60.0)),
        (
            "train resunet --preset ship --data my/photos --memory-map --workers 2 --resume",
            Train(
                recipe="resunet",
                preset="ship",
                data="my/photos",
                memory_map=True,
                workers=2,
                resume=True,
            ),
        ),
        (
            "restore a.png b.jpg -o out --model ffdnet --sigma 25 --ensemble",
            Restore(
                photos=(Path("a.png"), Path("b.jpg")),
                out=Path("out"),
                model="ffdnet",
                sigma=25.0,
                ensemble=True,
            ),
        ),
        ("data fetch kodak24_original", Data(Fetch(name="kodak24_original"))),
    ],
)
def test_a_line_becomes_a_command(line, expected):
    assert parse(shlex.split(line)) == expected


@pytest.mark.parametrize(
    "command",
    [
        Train(recipe="tiny"),
        Train(queue=True, minutes=60.0),
        Train(recipe="tiny", preset="quick", data="a folder", seed=3, minutes=0.5, resume=True),
    ],
)
def test_a_training_run_can_be_spelled(command):
    assert parse(shlex.split(command.spelled())[1:]) == command


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "Expected one of {train, adapt, restore, evaluate, reproduce, data, info, export}"),
        ("trian", "Unrecognized options: trian; Available subcommands: train"),
        ("train tiny --preste quick", "Perhaps you meant: --preset"),
        ("train tiny --seed x", "--seed: invalid literal for int()"),
        ("train tiny --folder", "Missing value for argument '--folder'"),
        ("evaluate ffdnet", "DATASET"),
        ("data fetch", "NAME"),
        ("restore a.png", "Missing from vbl restore: -o FOLDER"),
        ("restore -o out", "restore: expected at least one PHOTO"),
        ("train", "train: expected a RECIPE (vbl info lists them) or --queue"),
        ("train tiny --resume --overwrite", "--resume keeps the run and --overwrite deletes it"),
        ("train --queue", "train --queue: expected --minutes, and no other option but --device"),
        ("train tiny --queue --minutes 1", "train --queue: expected --minutes, and no other"),
    ],
)
def test_a_line_that_makes_no_sense_is_refused_in_one_line(line, said, capsys):
    assert vbl(line) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("vbl: error: ")
    assert said in captured.err
    assert len(captured.err.splitlines()) == 1


def test_training_ends_with_the_weights_and_the_line_that_measures_them(tiny, capsys):
    assert vbl("train tiny --preset quick --data pictures --folder run") == 0
    captured = capsys.readouterr()
    assert (tiny / "run" / "weights.safetensors").is_file()
    assert "the weights are in run/weights.safetensors" in captured.out
    command = parse(shlex.split(last_line(captured.out))[1:])
    assert command == Evaluate(model="run/weights.safetensors", dataset="photographs", sigma=25.0)


def test_a_run_out_of_time_says_how_to_go_on_and_goes_on(tiny, capsys):
    assert vbl("train tiny --preset quick --data pictures --folder run --minutes 0") == 0
    again = last_line(capsys.readouterr().out)
    assert again.startswith("vbl train tiny") and again.endswith("--resume --minutes 0.0")
    assert not (tiny / "run" / "weights.safetensors").exists()
    assert vbl(again.removeprefix("vbl ").removesuffix("--minutes 0.0")) == 0
    assert (tiny / "run" / "weights.safetensors").is_file()


@POSIX
@pytest.mark.slow
def test_ctrl_c_keeps_the_state_and_the_printed_line_goes_on(tiny):
    line = "train tiny --preset quick --folder run --data pictures"
    code = TINY + (
        "import os, signal\n"
        "from vbl.training.run import Journal\n"
        "note = Journal.note\n"
        "def interrupted(self, done, outcome):\n"
        "    if done == 5: os.kill(os.getpid(), signal.SIGINT)\n"
        "    note(self, done, outcome)\n"
        "Journal.note = interrupted\n"
        f"from vbl.cli.main import main; raise SystemExit(main({shlex.split(line)}))"
    )
    result = tiny_runs.run_python(code, tiny, check=False)
    assert result.returncode == 130
    assert "Traceback" not in result.stderr
    assert [path.name for path in (tiny / "run").glob("*tensors")] == [
        "state-000000005.safetensors"
    ]
    again = last_line(result.stdout)
    assert again == f"vbl {line} --resume"
    assert vbl(again.removeprefix("vbl ")) == 0
    assert (tiny / "run" / "weights.safetensors").is_file()


def test_a_run_describes_its_model(tiny, capsys):
    assert vbl("train tiny --preset quick --data pictures --folder run") == 0
    capsys.readouterr()
    for model in ("run", "run/weights.safetensors"):
        assert vbl(f"info {model}") == 0
        out = capsys.readouterr().out
        assert "recipe       tiny\n" in out
        assert '"network": "ResUNet"' in out
        assert "parameters   " in out


def test_a_report_is_a_table_of_every_picture_and_the_mean(tiny, capsys):
    assert vbl("evaluate input pictures --sigma 25") == 0
    table = capsys.readouterr().out.splitlines()
    assert table[0] == "input on pictures: sigma 25"
    scores = [line.split() for line in table[3:10]]
    assert [row[0] for row in scores] == [*(f"00{i}" for i in range(6)), "mean"]
    psnr = [float(row[-2]) for row in scores]
    assert psnr[-1] == pytest.approx(sum(psnr[:-1]) / 6, abs=0.01)
    assert 20.17 < psnr[-1] < 21  # 20 log10(255 / 25), and what clipping takes away
    assert table[-3].startswith("protocol vdir-table-1: ")
    assert table[-2] == "convention vdir-table-1: rgb, 8 bits, border 0"
    assert table[-1].endswith(" seconds per megapixel")


def test_a_report_without_options_says_what_was_done_to_the_pictures(tiny, capsys):
    assert vbl("evaluate input pictures --protocol awgn") == 0
    assert capsys.readouterr().out.startswith("input on pictures: awgn\n")


def test_a_report_of_all_kernels_has_a_row_for_each(tiny, capsys):
    tiny_runs.pictures(tiny / "larger", count=2, side=64)
    assert vbl("evaluate bicubic larger --scale 2 --kernel all") == 0
    out = capsys.readouterr().out
    assert "\nkernel 0 " in out and "\nkernel 6 " in out
    assert "border scale_sq" in out


def test_a_report_as_json_is_one_object_and_nothing_else(tiny, capsys):
    assert vbl("evaluate input pictures --case 2 --json") == 0
    report = json.loads(capsys.readouterr().out)
    wanted = {"psnr", "ssim", "images", "per_image", "convention", "seconds_per_megapixel"}
    assert wanted <= report.keys()
    assert report["images"] == len(report["per_image"]) == 6


def test_the_folder_of_a_run_can_be_evaluated(tiny, capsys):
    assert vbl("train tiny --preset quick --data pictures --folder run") == 0
    capsys.readouterr()
    assert vbl("evaluate run pictures --sigma 25 --json") == 0
    assert json.loads(capsys.readouterr().out)["model"] == "run/weights.safetensors"


def test_a_report_is_kept_under_a_name(tiny, capsys, monkeypatch):
    kept = {}
    monkeypatch.setattr(
        "vbl.evaluation.save_result", lambda name, what, **_: kept.update({name: what})
    )
    assert vbl("evaluate input pictures --sigma 25 --json --save mine") == 0
    assert kept == {"mine": json.loads(capsys.readouterr().out)}


def test_a_table_is_recomputed_for_the_models_that_are_named(capsys, monkeypatch):
    monkeypatch.setattr("vbl.evaluation.reproduce", lambda table, **options: (table, options))
    assert vbl("reproduce virnet-table-2 --models ffdnet dncnn --device cpu") == 0
    asked = ("virnet-table-2", {"models": ("ffdnet", "dncnn"), "device": "cpu"})
    assert capsys.readouterr().out == f"{asked}\n"


def test_info_names_versions_recipes_and_checkpoints(tiny, capsys):
    assert vbl("info") == 0
    out = capsys.readouterr().out
    assert "VBL_DATA     not set" in out
    assert f"shipped      {DATA}\nresults      {DATA / 'results'}\n" in out
    for name in ("torch", "bfloat16", "recipe       resunet (quick,", "checkpoint   ffdnet"):
        assert name in out


def test_the_list_of_sets_says_what_is_here_and_on_which_terms(tiny, capsys):
    assert vbl("data list") == 0
    out = capsys.readouterr().out
    assert "dead_leaves       here, 24 pictures\n" in out
    assert "cbsd68            not here" in out
    assert "kodak24_original  vbl data fetch kodak24_original\n" in out
    assert "terms: academic research only\n" in out


def test_a_set_that_is_fetched_says_where_it_is_and_on_which_terms(tiny, capsys, monkeypatch):
    monkeypatch.setattr("vbl.images.download.fetch", lambda name, *, folder=None: folder)
    assert vbl("data fetch div2k_valid --folder here") == 0
    assert capsys.readouterr().out == "div2k_valid is in here\nterms: academic research only\n"


@pytest.mark.slow
def test_a_reader_that_has_gone_hears_no_complaint():
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "vbl", "data", "list"]
    result = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (result.returncode, result.stderr) == (141, "")
