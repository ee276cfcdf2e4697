"""``vbl adapt``: the noise of a camera, found and removed."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from vbl.cli.commands.arguments import INTERRUPTED, Device, Flag, Folder, check_device, says


@dataclass(frozen=True, kw_only=True)
class Adapt:
    """Find the noise of your camera from noisy and clean pictures, no pairs, and remove it.
    $ vbl adapt noisy/ clean/ -o mycamera --minutes 30
    $ vbl restore night.jpg --model mycamera -o out

    Attributes:
        noisy: A folder of noisy pictures; ten or more are advised.
        clean: A folder of clean pictures of anything; unless given, the book's photographs.
        out: A new folder for the weights, a report (report.html) and the run.
        learn: Let a LUD-VAE learn the noise, for three quarters of the time; else it is Gaussian.
            Either is made as strong and coloured as the noisy pile's.
        minutes: Of training; it finds out how many steps they are worth here.
        burst: A folder of four exposures or more of one scene, to measure on without a truth.
        device: A GPU where there is one, unless given.
        seed: Of the first weights and of everything drawn.
        resume: Go on with what is in the folder.
    """

    noisy: Annotated[Positional[Path], arg(metavar="NOISY")]
    clean: Annotated[Positional[Path | None], says("CLEAN")] = None
    out: Annotated[Path, arg(aliases=["-o"], metavar="FOLDER")]
    learn: Flag = False
    minutes: Annotated[float, arg(metavar="X")] = 30.0
    burst: Folder = None
    device: Device = None
    seed: Annotated[int, arg(metavar="N")] = 0
    resume: Flag = False

    def run(self) -> int:
        """Adapt; say what is doubtful, and how to use the result or to go on."""
        check_device("adapt", self.device)
        from vbl.cli.adapt import measured, write_report
        from vbl.training import adapt

        names = ("learn", "minutes", "device", "seed", "resume")
        options = {name: getattr(self, name) for name in names}
        made = adapt(self.noisy, self.clean, self.out, **options)
        print(*made.doubts, sep="\n", end="\n" if made.doubts else "")
        if made.weights is None:
            print(
                f"stopped; to go on, give the same line with --resume. The state is in {self.out}"
            )
            return INTERRUPTED
        found = measured(made, self.burst)
        write_report(self.out / "report.html", made, found)
        print(*found.doubts, sep="\n", end="\n" if found.doubts else "")
        for name, (taken, added) in found.rows.items():
            print(f"noise taken out, {name}: {taken:.2f} (made: {added:.2f})")
        for name, value in found.burst.items():
            print(f"split-half of the burst, {name}: {value:.2f} dB")
        print(f"the report is {self.out / 'report.html'}. To restore a picture:")
        line = ["vbl", "restore", "PHOTO", "--model", str(made.weights), "-o", "restored"]
        print(f"  {shlex.join(line)}")
        return 0
