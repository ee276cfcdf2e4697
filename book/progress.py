"""How far long jobs are: a line that a terminal keeps rewriting, and a line a minute in a log."""

import asyncio
import shutil
import sys


class Progress:
    """Prints the jobs that run; each is a string that changes with time.

    Attributes:
        running: The jobs. Add one when it starts, remove it when it ends.
    """

    def __init__(self):
        self.running = []
        self.live = sys.stdout.isatty()

    def say(self, line, end="\n"):
        """Print a line, on a terminal over the one that is there."""
        columns = shutil.get_terminal_size().columns - 1 if self.live else 0
        print(f"{line:<{columns}}", end=end, flush=True)

    def show(self):
        """Print where the jobs are."""
        if self.live:
            columns = shutil.get_terminal_size().columns - 1
            self.say("  " + " | ".join(map(str, self.running))[: columns - 2], end="\r")
        else:
            for job in self.running:
                self.say(f"  {job}")

    async def watch(self):
        """Show them every second on a terminal, every minute in a log, until cancelled."""
        try:
            while True:
                await asyncio.sleep(1 if self.live else 60)
                self.show()
        finally:
            if self.live:
                self.say("", end="\r")
