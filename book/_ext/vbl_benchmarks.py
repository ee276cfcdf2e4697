"""Tables of what benchmarks/ measured, for instance ``{benchmark} training``."""

import json
from pathlib import Path
from typing import ClassVar

from docutils.parsers.rst import directives
from vbl_tables import LOGGER, MarkdownDirective

RESULTS = Path(__file__).parents[2] / "data" / "results"


def percent(share):
    """Return a share as a percentage."""
    return f"{100 * share:.0f}\u00a0%"


# Heading -> what stands below it in the row of a result
TABLES = {
    "training": {
        "training": lambda row: f"`{row['recipe']}` {row['preset']}",
        "parameters": lambda row: f"{row['parameters']:,}",
        "images/s": lambda row: f"{row['images_per_second']:.3g}",
        "network alone": lambda row: percent(row["share_of_plain"]),
        "GFLOP a step": lambda row: f"{row['gflop_per_step']:,.0f}",
        "of the roof": lambda row: percent(row["share_of_roofline"]),
        "MB": lambda row: f"{row['peak_mb']:,}",
    },
    "restoration": {
        "model": lambda row: f"`{row['model']}`",
        "parameters": lambda row: f"{row['parameters']:,}",
        "GMAC": lambda row: f"{row['gmac']:.3g}",
        "s per megapixel": lambda row: f"{row['seconds_per_megapixel']:.3g}",
        "MB": lambda row: f"{row['peak_mb']:,}",
    },
    "large-photographs": {
        "model": lambda row: f"`{row['model']}`",
        "megapixels": lambda row: f"{row['megapixels']:g}",
        "seconds": lambda row: f"{row['seconds']:.0f}",
        "of them system": lambda row: f"{row['system_seconds']:.1f}",
        "MB above the imports": lambda row: f"{row['peak_mb_above_imports']:,}",
    },
    "laboratory": {
        "model": lambda row: f"`{row['model']}`",
        "one worker (s)": lambda row: f"{row['wall_one']:.2f}",
        "a worker a core (s)": lambda row: f"{row['wall_all']:.2f}",
    },
    "launches": {
        "recipe": lambda row: f"`{row['recipe']}`",
        "waits before": lambda row: f"{row['before']['waits']}",
        "now": lambda row: f"{row['now']['waits']}",
        "launches before": lambda row: f"{row['before']['launches']:,}",
        "launches now": lambda row: f"{row['now']['launches']:,}",
    },
    "flops": {
        "training": lambda row: f"`{row['recipe']}` {row['preset']}",
        "parameters": lambda row: f"{row['parameters']:,}",
        "steps": lambda row: f"{row['steps']:,}",
        "TFLOP a step": lambda row: f"{row['tflop_per_step']:.2f}",
        "GPU hours": lambda row: f"{row['hours']:.2g}",
        "GB": lambda row: f"{row['memory_gb']:.1f}",
    },
}


def timed(rows):
    """Return how seconds were measured, if they were; operations are only counted."""
    if "clock" not in rows[0]:
        return ""
    loads = [row["load_average"][0] for row in rows]
    return (
        f" Seconds are {rows[0]['clock']}; the load average went from {min(loads)} to {max(loads)}."
    )


class BenchmarkDirective(MarkdownDirective):
    """``{benchmark} training`` shows data/results/benchmark-training.json as a table.

    ``:preset: gpu`` shows the rows of that preset alone.
    """

    required_arguments = 1
    option_spec: ClassVar = {"preset": directives.unchanged_required}

    def lines(self):
        """Return the table, or a warning (an error of the build) when nothing was measured."""
        path = RESULTS / f"benchmark-{self.arguments[0]}.json"
        self.env.note_dependency(str(path))
        if not path.exists():
            where = (self.env.docname, self.lineno)
            LOGGER.warning("%s does not exist", path.name, location=where)
            return []
        result = json.loads(path.read_text("utf-8"))
        columns = TABLES[self.arguments[0].removesuffix("-cuda")]
        wanted = self.options.get("preset")
        kept = [row for row in result["rows"] if wanted in (None, row.get("preset"))]
        rows = [[show(row) for show in columns.values()] for row in kept]
        table = [list(columns), ["---", *["--:"] * (len(columns) - 1)], *rows]
        verb = "Measured" if "clock" in result["rows"][0] else "Counted"
        return [
            *(f"| {' | '.join(cells)} |" for cells in table),
            "",
            f"{verb} on {result['machine']}, with PyTorch {result['versions']['torch']}, "
            f"{result['date']}, with `{result['command']}`.{timed(result['rows'])}",
        ]


def setup(app):
    """Register the directive."""
    app.add_directive("benchmark", BenchmarkDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
