"""Shapes and dtypes of the annotations are checked in every test."""

from jaxtyping import install_import_hook

# An int may stand where a float is expected, as PEP 484 has it.
install_import_hook("vbl", "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))")
