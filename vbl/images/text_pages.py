"""Synthetic text pages: words of ten languages in paragraphs, headings, tables and figures.

The fonts are Matplotlib's; each has all letters that are used here.
"""

from collections.abc import Iterator
from functools import cache

import numpy as np
import torch
from jaxtyping import Float
from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from vbl.images.synthetic import check_size, numpy_rng


def text_page(
    size: tuple[int, int] = (256, 256),
    *,
    n: int = 1,
    type_size: tuple[int, int] = (12, 32),
    generator: torch.Generator | None = None,
) -> Float[Tensor, "n 1 h w"]:
    """Grey images in [0, 1] of dark text on light paper, for text deblurring.

    Args:
        size: Height and width in pixels, at least 1 each.
        n: Number of pages.
        type_size: Smallest and largest font size in pixels, at least 4.

    Raises:
        ValueError: If a side, `n` or the font size is too small.
    """
    check_size(size, n)
    if not 4 <= type_size[0] <= type_size[1]:
        raise ValueError(f"type_size: expected 4 <= smallest <= largest, got {type_size}")
    rng = numpy_rng(generator)
    pages = np.stack([typeset(*size, rng, type_size) for _ in range(n)])
    return torch.from_numpy(pages).unsqueeze(1)


FACES = {  # font of a text -> font of its headings
    "DejaVuSans": "DejaVuSans-Bold",
    "DejaVuSans-Oblique": "DejaVuSans-Bold",
    "DejaVuSans-Bold": "DejaVuSans-Bold",
    "DejaVuSansMono": "DejaVuSansMono-Bold",
    "DejaVuSerif": "DejaVuSerif-Bold",
    "DejaVuSerif-Italic": "DejaVuSerif-Bold",
    "STIXGeneral": "STIXGeneralBol",
    "STIXGeneralItalic": "STIXGeneralBol",
}
WORDS = {
    language: tuple(words.split())
    for language, words in {
        "English": "a and are as blur each for from hand how image in is it kernel light noise of "
        "on page pixel prior quick see sharp that the this through we what which word zigzag",
        "Czech": "aby bílý černý člověk dvě ještě každý který mezi město může není něco obraz "
        "písmo podle první příliš řeka se světlo šum také tři už však žlutý",
        "French": "à avec bruit ça ce cette château clé dès déjà elle été être floue forêt garçon "
        "hôpital image là lumière maître même naïf noël où page plusieurs très un",
        "German": "auf aus bei Bild das der Größe größer hören ihr können Kern Licht man mögen "
        "Rauschen Schärfe schön Straße süß über und Unschärfe viel was Wörter zwölf für",
        "Greek": "αλλά από για δύο εικόνα είναι ένα ή θόρυβος και κάθε λέξη με μια νύχτα ο οι όταν "
        "πολύ που προς σελίδα στο τη το φως ψηφίο ως",
        "Hungarian": "az betű csak egy élő és fény fűző ha hogy idő is kép könyv között már meg "
        "minden nagy nem őszi szó több tükör új után út vagy zaj",
        "Polish": "być ciąg czy dla dźwięk gdzie ich jest już każdy książka który litera łuk może "
        "nie obraz od pięć przed są się strona szum światło też więc źródło żółty",
        "Russian": "без будет было весь вы где для его если ещё журнал из изображение как который "
        "между на объект очень после размытие свет слово строка также что шум это",
        "Spanish": "ahora años aquí así cada como corazón después día donde él entre esta imagen "
        "letra luz más mismo muy niño página pingüino qué ruido según también todo ya",
        "Turkish": "ağaç ama bir böyle çok daha değil düş en gibi görüntü gün güzel her için ışık "
        "kadar kitap küçük ne olan öğrenci sayfa ses şey üç ve yağmur yazı",
    }.items()
}
STOPS = (".", ".", ".", "?", "!", ":")


def typeset(
    height: int, width: int, rng: np.random.Generator, type_size: tuple[int, int]
) -> np.ndarray:
    """One page of `height` x `width` pixels, float32 (H, W) in [0, 1].

    The font size is log-uniform between the two of `type_size`, in pixels.
    """
    paper, ink = rng.uniform(0.85, 1.0), rng.uniform(0.0, 0.25)
    page = Image.new("L", (width, height), round(255 * paper))
    size = round(np.exp(rng.uniform(*np.log(type_size))))
    printer = _Printer(page, round(255 * ink), size, rng)
    measure = round(size * rng.uniform(12, 30))  # width of a column
    left = -int(rng.integers(0, measure // 2))
    while left < width:
        printer.fill_column(left, measure)
        left += measure + 2 * size
    return np.asarray(page, np.float32) / 255


@cache
def _font(face: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(f"{get_data_path()}/fonts/ttf/{face}.ttf", size)


class _Printer:
    """Draws one page with a random font, language and alignment."""

    def __init__(self, page: Image.Image, ink: int, size: int, rng: np.random.Generator):
        self.rng, self.ink, self.size = rng, ink, size
        self.height, self.draw = page.height, ImageDraw.Draw(page)
        face = str(rng.choice(list(FACES)))
        self.font, self.heavy = _font(face, size), _font(FACES[face], round(1.3 * size))
        self.leading = round(size * rng.uniform(1.15, 1.5))
        self.words = _prose(WORDS[str(rng.choice(list(WORDS)))], rng)
        self.ends = str(rng.choice(["ragged", "ragged", "justified", "centred"]))

    def fill_column(self, left: int, measure: int) -> None:
        """Set blocks one below the other down to the end of the page."""
        top = int(self.rng.integers(-2 * self.size, self.size))
        while top < self.height:
            block = self._paragraph
            if self.rng.uniform() < 0.4:
                others = (self._heading, self._table, self._figure)
                block = others[self.rng.choice(3, p=(0.55, 0.3, 0.15))]
            top = block(left, top, measure) + round(self.leading * self.rng.uniform(0.2, 0.8))

    def _paragraph(self, left: int, top: int, measure: int) -> int:
        count = int(self.rng.integers(2, 9))
        for number in range(count):
            if -self.leading < top < self.height:
                words = self._line(self.font, measure)
                justified = self.ends == "justified" and number < count - 1
                (self._spread if justified else self._set)(words, left, top, measure, self.font)
            top += self.leading
        return top

    def _heading(self, left: int, top: int, measure: int) -> int:
        self._set(self._line(self.heavy, measure), left, top, measure, self.heavy)
        return top + round(1.3 * self.leading)

    def _line(self, font: ImageFont.FreeTypeFont, measure: int) -> list[str]:
        """Words for one line; a word that does not fit is dropped."""
        words = [next(self.words)]
        while font.getlength(" ".join(longer := [*words, next(self.words)])) <= measure:
            words = longer
        return words

    def _set(self, words: list[str], left: int, top: int, measure: int, font) -> None:
        line = " ".join(words)
        if self.ends == "centred":
            left += round((measure - font.getlength(line)) / 2)
        self.draw.text((left, top), line, fill=self.ink, font=font)

    def _spread(self, words: list[str], left: int, top: int, measure: int, font) -> None:
        """A justified line: the remaining width is divided among the gaps."""
        lengths = [font.getlength(word) for word in words]
        gap = (measure - sum(lengths)) / max(len(words) - 1, 1)
        for word, length in zip(words, lengths, strict=True):
            self.draw.text((left, top), word, fill=self.ink, font=font)
            left += length + gap

    def _table(self, left: int, top: int, measure: int) -> int:
        """Words and numbers between rules."""
        rows, columns = int(self.rng.integers(2, 6)), max(2, measure // (5 * self.size))
        width, right = measure / columns, left + measure
        thickness = max(1, self.size // 12)
        for _ in range(rows):
            self.draw.line([(left, top), (right, top)], fill=self.ink, width=thickness)
            for column in range(columns):
                cell = next(self.words) if column == 0 else f"{self.rng.uniform(0, 100):.1f}"
                place = (round(left + column * width), top + self.size // 8)
                self.draw.text(place, cell, fill=self.ink, font=self.font)
            top += self.leading
        self.draw.line([(left, top), (right, top)], fill=self.ink, width=thickness)
        return top

    def _figure(self, left: int, top: int, measure: int) -> int:
        """A curve or bars between axes."""
        height, right = round(measure * self.rng.uniform(0.3, 0.6)), left + measure
        thickness, count = max(1, self.size // 10), int(self.rng.integers(6, 16))
        bottom = top + height
        x = np.linspace(left + 2 * thickness, right, count)
        y = bottom - height * self.rng.uniform(0.1, 1.0, count)
        if self.rng.uniform() < 0.5:
            self.draw.line(list(zip(x, y, strict=True)), fill=self.ink, width=2 * thickness)
        else:
            half = measure / count / 4
            for middle, high in zip(x, y, strict=True):
                self.draw.rectangle([middle - half, high, middle + half, bottom], fill=self.ink)
        axes = [(left, top), (left, bottom), (right, bottom)]
        self.draw.line(axes, fill=self.ink, width=thickness)
        return bottom


def _prose(words: tuple[str, ...], rng: np.random.Generator) -> Iterator[str]:
    """An endless sequence of sentences, of words and a few numbers."""
    begins = True
    while True:
        word = str(rng.integers(1, 2000)) if rng.uniform() < 0.05 else str(rng.choice(words))
        word = word[0].upper() + word[1:] if begins else word
        begins = rng.uniform() < 0.12
        comma = "," if rng.uniform() < 0.1 else ""
        yield word + (str(rng.choice(STOPS)) if begins else comma)
