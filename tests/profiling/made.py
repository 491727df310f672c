"""Files that tests make, as people have them."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np

from portfolio.profiling.draft import Draft, Wanted, draft
from portfolio.profiling.sample import sample

ROWS = 300
RANDOM = np.random.default_rng(0)
AGES = [int(age) for age in RANDOM.integers(18, 80, ROWS)]
SIZES = [round(float(size), 2) for size in RANDOM.normal(20, 5, ROWS)]
TOWNS = [str(town) for town in RANDOM.choice(["Osaka", "Kyoto", "Nara"], ROWS)]
ANSWERS = ["yes" if chance < 0.3 else "no" for chance in RANDOM.random(ROWS)]
PLAIN: dict[str, Sequence[object]] = {"age": AGES, "size": SIZES, "town": TOWNS, "bought": ANSWERS}


def csv_text(columns: Mapping[str, Sequence[object]], separator: str = ",") -> str:
    written = io.StringIO()
    writer = csv.writer(written, delimiter=separator, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return written.getvalue()


def written(folder: Path, content: bytes | str, name: str = "rows.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def with_column(name: str, values: Sequence[object]) -> str:
    """The plain table, with one more column."""
    return csv_text({name: values, **PLAIN})


def drafted(
    folder: Path, content: str | bytes, target: str = "bought", *, file: str = "rows.csv", **wanted: Any
) -> Draft:
    path = folder / file
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return draft(sample(path), Wanted(target, **wanted))


def workbook(
    path: Path, columns: Mapping[str, Sequence[object]], sheets: Mapping[str, Sequence[Sequence[object]]] | None = None
) -> None:
    """An Excel file with the least that one must have: no library for writing them is needed elsewhere.

    It has one sheet of those columns, or the rows of several sheets.
    """
    space = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    sheets = sheets or {"Sheet1": [list(columns), *zip(*columns.values(), strict=True)]}
    numbered = list(enumerate(sheets, start=1))
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/xl/workbook.xml" '
        f'ContentType="{kind}.sheet.main+xml"/>'
        + "".join(
            f'<Override PartName="/xl/worksheets/sheet{number}.xml" ContentType="{kind}.worksheet+xml"/>'
            for number, _ in numbered
        )
        + "</Types>",
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" '
        f'Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{space}" xmlns:r="{office}"><sheets>'
        + "".join(f'<sheet name="{name}" sheetId="{number}" r:id="r{number}"/>' for number, name in numbered)
        + "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships">'
        + "".join(
            f'<Relationship Id="r{number}" Type="{office}/worksheet" Target="worksheets/sheet{number}.xml"/>'
            for number, _ in numbered
        )
        + "</Relationships>",
    }
    for number, name in numbered:
        rows = "".join(f"<row>{''.join(_cell(value) for value in row)}</row>" for row in sheets[name])
        parts[f"xl/worksheets/sheet{number}.xml"] = (
            f'<worksheet xmlns="{space}"><sheetData>{rows}</sheetData></worksheet>'
        )
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, f'<?xml version="1.0" encoding="UTF-8"?>{text}')


def _cell(value: object) -> str:
    if isinstance(value, int | float):
        return f"<c><v>{value}</v></c>"
    return f'<c t="inlineStr"><is><t>{escape(str(value))}</t></is></c>'
