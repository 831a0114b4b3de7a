"""Tables of data sets: CSV, as the sets' makers and other people write it."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from export.starter.data import DatasetError

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""What would break a message of one line, or a terminal."""
_WHOLE = re.compile("[0-9]{1,9}")
_SHOWN = 40
"""Of a wrong value, as many characters are shown."""

Rows = Iterator[tuple[int, list[str]]]
"""Lines' numbers and cells."""


def read_table(
    path: Path,
    columns: Sequence[str],
    advice: str,
    *,
    optional: Sequence[str] = (),
    has_header: bool = True,
) -> list[dict[str, str]]:
    """Read columns of a table of UTF-8, with or without a byte order mark.

    Args:
        path: the CSV.
        columns: what is needed of it; none of their cells may be empty. Without a header, all that it has.
        advice: what a person is told to do when the table is no good.
        optional: columns that are read if they are there, and may be empty.
        has_header: whether the first line names the columns.

    Returns: a row each, at least one, with the cells of these columns, without the white space around them.
    Raises: DatasetError that names the path, and the line or column where it can.
    """
    read = []
    with _opened(path, advice) as rows:
        header = _stripped(next(rows, (0, []))[1]) if has_header else list(columns)
        absent = [name for name in columns if name not in header]
        if header and absent:
            raise DatasetError(f"{path}: column {absent[0]} is missing; {advice}")
        places = {name: header.index(name) for name in (*columns, *optional) if name in header}
        for line, cells in rows:
            if len(cells) != len(header):
                raise DatasetError(f"{path}: line {line} has {len(cells)} cells, not {len(header)}; {advice}")
            row = {name: cells[place].strip() for name, place in places.items()}
            _check_row(row, columns, f"{path}: line {line}", advice)
            read.append(row)
    if not read:
        raise DatasetError(f"{path}: the table is empty; {advice}")
    return read


def columns_of(path: Path, advice: str) -> list[str]:
    """A table's header, none if it is empty.

    Raises: DatasetError if it cannot be read.
    """
    with _opened(path, advice) as rows:
        return _stripped(next(rows, (0, []))[1])


def whole_number(row: Mapping[str, str], column: str, path: Path, advice: str) -> int:
    """A cell as a number of at most nine digits.

    Raises: DatasetError if it is anything else.
    """
    if not _WHOLE.fullmatch(row[column]):
        raise DatasetError(f"{path}: {column} {shown(row[column])} is no whole number; {advice}")
    return int(row[column])


def shown(value: str) -> str:
    """A value as an error's message shows it: in quotes, on one line, not too long."""
    return repr(value if len(value) <= _SHOWN else f"{value[:_SHOWN]}…")


def _stripped(cells: Sequence[str]) -> list[str]:
    return [cell.strip() for cell in cells]


def _check_row(row: Mapping[str, str], needed: Sequence[str], place: str, advice: str) -> None:
    for name, cell in row.items():
        if not cell and name in needed:
            raise DatasetError(f"{place} has no {name}; {advice}")
        if _CONTROL.search(cell):
            raise DatasetError(f"{place}: {name} {shown(cell)} holds a control character; {advice}")


@contextmanager
def _opened(path: Path, advice: str) -> Iterator[Rows]:
    """A table's lines, but for blank ones; what goes wrong while they are read is told as a DatasetError."""
    try:
        # Asked first, because to open a named pipe would wait for ever.
        if not path.is_file():
            raise DatasetError(f"{path}: there is no such file; {advice}")
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            yield ((reader.line_num, cells) for cells in reader if any(map(str.strip, cells)))
    except UnicodeDecodeError:
        raise DatasetError(f"{path}: is not text in UTF-8; {advice}") from None
    except csv.Error as error:
        raise DatasetError(f"{path}: is no CSV ({error}); {advice}") from None
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror}); {advice}") from None
