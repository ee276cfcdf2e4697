"""``vbl data``: the sets of pictures."""

from dataclasses import dataclass
from typing import Annotated

from tyro.conf import Positional, arg

from vbl.cli.commands.arguments import Folder


@dataclass(frozen=True)
class List:
    """Say which sets are on this machine and which can be fetched, with their terms.
    $ vbl data list
    """

    def run(self) -> None:
        """Print three lines for each set."""
        from vbl.cli.printing import set_lines

        print(*set_lines(), sep="\n")


@dataclass(frozen=True, kw_only=True)
class Fetch:
    """Download a public set and verify its checksums.
    $ vbl data fetch kodak24_original

    Attributes:
        name: Of the set; vbl data list shows which can be fetched.
        folder: Where to keep it; the cache folder (VBL_CACHE) unless given.
    """

    name: Annotated[Positional[str], arg(metavar="NAME")]
    folder: Folder = None

    def run(self) -> None:
        """Fetch; say where it is and on which terms."""
        from vbl.cli.printing import presence
        from vbl.images.catalog import CATALOG, DOWNLOADS
        from vbl.images.download import fetch

        if self.name in CATALOG:
            raise ValueError(f"{self.name} is not for download; it is {presence(self.name)}")
        folder = fetch(self.name, folder=self.folder)
        print(f"{self.name} is in {folder}\nterms: {DOWNLOADS[self.name].licence}")


@dataclass(frozen=True)
class Data:
    """See which sets of pictures there are, and fetch public ones.
    $ vbl data list
    """

    what: List | Fetch

    def run(self) -> None:
        """Run the subcommand."""
        self.what.run()
