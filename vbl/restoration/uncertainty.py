"""Where a restored picture is not to be trusted: intervals with a promise, for some checkpoints.

The interval around each value is as wide as `vbl.restoration.error_scale` predicts, times a
conformal factor (`vbl.evaluation.conformal_quantile`): 90 % of the values of a picture *like those
of the calibration* lie inside, on average over such pictures. Of a picture of another kind the map
still says where errors are larger, and promises nothing.
"""

from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn

from vbl.models import Restoration
from vbl.restoration.error_scale import REACH, ErrorScale
from vbl.utils import look_up

LEVEL = 0.9


@dataclass(frozen=True)
class Interval:
    """A calibrated interval.

    Attributes:
        scale: Of the error.
        factor: Half the width of the interval of probability `LEVEL`, over the scale.
    """

    scale: ErrorScale
    factor: float


# `python benchmarks/calibration.py` fits them, part "intervals", on every second picture of CBSD68
INTERVALS: dict[str, Interval] = {
    "virnet-photo": Interval(ErrorScale(0.2308, 0.5053, 0.2672), 2.519),
    "virnet-denoise": Interval(ErrorScale(0.3192, 0.5904, 0.3705), 2.393),
    "vdn-denoise": Interval(ErrorScale(0.3291, 0.5924, 0.3771), 2.392),
}


class WithUncertainty(nn.Module):
    """A denoiser that infers a noise map, and says how far off its restoration may be.

    Args:
        model: The denoiser.
        name: Of its checkpoint, a key of `INTERVALS`.

    Raises:
        UnknownName: If there is no interval of that name.
    """

    reach = REACH  # in pixels of the restored image, beyond what the model sees

    def __init__(self, model: nn.Module, name: str):
        super().__init__()
        self.model, self.interval = model, look_up("calibrated model", name, INTERVALS)

    def restore(self, y: Tensor, **options: Any) -> Restoration:
        """What the model says, with the half-widths of the intervals."""
        found = self.model.restore(y, **options)
        scale = self.interval.scale(found.image, found.noise_std)
        return replace(found, uncertainty=self.interval.factor * scale)
