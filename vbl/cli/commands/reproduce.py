"""``vbl reproduce``: a table of a paper beside ours."""

import sys
from dataclasses import dataclass
from typing import Annotated

from tyro.conf import Positional

from vbl.cli.commands.arguments import Device, Flag, UsageError, check_device, says


@dataclass(frozen=True, kw_only=True)
class Reproduce:
    """Recompute a table of a paper and print our numbers beside the paper's.
    $ vbl reproduce virnet-table-2 --models ffdnet virnet-denoise
    $ vbl reproduce --all --dry-run

    Attributes:
        table: For instance virnet-table-2.
        models: Only these rows; the others stay as they were measured last.
        device: A GPU where there is one, unless given.
        all: Every table whose pictures are on this machine, one after the other.
        dry_run: Compute nothing; say what there is for every table of the papers.
    """

    table: Annotated[Positional[str | None], says("TABLE")] = None
    models: Annotated[tuple[str, ...], says("MODEL ...")] = ()
    device: Device = None
    all: Flag = False
    dry_run: Flag = False

    def run(self) -> None:
        """Compute, keep in data/results and print."""
        if self.all == bool(self.table):
            raise UsageError("expected a table, for instance virnet-table-2, or --all")
        if self.models and self.all:
            raise UsageError("--models: rows are those of one table, not of --all")
        from vbl.evaluation import TABLES, reproduce
        from vbl.images import DataUnavailable

        if self.dry_run:
            from vbl.cli.printing import ledger_lines

            print(*ledger_lines(self.table), sep="\n")
            return
        check_device("reproduce", self.device)
        for table in TABLES if self.all else (self.table,):
            try:
                print(reproduce(table, models=self.models or None, device=self.device))
            except DataUnavailable as reason:
                if not self.all:
                    raise
                print(f"{table}: {reason}", file=sys.stderr)
