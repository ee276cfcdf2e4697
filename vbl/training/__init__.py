"""The training loop, and the folder of a run."""

from vbl.training.fit import fit
from vbl.training.learner import Diverged, Learner
from vbl.training.run import Run
