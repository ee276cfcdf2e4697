"""``vbl info``: what is known here, or one model."""

from dataclasses import dataclass
from typing import Annotated

from tyro.conf import Positional

from vbl.cli.commands.arguments import says, weights_of


@dataclass(frozen=True, kw_only=True)
class Info:
    """Say what is installed and known here, or how a model was made.
    $ vbl info ffdnet

    Attributes:
        model: A checkpoint, a .safetensors file or the folder of a run.
    """

    model: Annotated[Positional[str | None], says("MODEL")] = None

    def run(self) -> None:
        """Print names and values."""
        from vbl.cli.printing import machine_lines, model_lines
        from vbl.models import load

        machine = self.model is None
        print(
            *(machine_lines() if machine else model_lines(load(weights_of(self.model)))), sep="\n"
        )
