"""Folders of unfinished files: named so that those of a process that was killed can be removed."""

import re
import shutil
import socket
from pathlib import Path

import psutil

PREFIX = ".vbl-restore"


def draft_prefix() -> str:
    """Of a temporary folder of this process."""
    return f"{PREFIX}-{_host()}-{psutil.Process().pid}-"


def remove_abandoned(folder: Path) -> None:
    """Remove the temporary folders of processes of this machine that have ended."""
    for path in folder.glob(f"{PREFIX}-{_host()}-*"):
        match = re.fullmatch(rf"{PREFIX}-{_host()}-(\d+)-\w+", path.name)
        if match and path.is_dir() and not psutil.pid_exists(int(match[1])):
            shutil.rmtree(path, ignore_errors=True)


def _host() -> str:
    return re.sub(r"\W", "_", socket.gethostname())
