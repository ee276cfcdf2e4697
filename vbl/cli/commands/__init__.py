"""The commands of ``vbl``, a file each: fields are arguments, a docstring is a page of the help.

``run`` executes the command and returns the exit code; None is 0. Libraries that take seconds to
import are imported in ``run``, so that help is instant.
"""

from vbl.cli.commands.adapt import Adapt
from vbl.cli.commands.data import Data
from vbl.cli.commands.evaluate import Evaluate
from vbl.cli.commands.export import Export
from vbl.cli.commands.info import Info
from vbl.cli.commands.reproduce import Reproduce
from vbl.cli.commands.restore import Restore
from vbl.cli.commands.train import Train

Command = Train | Adapt | Restore | Evaluate | Reproduce | Data | Info | Export  # order of the help
