"""Numbers of a code cell that the text of its page quotes."""

from typing import SupportsFloat

from IPython.display import display
from torch import Tensor

KEPT = "application/papermill.record/"  # before the type of an output that is not shown


def quote(**numbers: SupportsFloat) -> None:
    """Keep numbers with the cell, for the role ``{out}`` of the book; nothing is shown.

    Args:
        numbers: By the names that the text uses; a page has each only once.
    """
    for name, number in numbers.items():
        number = number.detach() if isinstance(number, Tensor) else number
        about = {"scrapbook": {"name": name, "mime_prefix": KEPT}}  # what MyST-NB looks for
        display({f"{KEPT}text/plain": repr(float(number))}, metadata=about, raw=True)
