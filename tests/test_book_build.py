"""The build script: what is executed again, what stops a chapter, what ends a build."""

import io
import os
import re
import signal
import sys
import time

import pytest
from marks import POSIX
from toy_books import start_build, write_book, write_chapter

import build
import chapters
import execute
from progress import Progress

PIDS = "import os, pathlib\npathlib.Path(f'{os.getpid()}.pid').touch()"


@pytest.fixture(autouse=True)
def somewhere(monkeypatch, tmp_path):
    """The build script at work in an empty folder."""
    monkeypatch.setattr(build, "ROOT", tmp_path)
    monkeypatch.setattr(build, "BUILD", tmp_path / "_build")
    monkeypatch.delenv("VBL_DATA", raising=False)


@pytest.fixture
def run(tmp_path):
    """Execute chapters, given as name=[source, ...], as far as the cache does not hold them."""

    def run(inputs="the same", timeout=60, **sources):
        files = [write_chapter(tmp_path / f"{name}.ipynb", *s) for name, s in sources.items()]
        found = [chapters.Chapter(file, inputs) for file in files]
        with (tmp_path / "log").open("w", encoding="utf-8") as log:
            return execute.execute_missing(found, tmp_path / "cache", timeout, log)

    return run


def printed(chapter):
    """What the cells of a chapter printed."""
    return "".join(output.get("text", "") for cell in chapter.cells for output in cell.outputs)


# What depends on what


def test_changed_inputs_change_the_key_and_other_files_do_not(monkeypatch, tmp_path):
    def key():
        return build.digest(["vbl", "requirements.lock"], build.image_sets())

    (tmp_path / "vbl" / "__pycache__").mkdir(parents=True)
    sets, others = tmp_path / "sets", tmp_path / "others"
    sets.mkdir()
    others.mkdir()
    module, lock = tmp_path / "vbl" / "new.py", tmp_path / "requirements.lock"
    keys = [key()]
    for change in (
        lambda: module.write_text("x = 1"),
        lambda: module.write_text("x = 2"),
        lambda: module.rename(module.with_name("other.py")),
        lambda: lock.write_text("torch==1"),
        lambda: monkeypatch.setenv("VBL_DATA", str(sets)),
        lambda: (sets / "picture.png").write_text("a picture"),
        lambda: (sets / "MANIFEST.csv").write_text("one line"),
        lambda: (sets / "picture.png").write_text("another picture"),
        lambda: monkeypatch.setenv("VBL_DATA", str(others)),
    ):
        change()
        keys.append(key())
    assert len(set(keys)) == len(keys)
    (tmp_path / "vbl" / "__pycache__" / "new.pyc").write_text("")
    (tmp_path / "README.md").write_text("")
    assert key() == keys[-1]


def test_kernels_find_a_data_folder_named_from_where_the_build_was_started(monkeypatch, tmp_path):
    (tmp_path / "here" / "sets").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("VBL_DATA", "sets")
    assert build.image_sets() == str(tmp_path / "here" / "sets") == os.environ["VBL_DATA"]


def test_a_data_folder_that_cannot_be_used_is_named_in_one_line(monkeypatch, tmp_path):
    def forbidden(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setenv("VBL_DATA", str(tmp_path / "absent"))
    with pytest.raises(SystemExit, match=r"^VBL_DATA names .*absent, which is not a folder$"):
        build.image_sets()
    monkeypatch.setenv("VBL_DATA", str(tmp_path))
    monkeypatch.setattr(build.Path, "iterdir", forbidden)
    with pytest.raises(SystemExit, match=r"^VBL_DATA names .*cannot be read: .*denied$"):
        build.image_sets()


def test_only_chapters_that_import_the_checked_equations_depend_on_them(tmp_path):
    write_book(
        tmp_path,
        plain=["equations = 1"],
        errata=["import os\nfrom equations import vdir"],
        other=["import equations"],
    )
    found = chapters.read_chapters(tmp_path, "inputs", "with equations")
    assert {chapter.path.stem: chapter.inputs for chapter in found} == {
        "plain": "inputs",
        "errata": "with equations",
        "other": "with equations",
    }


def test_the_longest_chapters_start_first(tmp_path):
    write_book(tmp_path, short=[], long=[], unknown=[])
    results = tmp_path / "data" / "results"
    results.mkdir(parents=True)
    costs = '{"short": {"cpu": {"seconds": 3}}, "long": {"cpu": {"seconds": 20}}}'
    (results / "chapter_costs.json").write_text(costs)
    found = chapters.read_chapters(tmp_path, "", "")
    assert [chapter.path.stem for chapter in found] == ["long", "short", "unknown"]


def test_a_file_that_is_not_a_notebook_is_named_in_one_line(tmp_path):
    write_book(tmp_path, torn=[])
    (tmp_path / "book" / "torn.ipynb").write_text("<<<<<<< HEAD\n")
    with pytest.raises(SystemExit, match=r"^\S+torn\.ipynb is not a notebook: .*HEAD"):
        chapters.read_chapters(tmp_path, "", "")


def test_a_chapter_runs_again_when_something_calls_for_it_and_only_then(monkeypatch, tmp_path, run):
    async def pretend(chapter, *_):
        chapter.start()
        chapter.end(RuntimeError("for now") if "raise" in chapter.cells[0].source else None)

    monkeypatch.setattr(execute, "execute", pretend)
    executed = tmp_path / "cache" / "executed"
    assert run(one=["1"], two=["2"])
    assert not run(one=["1"], two=["2"])
    assert [chapter.path.stem for chapter in run(one=["1"], two=["3"])] == ["two"]
    assert len(run(one=["1"], two=["3"], inputs="another library")) == 2
    assert [chapter.failure for chapter in run(one=["1"], two=["raise"])] == [
        "",
        "cell 1 of 1: RuntimeError: for now",
    ]
    assert [chapter.path.stem for chapter in run(one=["1"], two=["raise"])] == ["two"]
    assert len(list(executed.iterdir())) == 2  # what they were before is not kept
    for file in executed.rglob("base.ipynb"):
        file.write_text("{")
    assert len(run(one=["1"], two=["3"])) == 2
    for file in executed.rglob("base.ipynb"):
        file.unlink()
    assert len(run(one=["1"], two=["3"])) == 2


def test_pages_go_unless_they_were_finished_under_the_same_key(tmp_path):
    kept = tmp_path / "_build" / "html"
    build.remove_stale_pages("one").write_text("one")
    kept.mkdir()
    stamp = build.remove_stale_pages("one")
    assert kept.exists()
    assert not stamp.exists()  # until this build has succeeded, too
    build.remove_stale_pages("one")
    assert not kept.exists()
    stamp.write_text("one")
    kept.mkdir()
    build.remove_stale_pages("two")
    assert not kept.exists()


# Execution


def test_two_chapters_run_at_once_where_there_are_two_cores(monkeypatch, run):
    def meet(name, other):
        wait = f"while not Path('{other}').exists(): time.sleep(0.1)"
        return [f"import time; from pathlib import Path; Path('{name}').touch()", wait]

    monkeypatch.setattr(execute, "at_once", lambda: 2)
    met = run(first=meet("a", "b"), second=meet("b", "a"))
    assert [chapter.failure for chapter in met] == ["", ""]


def test_one_core_executes_one_chapter_at_a_time_in_their_order(monkeypatch, tmp_path, run, capsys):
    note = "with open('story', 'a') as story: print({!r}, file=story)"
    sources = {name: [note.format(name), note.format(name)] for name in ("long", "short")}
    monkeypatch.setattr(execute, "at_once", lambda: 1)
    run(**sources)
    assert (tmp_path / "story").read_text().split() == ["long", "long", "short", "short"]
    assert re.fullmatch(r"  long: done in \d+ s\n  short: done in \d+ s\n", capsys.readouterr().out)


@pytest.mark.parametrize(("cores", "number"), [(1, 1), (2, 2), (64, 2)])
def test_chapters_at_once_follow_from_the_cores_that_may_be_used(monkeypatch, cores, number):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
    assert execute.at_once() == number
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert execute.at_once() == number


def test_a_kernel_has_one_thread_unless_told_and_knows_that_pages_are_made(monkeypatch, run):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setenv("MKL_NUM_THREADS", "3")
    names = "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VBL_STATIC"
    (chapter,) = run(one=["import os", f"print(*(os.environ[name] for name in {names}))"])
    assert printed(chapter) == "1 3 1\n"


@pytest.mark.parametrize(
    ("cell", "failure"),
    [
        ("raise ValueError('no such\\nluck')", "ValueError: no such"),
        ("import sys; print('careful', file=sys.stderr)", "wrote to stderr: careful"),
        ("import time; time.sleep(60)", "CellTimeoutError: A cell timed out.* after 2 seconds"),
        ("import os; os._exit(1)", r"DeadKernelError: the kernel died \(was the memory full\?\)"),
    ],
    ids=["error", "warning", "timeout", "death"],
)
def test_what_stops_a_chapter_is_told_in_one_line_and_shown_in_its_cell(run, cell, failure):
    (chapter,) = run(one=["1 + 1", cell, "print('went on')"], timeout=2)
    assert re.match(f"cell 2 of 3: {failure}", chapter.failure)
    assert "\n" not in chapter.failure
    (output,) = chapter.cells[1].outputs
    assert output.output_type == "error" or output.name == "stderr"
    assert printed(chapter).endswith("went on\n") == ("stderr" in failure)


def test_outputs_that_were_saved_with_a_notebook_do_not_count(tmp_path):
    chapter = chapters.Chapter(write_chapter(tmp_path / "one.ipynb", "1"), "")
    chapter.explain(RuntimeError("an old one"))
    chapters.nbformat.write(chapter.notebook, chapter.path)
    assert chapters.Chapter(chapter.path, "").cells[0].outputs == []


class Terminal(io.StringIO):
    """A terminal, 40 columns wide."""

    def isatty(self):
        return True


def test_a_terminal_has_one_line_of_progress_that_is_written_over(monkeypatch):
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setenv("COLUMNS", "40")
    progress = Progress()
    progress.running = ["03-vdn: cell 2 of 19, 7 s", "06-vdir: cell 11 of 26, 83 s"]
    progress.show()
    progress.say("  03-vdn: done in 9 s")
    lines = re.split(r"[\r\n]", sys.stdout.getvalue())
    assert lines == [
        "  03-vdn: cell 2 of 19, 7 s | 06-vdir: ",
        "  03-vdn: done in 9 s".ljust(39),
        "",
    ]


def test_a_log_has_a_plain_line_for_each_chapter_that_is_running(capsys):
    progress = Progress()
    progress.running = ["03-vdn: cell 2 of 19, 7 s", "06-vdir: cell 11 of 26, 83 s"]
    progress.show()
    assert capsys.readouterr().out == "".join(f"  {line}\n" for line in progress.running)


def test_a_running_chapter_says_its_name_its_cell_and_the_time_so_far(monkeypatch, tmp_path):
    chapter = chapters.Chapter(write_chapter(tmp_path / "03-vdn.ipynb", "1", "1"), "")
    chapter.start()
    monkeypatch.setattr(time, "monotonic", lambda: chapter.started + 7.2)
    chapter.begin(chapter.cells[1])  # equal to the first, but the second
    assert str(chapter) == "03-vdn: cell 2 of 2, 7 s"


# Whole builds


def test_the_build_shows_errors_and_keeps_quiet_about_the_rest(tmp_path):
    printed = [
        "reading sources... [100%] index\n",
        f"\x1b[91m{tmp_path / 'book'}{os.sep}a.md:3: WARNING: no such equation\x1b[39m\n",
        "Exception occurred:\n",
        "CellExecutionError\n",
        "The full traceback has been saved\n",
    ]
    with (tmp_path / "log").open("w") as log:
        shown = list(build.what_matters(printed, log))
    assert shown == [
        f"book{os.sep}a.md:3: WARNING: no such equation",
        "Exception occurred:",
        "CellExecutionError",
    ]
    assert (tmp_path / "log").read_text() == "".join(printed)


@pytest.mark.slow
def test_a_failed_chapter_is_named_last_and_stops_no_other_page(tmp_path):
    def build_book():
        with start_build(tmp_path) as process:
            return process.stdout.read().splitlines(), process.wait()

    book, pages = tmp_path / "book", tmp_path / "_build" / "html"
    good = ["with open('runs', 'a') as runs: print('once', file=runs)", "print('all', 'is well')"]
    write_book(tmp_path, good=good, bad=["1", "raise ValueError('bad' + 'luck')"], empty=[])
    lines, status = build_book()
    assert status == 1
    assert lines[-1] == "bad failed in cell 2 of 2: ValueError: badluck"
    assert "all is well" in (pages / "good.html").read_text("utf-8")
    assert "badluck" in (pages / "bad.html").read_text("utf-8")
    assert (pages / "empty.html").exists()

    write_chapter(book / "bad.ipynb", "1", "print('better', 'luck')")
    lines, status = build_book()
    assert status == 0
    assert [line.split()[-1] for line in lines if re.match(r" +\d+ s  ", line)] == ["bad"]
    assert lines[-1].endswith(str(pages / "index.html"))
    assert "better luck" in (pages / "bad.html").read_text("utf-8")
    assert "all is well" in (pages / "good.html").read_text("utf-8")
    assert (book / "runs").read_text() == "once\n"
    assert "Executing notebook" not in (tmp_path / "_build" / "build.log").read_text("utf-8")


def ctrl_c_is_heard():
    """Jobs that a shell started in the background ignore Ctrl-C, and so would their children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def is_gone(pid):
    """Whether a process ends within some seconds."""
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


@POSIX
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_build_ends_its_kernels_and_says_nothing(tmp_path, number):
    write_book(tmp_path, asleep=[PIDS, "import time; time.sleep(600)"])
    with start_build(tmp_path, preexec_fn=ctrl_c_is_heard) as process:
        while not (pids := list((tmp_path / "book").glob("*.pid"))):
            time.sleep(0.1)
        process.send_signal(number)
        assert process.stdout.read() == "Building the book ...\n"
    assert process.returncode == 130
    assert all(is_gone(int(file.stem)) for file in pids)


def test_an_interrupt_while_pages_are_made_ends_jupyter_book(monkeypatch):
    def interrupted(lines, _):
        assert next(lines) == "started\n"
        raise KeyboardInterrupt

    stand_in = "import time; print('started', flush=True); time.sleep(600)"
    monkeypatch.setattr(build, "JUPYTER_BOOK", [sys.executable, "-c", stand_in])
    monkeypatch.setattr(build, "what_matters", interrupted)
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        build.make_pages(None)  # returns when its child has ended
    assert time.monotonic() - start < 300
