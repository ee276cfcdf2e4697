"""The ledger: no table of a paper is forgotten, and what is said of it is true."""

import csv

import pytest
import vbl_ledger

from vbl.cli.main import main
from vbl.evaluation import TABLES, compare, ledger
from vbl.evaluation.ledger import STATES, counts
from vbl.evaluation.reproduce import PAPERS
from vbl.utils import DATA

ENTRIES = {entry.paper: entry for entry in ledger()}
NUMBERS = {"virnet": 11, "vdir": 11, "ludvae": 6, "vbdeblur": 8}


def test_every_numbered_table_is_there_once_and_in_order():
    expected = [f"{paper}_table{n}" for paper, last in NUMBERS.items() for n in range(1, last + 1)]
    assert list(ENTRIES) == expected
    assert {path.stem for path in PAPERS.glob("*.csv")} <= set(ENTRIES)


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=str)
def test_what_stands_for_a_table_exists(entry):
    assert entry.state in STATES
    for result in entry.results:
        assert (DATA / "results" / f"{result}.json").is_file()
    assert list((DATA.parent / "book").glob(f"{entry.chapter}.*"))
    reproduced = any(table.paper == entry.paper for table in TABLES.values())
    assert reproduced == (entry.state == "reproduced")
    assert reproduced or "needs" in entry.text


def test_the_distance_is_the_mean_over_the_columns_that_both_have():
    table = compare("virnet-table-7")
    printed = {}
    with (PAPERS / "virnet_table7.csv").open() as file:
        for line in csv.DictReader(file):
            if line["method"] == "FFDNet_GT":
                printed[line["dataset"], line["case"]] = float(line["value"])
    (ours,) = [row for row in table.rows if row.method == "ffdnet"]
    mean = sum(ours.values[cell]["psnr"] - value for cell, value in printed.items()) / len(printed)
    assert f"ffdnet {mean:+.2f} dB against FFDNet_GT" in ENTRIES["virnet_table7"].text


def test_sets_that_are_not_compared_are_named():
    assert ENTRIES["vdir_table1"].text.endswith("not compared: Urban100")
    assert "not compared" not in ENTRIES["virnet_table7"].text


def test_the_command_line_prints_it(capsys):
    assert main(["reproduce", "--all", "--dry-run"]) == 0
    printed = capsys.readouterr().out
    assert all(f"{paper}: {entry.title}" in printed for paper, entry in ENTRIES.items())
    total = counts(ENTRIES.values())
    assert ", ".join(f"{n} {state}" for state, n in total.items()) in printed
    assert "vbl reproduce virnet-table-2" in printed


@pytest.mark.parametrize("line", (["reproduce"], ["reproduce", "x", "--all"]))
def test_a_table_or_all_is_asked_for(line, capsys):
    assert main(line) == 2
    assert "--all" in capsys.readouterr().err


def test_the_page_has_a_row_for_each_table_of_a_paper():
    assert set(vbl_ledger.MARKS) == set(STATES)
