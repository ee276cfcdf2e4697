"""The pictures behind the cells of chapter 9's matrix.

    python benchmarks/side_by_side_pictures.py

Two pictures that may be shown, a photograph and a page, as every system of
data/results/side-by-side.json restores them after each damage. Draws
book/_ext/assets/side-by-side/KIND-DAMAGE.webp: tiles of 96 x 96 pixels, six in a row; first what is
given and the truth, then the systems in the order of the result.
"""

from collections.abc import Iterator

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from vbl.evaluation import load_result
from vbl.evaluation.side_by_side import DAMAGES, NoRoad, damaged, travelled
from vbl.images import photo, text_page
from vbl.restoration import find_method
from vbl.utils import DATA, seeded

FOLDER = DATA.parent / "book" / "_ext" / "assets" / "side-by-side"
SIDE, TILE, COLUMNS = 192, 96, 6


def scenes() -> dict[str, Tensor]:
    """Kind of picture -> the clean picture."""
    generator = seeded("cpu", "side by side", "page")
    page = text_page((SIDE, SIDE), type_size=(14, 16), generator=generator)
    face = photo("astronaut")[..., :SIDE, 130 : 130 + SIDE]
    return {"photographs": face, "pages": page.expand(-1, 3, -1, -1)}


def tiles(x: Tensor, damage: str, systems: list[str]) -> Iterator[Tensor]:
    """What is given, the truth, and what each system makes of it; grey where it cannot."""
    pair = damaged(damage, x)
    yield pair.y.repeat_interleave(pair.scale, -1).repeat_interleave(pair.scale, -2)
    yield pair.x
    for system in systems:
        try:
            yield travelled(find_method(system, torch.device("cpu")), pair).restored.image
        except NoRoad:
            yield torch.full_like(x, 0.5)


def middle(image: Tensor) -> np.ndarray:
    """The part that is shown, in 8 bits (96, 96, 3)."""
    start = (SIDE - TILE) // 2
    part = image[0, :, start : start + TILE, start : start + TILE].clamp(0, 1)
    return (255 * part).round().byte().permute(1, 2, 0).numpy()


@torch.inference_mode()
def main() -> None:
    """Draw all sheets."""
    torch.set_num_threads(1)
    FOLDER.mkdir(exist_ok=True)
    systems = list(dict.fromkeys(row["system"] for row in load_result("side-by-side")["cells"]))
    for kind, x in scenes().items():
        for damage in DAMAGES:
            shown = [middle(tile) for tile in tiles(x, damage, systems)]
            rows = -(-len(shown) // COLUMNS)
            sheet = np.full((rows * TILE, COLUMNS * TILE, 3), 255, np.uint8)
            for place, tile in enumerate(shown):
                row, column = (TILE * n for n in divmod(place, COLUMNS))
                sheet[row : row + TILE, column : column + TILE] = tile
            path = FOLDER / f"{kind}-{damage}.webp"
            Image.fromarray(sheet).save(path, quality=80, method=6)
            print(path.name, flush=True)


if __name__ == "__main__":
    main()
