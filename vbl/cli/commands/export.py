"""``vbl export``: a model for a web page."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from vbl.cli.commands.arguments import weights_of


@dataclass(frozen=True, kw_only=True)
class Export:
    """Write a model as a script that the laboratory of the book's pages runs, without a server.
    $ vbl export virnet-photo --page virnet-photo.js

    Attributes:
        model: A checkpoint, a .safetensors file or the folder of a run.
        page: The script.
    """

    model: Annotated[Positional[str], arg(metavar="MODEL")]
    page: Annotated[Path, arg(metavar="FILE")]

    def run(self) -> None:
        """Write the script and say how large it is."""
        from vbl.models.page import export_page

        size = export_page(weights_of(self.model), self.page)
        print(f"{self.page}: {size / 1e6:.2f} MB")
