"""Tables as spreadsheets and instruments write them: a file's bytes to a header and rows of text.

Read are UTF-8, UTF-16 with a mark and Windows-1252, also in gzip; commas, semicolons or tabs; a
first line `sep=;`; comments before the header; decimal commas where commas do not separate; blanks
around cells; and rows of nothing. Whatever might mean two things is refused, or left as it stands
for the columns' own checks to refuse.
"""

import csv
import dataclasses
import gzip
import io
import re
import zlib
from pathlib import Path

_GZIP = b"\x1f\x8b"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_SEPARATORS = ",;\t"
_PREAMBLE = re.compile(r"sep=(.)\s*", re.IGNORECASE)
_NUMBER = re.compile(r"[-+]?\d+([.,]\d+)?([eE][-+]?\d+)?", re.ASCII)
_THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2},\d{3}", re.ASCII)


@dataclasses.dataclass(frozen=True)
class RawTable:
    """Columns of text: the header, the rows below it, and the line of each."""

    header: list[str]
    rows: list[list[str]]
    lines: list[int]


def read_raw_table(path: Path) -> RawTable:
    """The cells of a file without the blanks around them; ValueError where it is no table."""
    text = _decoded(path)
    separator, text = _separated(text)
    found = _parsed(text, separator, str(path))
    return found if separator == "," else _with_decimal_points(found)


def _decoded(path: Path) -> str:
    text = _as_text(_content(path))
    if "\0" in text:
        encodings = "UTF-8, UTF-16 with a mark or Windows-1252"
        raise ValueError(f"{path} is not text in {encodings}; give a CSV file in UTF-8")
    if not text.strip():
        raise ValueError(f"{path} is empty; give a CSV file with a header and at least one row")
    return text


def _content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror}); give a CSV file") from None
    if not content.startswith(_GZIP):
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path} is damaged gzip ({error}); give a whole file") from None


def _as_text(content: bytes) -> str:
    """What the bytes say; a NUL where they are no text."""
    encodings = ("utf-16",) if content.startswith(_UTF16) else ("utf-8-sig", "cp1252")
    for encoding in encodings:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    return "\0"


def _separated(text: str) -> tuple[str, str]:
    """What separates the columns, and the text with the lines before the header left empty."""
    lines, named = re.split(r"(\r\n|\r|\n)", text), None
    for place in range(0, len(lines), 2):
        line = lines[place].strip(" ")
        if place == 0 and (preamble := _PREAMBLE.fullmatch(line)):
            named = preamble[1]
        elif line and not line.startswith("#"):
            return named or max(_SEPARATORS, key=line.count), "".join(lines)
        lines[place] = ""
    return named or ",", "".join(lines)


def _parsed(text: str, separator: str, source: str) -> RawTable:
    """The cells; ValueError for a row of another length than the header's, or the header again."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True,
                        skipinitialspace=separator != "\t")  # fmt: skip
    found = RawTable([], [], [])
    try:
        for cells in reader:
            row = [cell.strip() for cell in cells]
            if not any(row):
                continue
            if not found.header:
                found.header.extend(_unique(_without_empty_ends(row, 0), source, reader.line_num))
                continue
            row = _without_empty_ends(row, len(found.header))
            _check_row(row, found.header, f"{source}, line {reader.line_num}")
            found.rows.append(row)
            found.lines.append(reader.line_num)
    except csv.Error as error:
        line = f"not CSV ({error}); repair the line"
        raise ValueError(f"{source}, line {reader.line_num}: {line}") from None
    if not found.header:
        raise ValueError(f"{source} has no header; give a CSV file with one and at least one row")
    return found


def _without_empty_ends(row: list[str], least: int) -> list[str]:
    """A row without the empty cells behind its last, as far as it has more than `least`."""
    while len(row) > least and not row[-1]:
        row = row[:-1]
    return row


def _unique(header: list[str], source: str, line: int) -> list[str]:
    for name in header:
        if header.count(name) > 1:
            raise ValueError(f"{source}, line {line}: column {name!r} occurs twice; remove one")
    return header


def _check_row(row: list[str], header: list[str], where: str) -> None:
    if row == header:
        raise ValueError(f"{where}: the header again; give one table, with one header")
    if len(row) != len(header):
        raise ValueError(
            f"{where}: {len(row)} values but the header has {len(header)} columns; "
            "give one value a column"
        )


def _with_decimal_points(table: RawTable) -> RawTable:
    """Decimal commas as points, in columns of numbers where they cannot be anything else."""
    columns = [list(cells) for cells in zip(*table.rows)]
    decimal = [_has_decimal_commas(cells) for cells in columns]
    points = (
        [cell.replace(",", ".") for cell in cells] if commas else cells
        for cells, commas in zip(columns, decimal)
    )
    return dataclasses.replace(table, rows=[list(row) for row in zip(*points)])


def _has_decimal_commas(cells: list[str]) -> bool:
    """Whether a column's commas are decimal: all its cells numbers, none pointed, some no 1,024."""
    filled = [cell for cell in cells if cell]
    numbers = all(_NUMBER.fullmatch(cell) and "." not in cell for cell in filled)
    return numbers and any("," in c and not _THOUSANDS.fullmatch(c) for c in filled)
