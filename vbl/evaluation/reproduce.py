"""The papers' tables with our rows, which are recomputed and stored in data/results.

::

    print(reproduce("virnet-table-2"))                      all our rows
    print(reproduce("virnet-table-2", models=["resunet"]))  that row; the others stay as they were
    print(compare("virnet-table-2"))                        the stored rows
"""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vbl.evaluation.evaluate import INFERRED, evaluate
from vbl.evaluation.results import load_result, provenance, save_result
from vbl.evaluation.tables import TABLES, Table
from vbl.images import DataUnavailable
from vbl.restoration import Method, find_method
from vbl.utils import DATA, UnknownName, find_device, look_up

PAPERS = DATA / "papers"

Cell = tuple[str, str]  # data set and case, by the paper's names

# The values of a cell, each with its title and format
METRICS: dict[str, tuple[str, str]] = {
    "psnr": ("PSNR in dB", ".2f"),
    "ssim": ("SSIM", ".4f"),
    "noise_correlation": ("Correlation of the inferred noise map with the true one", ".3f"),
    "noise_level_ratio": ("Inferred noise level over the true one", ".3f"),
    "kernel_mse": ("Mean squared error of the inferred kernel", ".2e"),
    "kernel_cosine": ("Cosine between the inferred kernel and the true one", ".3f"),
}


@dataclass(frozen=True)
class Row:
    """One row of a comparison.

    Attributes:
        method: Its name, the paper's or ours.
        ours: Whether it is our measurement.
        values: By data set and case: those of `METRICS` that are known.
        about: Scale, machine, date and so on of our rows.
    """

    method: str
    ours: bool
    values: Mapping[Cell, Mapping[str, float]]
    about: Mapping[str, Any]

    def has(self, metric: str, columns: Iterable[Cell]) -> bool:
        """Whether a metric is known in any of the columns."""
        return any(metric in self.values.get(column, {}) for column in columns)


@dataclass(frozen=True)
class Comparison:
    """A table of a paper with our rows below those they reproduce, or our rows alone.

    Attributes:
        name: A key of `vbl.evaluation.TABLES`.
        columns: Data set and case of each.
        rows: The paper's, if any, and ours.
        missing: Our models without a row.
    """

    name: str
    columns: tuple[Cell, ...]
    rows: tuple[Row, ...]
    missing: tuple[str, ...]

    def __str__(self) -> str:
        width = max((len(row.method) for row in self.rows), default=0) + 5
        lines = [f"{self.name}: PSNR in dB / SSIM; ours are marked >"]
        lines.append(" " * width + "  ".join(self._heads()))
        lines += [self._line(row, width, "psnr", "ssim") for row in self.rows]
        for metric in INFERRED:
            rows = [row for row in self.rows if row.has(metric, self.columns)]
            lines += [METRICS[metric][0]] if rows else []
            lines += [self._line(row, width, metric) for row in rows]
        if self.missing:
            lines.append(f"not measured yet: {', '.join(self.missing)}")
        return "\n".join(lines)

    def _heads(self) -> list[str]:
        return [f"{dataset} {case}".rjust(14) for dataset, case in self.columns]

    def _line(self, row: Row, width: int, *metrics: str) -> str:
        cells = (_text(row.values.get(column, {}), metrics) for column in self.columns)
        texts = (cell.rjust(len(head)) for cell, head in zip(cells, self._heads(), strict=True))
        start = f"{'> ' if row.ours else '  '}{row.method}"
        return start.ljust(width) + "  ".join(texts)


def _text(value: Mapping[str, float], metrics: Iterable[str]) -> str:
    known = (format(value[key], METRICS[key][1]) for key in metrics if key in value)
    return " / ".join(known) or "-"


def reproduce(
    name: str,
    *,
    models: Iterable[str] | None = None,
    device: Any = None,
    folder: Path | None = None,
) -> Comparison:
    """Evaluate our rows of a table and write each one to data/results when it is complete.

    Args:
        name: A key of `vbl.evaluation.TABLES`.
        models: Only these rows; the others stay as they were.
        device: As in `vbl.evaluation.evaluate`.
        folder: Folder of results; by default as in `vbl.evaluation.load_result`.

    Returns:
        Our rows and the paper's, if any. A model without a checkpoint here is in `missing`.

    Raises:
        UnknownName: When there is no such table, or it has no such row.
        DataUnavailable: When a set is not on this machine.
    """
    table = look_up("table", name, TABLES)
    chosen = tuple(models or table.models)
    if unknown := [model for model in chosen if model not in table.models]:
        raise UnknownName(f"row of {name}", unknown[0], table.models)
    for model in chosen:
        try:
            method = find_method(model, find_device(device))
        except (UnknownName, DataUnavailable):  # not trained yet, or not on this machine
            continue
        row = _measure_row(method, table, device)
        about = {"command": f"vbl reproduce {name} --models {model}", "device": find_device(device)}
        row |= provenance(**about, scale=method.about.get("preset"))
        rows = _kept(name, folder) | {model: row}
        save_result(name, {"rows": rows}, **about, folder=folder)
    return compare(name, folder=folder)


def _measure_row(method: Method, table: Table, device: Any) -> dict[str, Any]:
    cells = []
    for column in table.columns:
        report = evaluate(
            method, column.ours, **column.options, protocol=table.protocol, device=device
        )
        cells.append(
            {
                "dataset": column.dataset,
                "case": column.case,
                "psnr": round(report.psnr, 4),
                "ssim": round(report.ssim, 5),
                "images": report.images,
                "inferred": {key: float(f"{v:.5g}") for key, v in report.inferred.items()},
            }
        )
    known = {key: method.about[key] for key in ("parameters", "trained") if key in method.about}
    return {**known, "convention": report.convention, "protocol": table.protocol, "cells": cells}


def _kept(name: str, folder: Path | None) -> dict[str, Any]:
    try:
        return load_result(name, folder=folder)["rows"]
    except FileNotFoundError:
        return {}


def compare(name: str, *, folder: Path | None = None) -> Comparison:
    """The stored rows of a table and the paper's, if any; arguments as in `reproduce`.

    Raises:
        UnknownName: When there is no such table.
    """
    table = look_up("table", name, TABLES)
    kept = _kept(name, folder)
    printed = paper_values(table.paper) if table.paper else {}
    ours = {model: _our_row(model, kept[model]) for model in table.models if model in kept}
    rows = []
    for method, values in printed.items():
        rows.append(Row(method, False, values, {}))
        rows += [row for model, row in ours.items() if table.models[model] == method]
    rows += [row for model, row in ours.items() if table.models[model] not in printed]
    columns = tuple((column.dataset, column.case) for column in table.columns)
    missing = tuple(model for model in table.models if model not in kept)
    return Comparison(name, columns, tuple(rows), missing)


def _our_row(model: str, entry: Mapping[str, Any]) -> Row:
    values = {}
    for cell in entry["cells"]:
        known = cell | cell["inferred"]
        metrics = {key: known[key] for key in METRICS if key in known}
        values[cell["dataset"], cell["case"]] = metrics
    return Row(model, True, values, {key: entry[key] for key in entry if key != "cells"})


def paper_values(paper: str) -> dict[str, dict[Cell, dict[str, float]]]:
    """The printed values of the table data/papers/PAPER.csv, PSNR_Y as psnr.

    Returns:
        Method -> (data set, case) -> metric -> value.
    """
    found: dict[str, dict[Cell, dict[str, float]]] = {}
    with (PAPERS / f"{paper}.csv").open(encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            cell = found.setdefault(line["method"], {}).setdefault(
                (line["dataset"], line["case"]), {}
            )
            cell[line["metric"].lower().removesuffix("_y")] = float(line["value"])
    return found
