"""What the commands share: kinds of arguments, and their checks."""

from pathlib import Path
from typing import Annotated, Any

from tyro.conf import arg

INTERRUPTED = 130  # exit code after Ctrl-C, as in shells


def says(metavar: str) -> Any:
    """An optional value in the help page, where its sentence describes the default."""
    return arg(metavar=metavar, help_behavior_hint="")


Flag = Annotated[bool, arg(help_behavior_hint="")]
Device = Annotated[str | None, says("auto|cpu|cuda|cuda:1|mps")]
Text = Annotated[str | None, says("NAME")]
Number = Annotated[int | None, says("N")]
Folder = Annotated[Path | None, says("FOLDER")]


class UsageError(ValueError):
    """Invalid arguments."""


def check_device(command: str, device: str | None) -> None:
    """Raise a `UsageError` for a device that no machine has."""
    from vbl.utils import check_device_name

    try:
        check_device_name(device)
    except ValueError as reason:
        raise UsageError(f"{command}: --{reason}") from None


def weights_of(model: str) -> str:
    """The name of a model, or the weights file of the run in a folder."""
    folder = Path(model)
    if not folder.is_dir():
        return model
    path = folder / "weights.safetensors"
    if not path.is_file():
        raise ValueError(f"{folder} holds no {path.name}: expected the folder of a finished run")
    return str(path)
