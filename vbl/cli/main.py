"""The entry point of the command line.

Exit codes: 0; 1 for an error, one line on stderr (VBL_DEBUG=1 shows its traceback); 2 for invalid
arguments; 130 after Ctrl-C; 143 and 129 after SIGTERM and SIGHUP.
"""

import os
import re
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from pathlib import Path
from textwrap import shorten

import tyro
from tqdm import tqdm
from tyro import conf

from vbl.cli.commands import Command
from vbl.cli.commands.arguments import INTERRUPTED, UsageError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code.

    Args:
        argv: Arguments without the name of the program; by default those of the process.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by the caller
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115 (until the end)
        stream = getattr(sys, name)
        if hasattr(stream, "reconfigure"):  # a name that cannot be printed is no error
            stream.reconfigure(errors="backslashreplace")
    try:
        with warnings.catch_warnings(), _signals_as_exits():
            warnings.showwarning = _show_warning
            code = parse(argv).run()
        sys.stdout.flush()  # raises for a closed pipe here, not at exit
        return code or 0
    except SystemExit as end:  # help was asked for, or a signal came
        return int(end.code or 0)
    except KeyboardInterrupt:
        return _complain("interrupted", INTERRUPTED)
    except BrokenPipeError:  # the reader of our output has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:
        if os.environ.get("VBL_DEBUG") == "1" or not _is_for_the_user(error):
            raise
        return _complain(_line(error), 2 if isinstance(error, UsageError) else 1)


def parse(argv: Sequence[str] | None = None) -> Command:
    """Parse arguments to a command of `vbl.cli.commands`.

    Raises:
        UsageError: For invalid arguments.
        SystemExit: After printing help.
    """
    names_as_given = (conf.OmitArgPrefixes, conf.OmitSubcommandPrefixes)
    config = (*names_as_given, conf.FlagCreatePairsOff, conf.DisallowNone)
    about = "Variational Bayes for image restoration."
    box = StringIO()
    try:
        with redirect_stderr(box):
            return tyro.cli(Command, prog="vbl", description=about, args=argv, config=config)
    except SystemExit as end:
        if not end.code or end.code > 128:  # help, or a signal
            raise
        raise UsageError(_unboxed(box.getvalue())) from None


@contextmanager
def _signals_as_exits() -> Iterator[None]:
    """Leave by an exception after SIGTERM or SIGHUP, so that temporary files are removed."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    numbers = [getattr(signal, name) for name in names]
    heard = [n for n in numbers if signal.getsignal(n) != signal.SIG_IGN]  # nohup ignores SIGHUP
    before = {number: signal.signal(number, leave) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _unboxed(box: str) -> str:
    """The text of an error box of tyro as one line, without its title."""
    inside = " ".join(line.strip("│ ") for line in box.splitlines()[1:])
    parts = [part.strip(" .") for part in re.split("[╰╯─-]{4,}", inside)]
    return shorten("; ".join(filter(None, parts)), 200)


def _is_for_the_user(error: Exception) -> bool:
    """Whether it is an error of the input or the machine, which needs no traceback."""
    return isinstance(error, ValueError | OSError) or type(error).__module__.startswith("vbl.")


def _line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return " ".join(str(error).split())


def _complain(line: str, code: int) -> int:
    print(f"vbl: error: {line}", file=sys.stderr)
    return code


def _show_warning(message: Warning | str, *_: object) -> None:
    tqdm.write(f"vbl: warning: {message}", sys.stderr)  # above a progress bar, not inside it
