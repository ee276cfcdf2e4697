"""``{ledger} virnet`` shows what the book has for every numbered table of a paper."""

from vbl_tables import MarkdownDirective

from vbl.evaluation import ledger
from vbl.evaluation.ledger import counts
from vbl.utils import DATA

MARKS = {"reproduced": "● reproduced", "substituted": "◐ substituted", "missing": "○ missing"}


class LedgerDirective(MarkdownDirective):
    """A table of the tables of one paper, by the beginning of their files' names."""

    required_arguments = 1

    def lines(self):
        """Return the table and a line of counts."""
        self.env.note_dependency(str(DATA / "papers" / "ledger.toml"))
        for result in (DATA / "results").glob("*.json"):
            self.env.note_dependency(str(result))
        entries = [e for e in ledger() if e.paper.startswith(f"{self.arguments[0]}_")]
        rows = ["| | what it shows | here | |", "|---|---|---|---|"]
        for entry in entries:
            number, page = entry.paper.rpartition("table")[2], f"{{doc}}`{entry.chapter}`"
            cells = (number, entry.title, MARKS[entry.state], f"{entry.text}. {page}")
            rows.append(f"| {' | '.join(cells)} |")
        told = ", ".join(f"{count} {state}" for state, count in counts(entries).items())
        return [*rows, "", f"Of {len(entries)} tables: {told}."]


def setup(app):
    """Register the directive."""
    app.add_directive("ledger", LedgerDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
