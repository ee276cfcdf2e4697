"""Marks of tests that not every machine can run."""

import os

import pytest

POSIX = pytest.mark.skipif(
    os.name != "posix", reason="needs signals to processes, limits or files that only POSIX has"
)
