"""The training loop, and the folder of a run."""

from vbl.training.adapt import Adapted, adapt
from vbl.training.fit import fit
from vbl.training.here import scores_beside, train_here
from vbl.training.learner import Diverged, Learner
from vbl.training.run import Run
