"""How fast the laboratory's pages compute: seconds for 256 x 256 pixels in Chromium and Node.

    .venv/bin/python benchmarks/laboratory.py [MODEL ...]

Seconds of the processor, so that other work on the machine hardly counts; one core. Chromium opens
the built page, Node runs the same engine alone. The page itself divides a picture among the cores.
"""

import os
import shutil
import sys

import torch

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "tests"))
