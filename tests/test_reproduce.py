"""The papers' tables: their values as shipped, our rows beside them, and the page they make."""

import csv
import importlib
import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import vbl_tables
from sphinx.application import Sphinx
from torch import nn

from vbl.degradations import case_noise_map
from vbl.evaluation import TABLES, compare, load_result, paper_values, reproduce
from vbl.evaluation.protocols import choose_protocol, variants
from vbl.evaluation.reproduce import METRICS, PAPERS
from vbl.evaluation.tables import Column, Table
from vbl.images import CATALOG, ImageSet, Sample
from vbl.models import Restoration
from vbl.restoration import methods
from vbl.utils import UnknownName

ROOT = Path(__file__).parent.parent


class Halves(nn.Module):
    """A model whose checkpoint exists."""

    def restore(self, y):
        return Restoration(y / 2)


class Guesses(nn.Module):
    """Another, which says of any picture that the noise grows from left to right up to 0.2."""

    def restore(self, y):
        level = torch.linspace(0, 0.2, y.shape[-1]).expand(1, 1, *y.shape[-2:])
        return Restoration(y, noise_std=level)


MODELS = {"halves": Halves, "guesses": Guesses}


@pytest.fixture
def table(monkeypatch):
    """A small table whose models are `input`, one that loads and one that does not."""
    spec = Table(
        paper="virnet_table2",
        protocol="virnet-table-2",
        models={"input": None, "halves": "DnCNN", "absent": "FFDNet*"},
        columns=(
            Column("CBSD68", "sigma=15", "grey", {"sigma": 15}),
            Column("Kodak24", "sigma=50", "grey", {"sigma": 50}),
        ),
    )
    grey = Sample("grey", torch.full((1, 3, 32, 32), 0.5))
    pictures = ImageSet("grey", {"grey": lambda: grey})

    def load(name):
        if name not in MODELS:
            raise UnknownName("model", name, MODELS)
        model = MODELS[name]()
        model.about = {"preset": "ship"}
        return model

    monkeypatch.setitem(TABLES, "a-table", spec)
    module = importlib.import_module("vbl.evaluation.evaluate")  # the function has its name
    monkeypatch.setattr(module, "find_pictures", lambda name: pictures)
    monkeypatch.setattr(methods, "load", load)


@pytest.fixture
def ours(table, monkeypatch):
    """A table of ours alone, of noise whose level varies."""
    spec = Table(
        paper=None,
        protocol="virnet-table-1",
        models={"input": None, "guesses": None, "tv+guesses": None, "tv+absent": None},
        columns=(Column("Grey", "Case 2", "grey", {"case": 2}),),
        about="Noise of the second case",
    )
    monkeypatch.setitem(TABLES, "ours", spec)


def run(folder, name="a-table", **options):
    return reproduce(name, device="cpu", folder=folder, **options)


def test_our_rows_stand_below_those_they_repeat(table, tmp_path):
    found = run(tmp_path)
    names = [(row.method, row.ours) for row in found.rows]
    assert names.index(("halves", True)) == names.index(("DnCNN", False)) + 1
    assert names[-1] == ("input", True)
    assert found.missing == ("absent",)
    assert found.columns == (("CBSD68", "sigma=15"), ("Kodak24", "sigma=50"))


def test_the_paper_has_no_value_where_only_we_measured(table, tmp_path):
    values = {row.method: row.values for row in run(tmp_path).rows}
    assert values["VIRNet"]["CBSD68", "sigma=15"] == {"psnr": 34.27, "ssim": 0.9340}
    assert ("Kodak24", "sigma=50") not in values["VIRNet"]
    assert values["input"]["CBSD68", "sigma=15"]["psnr"] == pytest.approx(24.61, abs=0.2)
    assert ("Kodak24", "sigma=50") in values["input"]


def test_a_partial_run_leaves_the_other_rows_alone(table, tmp_path):
    run(tmp_path, models=["input"])
    before = load_result("a-table", folder=tmp_path)
    after = run(tmp_path, models=["halves"])
    kept = load_result("a-table", folder=tmp_path)
    assert set(before["rows"]) == {"input"}
    assert kept["rows"]["input"] == before["rows"]["input"]
    assert kept["rows"]["halves"]["command"] == "vbl reproduce a-table --models halves"
    assert kept["rows"]["halves"]["scale"] == "ship"
    assert {row.method for row in after.rows if row.ours} == {"input", "halves"}


def test_a_printed_comparison_aligns_ours_with_the_papers(table, tmp_path):
    lines = str(run(tmp_path)).splitlines()
    assert lines[0] == "a-table: PSNR in dB / SSIM; ours are marked >"
    rows = lines[1:-1]
    assert len({len(line) for line in rows}) == 1
    assert re.search(r"^  VIRNet +34.27 / 0.9340 +-$", "\n".join(rows), re.M)
    assert re.search(r"^> input +[\d.]+ / [\d.]+ +14\.\d\d / [\d.]+$", "\n".join(rows), re.M)
    assert lines[-1] == "not measured yet: absent"


def test_unknown_tables_and_rows_are_answered_with_the_closest(table, tmp_path):
    with pytest.raises(UnknownName, match="did you mean virnet-table-2"):
        reproduce("virnet-table2")
    with pytest.raises(UnknownName, match="unknown row of a-table 'halvs'; did you mean halves"):
        run(tmp_path, models=["halvs"])


def test_a_table_of_ours_has_our_rows_and_no_others(ours, tmp_path):
    assert str(compare("ours", folder=tmp_path)).splitlines()[2:] == [
        "not measured yet: input, guesses, tv+guesses, tv+absent"
    ]
    found = run(tmp_path, "ours")
    names = [(row.method, row.ours) for row in found.rows]
    assert names == [("input", True), ("guesses", True), ("tv+guesses", True)]
    assert found.missing == ("tv+absent",)


def test_what_is_inferred_about_the_noise_is_kept_and_printed_below_the_scores(ours, tmp_path):
    found = run(tmp_path, "ours")
    truth = case_noise_map(2, 32, 32)
    guess = torch.linspace(0, 0.2, 32).expand(32, 32)
    pair = torch.stack([truth.flatten().float(), guess.flatten()])
    values = {row.method: row.values["Grey", "Case 2"] for row in found.rows}
    assert values["input"].keys() == {"psnr", "ssim"}
    for name in ("guesses", "tv+guesses"):
        correlation, ratio = torch.corrcoef(pair)[0, 1].item(), (0.1 / truth.mean()).item()
        assert values[name]["noise_correlation"] == pytest.approx(correlation, abs=1e-4)
        assert values[name]["noise_level_ratio"] == pytest.approx(ratio, abs=1e-4)
    lines = str(found).splitlines()
    titles = [METRICS[name][0] for name in ("noise_correlation", "noise_level_ratio")]
    assert [lines[5], lines[8]] == titles
    for line, name in zip(lines[6:8], ("guesses", "tv+guesses"), strict=True):
        assert line.split() == [">", name, f"{correlation:.3f}"]
        assert len(line) == len(lines[1])
    assert lines[9].split()[-1] == f"{ratio:.3f}"


@pytest.mark.parametrize("name", TABLES)
def test_a_table_names_columns_methods_and_sets_that_exist(name):
    spec = TABLES[name]
    printed = paper_values(spec.paper) if spec.paper else {}
    assert {method for method in spec.models.values() if method} <= set(printed)
    absent = {"DIV2K100", "Urban100", "LR256"}  # sets that the catalogue lacks; times, not scores
    cells = {cell for values in printed.values() for cell in values if cell[0] not in absent}
    ours = {(column.dataset, column.case) for column in spec.columns}
    assert cells <= ours
    for column in spec.columns:
        assert column.ours in CATALOG
        assert variants(choose_protocol(column.options, spec.protocol), column.options)


def test_every_value_of_the_papers_is_a_number_with_its_table():
    files = sorted(PAPERS.glob("*.csv"))
    assert files
    for path in files:
        with path.open(encoding="utf-8", newline="") as file:
            lines = list(csv.DictReader(file))
        assert list(lines[0]) == ["table", "method", "dataset", "case", "metric", "value"]
        assert {line["table"] for line in lines} == {path.stem}
        assert all(float(line["value"]) == float(line["value"]) for line in lines)


def test_the_papers_values_are_the_printed_ones():
    found = paper_values("virnet_table2")
    assert found["FFDNet*"]["CBSD68", "sigma=25"] == {"psnr": 31.20, "ssim": 0.8817}
    assert paper_values("vdir_table6")["JPEG"]["Classic5", "QF=10"]["ssim"] == 0.78


def test_every_source_of_values_is_in_the_bibliography():
    readme = (PAPERS / "README.md").read_text("utf-8")
    bibliography = (ROOT / "book" / "references.bib").read_text("utf-8")
    keys = re.findall(r"`(\w+\d{4}\w+)`", readme)
    assert keys
    assert all(f"{{{key}," in bibliography for key in keys)


@pytest.fixture
def page(table, tmp_path, monkeypatch):
    """Builds a page with one directive; returns its HTML and what Sphinx warned of."""
    results = tmp_path / "results"
    monkeypatch.setattr(vbl_tables, "compare", lambda name: compare(name, folder=results))
    source = tmp_path / "source"
    source.mkdir()

    def build(directive):
        (source / "index.md").write_text(f"# A page\n\n{directive}\n")
        (source / "one.bib").write_text((ROOT / "book" / "references.bib").read_text("utf-8"))
        warnings = io.StringIO()
        site = tmp_path / "site"
        app = Sphinx(
            srcdir=source,
            confdir=None,
            outdir=site,
            doctreedir=tmp_path / "doctrees",
            buildername="html",
            status=None,
            warning=warnings,
            confoverrides={
                "extensions": [
                    "myst_parser",
                    "sphinx_design",
                    "sphinxcontrib.bibtex",
                    "vbl_tables",
                ],
                "bibtex_bibfiles": ["one.bib"],
                "myst_enable_extensions": ["colon_fence"],
                "suppress_warnings": ["bibtex.missing_field"],
            },
        )
        app.build()
        return (site / "index.html").read_text("utf-8"), warnings.getvalue()

    build.results = results
    return build


@pytest.mark.parametrize("name", [name for name in TABLES if TABLES[name].paper])
def test_every_method_of_a_paper_that_is_shown_is_explained(name):
    theirs = {row.method.rstrip("*") for row in compare(name).rows if not row.ours}
    assert theirs - {"Bicubic", "JPEG"} <= set(vbl_tables.METHODS)


@pytest.mark.slow
def test_a_paper_table_has_a_caption_header_cells_and_marks_our_rows(page):
    run(page.results, models=["input", "halves"])
    html, _ = page("```{paper-table} a-table\n:sets: CBSD68\n```")
    assert re.search(r"<caption>.*VIRNet, Table 2 .*PSNR in dB", html)
    assert re.search(r'<th class="head"><p>CBSD68, σ = 15</p></th>', html)
    assert "Kodak24" not in html
    assert re.search(r'<th class="stub"><p>FFDNet\*</p></th>\s*<td><p>33.87</p></td>', html)
    assert re.search(r'<th class="stub"><p>ours: input</p></th>\s*<td><p>24\.', html)
    marked = re.findall(r'<tr class="[^"]*vbl-ours[^"]*"><th class="stub"><p>(.*?)</p>', html)
    assert sorted(marked) == ["ours: halves", "ours: input"]
    assert re.search(r"<caption>.* \*: told the noise level\.", html)
    assert re.search(r"S2S</strong>: Self2Self: ", html)
    assert re.search(r"halves</strong>: ship scale.*; measured \d{4}-.* CPU cores", html)


@pytest.mark.slow
def test_a_table_of_an_inferred_quantity_leaves_out_who_infers_none(page, ours, monkeypatch):
    run(page.results, "ours")
    html, _ = page("```{paper-table} ours\n:metric: noise_correlation\n```")
    assert re.search(
        r"<caption>.*>Noise of the second case: our rows alone\. Correlation of the inferred noise",
        html,
    )
    assert re.findall(r'<th class="stub"><p>(.*)</p></th>', html) == ["guesses", "tv+guesses"]
    assert re.search(r"<td><p>-?0\.\d{3}</p></td>", html)
    assert re.search(r"tv\+guesses</strong>: ship scale", html)
    beside = replace(TABLES["a-table"], models={"guesses": None})
    monkeypatch.setitem(TABLES, "a-table", beside)
    run(page.results)
    html, _ = page("```{paper-table} a-table\n:metric: noise_level_ratio\n```")
    assert re.search(r"<caption>.*Our rows of VIRNet, Table 2 .*Inferred noise level over", html)
    assert re.findall(r'<th class="stub"><p>(.*)</p></th>', html) == ["guesses"]


@pytest.mark.slow
def test_a_table_without_a_result_warns_with_the_command(page):
    html, warnings = page("```{paper-table} a-table\n```")
    assert "no result 'a-table', psnr: run `vbl reproduce a-table`" in warnings
    assert "<table" not in html
    run(page.results, models=["input"])
    html, _ = page("```{paper-table} a-table\n:metric: ssim\n```")
    assert re.search(r"<p>0.9288</p>", html)
