"""``vbl evaluate``: a network on a set."""

import json
import sys
from dataclasses import dataclass
from typing import Annotated

from tyro.conf import Positional, arg

from vbl.cli.commands.arguments import Device, Flag, Number, Text, check_device, says, weights_of


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Measure a network on a set: PSNR and SSIM of each picture, and their means.
    $ vbl evaluate ffdnet cbsd68 --sigma 25
    $ vbl evaluate virnet-sr-x4 set14 --scale 4 --kernel all --sigma 2.55

    Attributes:
        model: A name in vbl info, a weights file, a run's folder, or A+B: A with what B infers.
        dataset: A set (vbl data list), or a folder of pictures or of pairs NAME_noisy, NAME_clean.
        sigma: Add white noise of this standard deviation, on the scale of 0 to 255.
        case: Add noise whose level varies over the picture: VIRNet's case 1, 2 or 3.
        scale: Blur and reduce the pictures by this factor.
        kernel: Which of the blur kernels of that factor, by number.
        quality: Compress the pictures as JPEG of quality 1 to 100.
        protocol: The noise stream and the convention of a published table.
        device: A GPU where there is one, unless given.
        json: Print one JSON object instead of a table.
        save: Keep the result in data/results under this name.
    """

    model: Annotated[Positional[str], arg(metavar="MODEL")]
    dataset: Annotated[Positional[str], arg(metavar="DATASET")]
    sigma: Annotated[float | None, says("X")] = None
    case: Number = None
    scale: Number = None
    kernel: Annotated[str | None, says("N|all")] = None
    quality: Number = None
    protocol: Text = None
    device: Device = None
    json: Flag = False
    save: Text = None

    def run(self) -> None:
        """Evaluate and print."""
        from vbl.cli.printing import report_lines
        from vbl.evaluation import evaluate, save_result
        from vbl.utils import find_device

        check_device("evaluate", self.device)
        degradation = ("sigma", "case", "scale", "kernel", "quality")
        options = {name: getattr(self, name) for name in (*degradation, "protocol", "device")}
        report = evaluate(weights_of(self.model), self.dataset, **options)
        if self.save:
            path = save_result(self.save, report.to_json(), device=find_device(self.device))
            print(f"kept in {path}", file=sys.stderr)
        print(json.dumps(report.to_json()) if self.json else "\n".join(report_lines(report)))
