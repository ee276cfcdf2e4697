"""``vbl restore``: photographs of any size."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from vbl.cli.commands.arguments import (
    Device,
    Flag,
    Number,
    UsageError,
    check_device,
    says,
    weights_of,
)


@dataclass(frozen=True, kw_only=True)
class Restore:
    """Restore photographs of any size, and show the noise that was inferred.
    $ vbl restore night.jpg -o out
    $ vbl restore holidays -r -o out --format jpg
    $ vbl restore a.png b.png -o out --model ffdnet --sigma 25

    Writes night_restored.png, night_side_by_side.png and what the model infers: the noise's
    standard deviation, night_noise_std.png and .npy, and the blur, night_kernel.png and .json.
    --uncertainty adds how far off a value may be, night_uncertainty.png and .npy: of pictures like
    those of the calibration, 90 % of the values lie within.
    What has been restored before is not restored again.

    Attributes:
        photos: Files, folders, quoted patterns, or - for standard input.
        out: A folder, or for one photograph the file that it becomes; - for standard output.
        model: A name that vbl info lists, a .safetensors file or the folder of a run.
        sigma: Noise level from 0 to 255, for a model that must be told.
        format: png, jpg, tif, webp or avif; png, and tif for floating point, unless given.
        recursive: Look into the folders of folders.
        tile: Side of the tiles in which a large photograph is restored; smaller takes less memory.
        ensemble: Average over the eight rotations and reflections.
        uncertainty: Write a map of where the result is not to be trusted.
        full_range: Scale a picture by its own smallest and largest value.
        strip: Leave out the colour profile, EXIF, the resolution and the date.
        max_pixels: Refuse larger pictures.
        skip_existing: It is no error that the only photograph has been restored before.
        overwrite: Replace what is there of the names that are written; else it is refused.
        quiet: Print errors only.
        threads: Of the CPU; all its cores unless given.
        device: A GPU where there is one, unless given.
    """

    photos: Annotated[Positional[tuple[Path, ...]], says("PHOTO ...")]
    out: Annotated[Path, arg(aliases=["-o"], metavar="FOLDER|FILE")]
    model: Annotated[str, arg(metavar="MODEL")] = "virnet-photo"
    sigma: Annotated[float | None, says("X")] = None
    format: Annotated[str | None, says("FORMAT")] = None
    recursive: Annotated[bool, arg(aliases=["-r"], help_behavior_hint="")] = False
    tile: Number = None
    ensemble: Flag = False
    uncertainty: Flag = False
    full_range: Annotated[bool, arg(name="range", help_behavior_hint="")] = False
    strip: Flag = False
    max_pixels: Annotated[int, arg(metavar="N")] = 250_000_000
    skip_existing: Flag = False
    overwrite: Flag = False
    quiet: Flag = False
    threads: Number = None
    device: Device = None

    def run(self) -> None:
        """Restore what can be restored; name the others at the end."""
        import torch

        from vbl.cli.batch import restore_batch
        from vbl.models import load
        from vbl.restoration import WithUncertainty

        self._check()
        if self.threads is not None:
            torch.set_num_threads(self.threads)
        names = [field.name for field in fields(self)]
        for own in ("photos", "out", "model", "format", "threads", "uncertainty"):
            names.remove(own)
        options = {name: getattr(self, name) for name in names}
        model = load(weights_of(self.model))
        if self.uncertainty:
            model = WithUncertainty(model, self.model)
        restore_batch(model, self.photos, self.out, suffix=self._suffix, **options)

    @property
    def _suffix(self) -> str:
        return f".{self.format.lower().lstrip('.')}" if self.format is not None else ""

    def _check(self) -> None:
        from vbl.images.formats import EXTRA_SUFFIXES, SUFFIXES
        from vbl.images.picture_writer import FORMATS

        if not self.photos:
            raise UsageError("restore: expected at least one PHOTO")
        for name in ("threads", "tile", "max_pixels"):
            value = getattr(self, name)
            if value is not None and value < 1:
                option = f"--{name.replace('_', '-')}"
                raise UsageError(f"restore: {option}: expected at least 1, got {value}")
        if self.sigma is not None and not 0 <= self.sigma <= 255:
            expected = "expected a noise level from 0 to 255"
            raise UsageError(f"restore: --sigma: {expected}, got {self.sigma:g}")
        check_device("restore", self.device)
        suffixes = {"--format": self._suffix, "--out": self.out.suffix.lower()}
        if suffixes["--out"] not in (*SUFFIXES, *EXTRA_SUFFIXES) or self.out.is_dir():  # a folder
            del suffixes["--out"]
        if self.uncertainty and ("--out" in suffixes or self.out == Path("-")):
            raise UsageError(f"restore: --uncertainty: expected a folder for --out, got {self.out}")
        for option, suffix in suffixes.items():
            if suffix and suffix not in FORMATS:
                expected = f"expected one of {', '.join(FORMATS)}"
                raise UsageError(f"restore: {option}: {expected}, got {suffix}")
