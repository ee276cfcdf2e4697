"""Shapes and dtypes of the annotations are checked in every test."""

from jaxtyping import install_import_hook

install_import_hook("vbl", "beartype.beartype")
