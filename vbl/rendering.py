"""Whether the pages of the book are being rendered."""

import os


def is_static() -> bool:
    """True while pages are rendered (VBL_STATIC=1): no live widgets, no progress bars."""
    return os.environ.get("VBL_STATIC") == "1"
