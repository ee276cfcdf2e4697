"""The page about the data and the catalogue say the same."""

from pathlib import Path

from vbl.images.catalog import CATALOG, DOWNLOADS, PHOTOGRAPHS, Folder


def test_the_page_about_the_data_states_what_the_catalogue_states():
    page = (Path(__file__).parents[1] / "book" / "data.md").read_text("utf-8")
    for name, picture in PHOTOGRAPHS.items():
        row = f"| `{name}` | [{picture.title}]({picture.source}) | {picture.author} | "
        assert row + picture.licence in page
    for name, entry in CATALOG.items():
        if not isinstance(entry, Folder):
            continue
        row = f"| `{name}` | [{entry.about}]({entry.source}) | {entry.files} | {entry.licence} |"
        assert row in page
    for name, entry in DOWNLOADS.items():
        assert entry.source in page
        assert f"`{name}`" in page or f"[{name}]" in page
