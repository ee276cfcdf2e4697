"""Pictures: files, sets, crops, colour, synthetic images; float32 ``(B, C, H, W)`` in [0, 1]."""

from vbl.images.catalog import CATALOG, PHOTOGRAPHS
from vbl.images.colour import grey, linear_to_srgb, luma, srgb_to_linear
from vbl.images.crops import Pixels, middle, pack, random_crops
from vbl.images.datasets import (
    DataUnavailable,
    ImageSet,
    Sample,
    find_pictures,
    open_dataset,
    open_folder,
    open_set,
    photo,
    training_set,
)
from vbl.images.files import read, write
from vbl.images.formats import SUFFIXES, UnreadableImage
from vbl.images.picture import Picture, open_picture
from vbl.images.synthetic import dead_leaves
from vbl.images.text_pages import text_page
