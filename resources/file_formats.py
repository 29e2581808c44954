"""The formats of files: names of columns and rows of each, values of text formats as texts.

Here: CSV, fixed width, Parquet, Excel, JSON lines, streamed as far as the format lets. Not here:
which files (`files.py`), and texts becoming the declared types.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import IO, Any, Protocol

import pyarrow as pa

from resources.dbapi_columns import column
from resources.described import FileSource
from resources.errors import PermanentError
from resources.json_values import JsonError, plain, read_json
from resources.source import Column, SourceColumn
from resources.types import ColumnType
from resources.yamlfile import nearest

#: Rows of a batch of what is read row by row.
BATCH_ROWS = 65_536
#: Bytes that one row of a text file may have at first, and at last: a block holds whole rows.
BLOCKS = (4 << 20, 256 << 20)

Opener = Callable[[], AbstractContextManager[IO[bytes]]]


class _Format(Protocol):
    @staticmethod
    def describe(
        stream: IO[bytes], of: FileSource, columns: Sequence[Column]
    ) -> list[SourceColumn]: ...

    @staticmethod
    def rows(
        opener: Opener, of: FileSource, columns: Sequence[Column]
    ) -> Iterator[pa.RecordBatch]: ...


def _named(names: Sequence[str], columns: Sequence[Column]) -> list[SourceColumn]:
    """Columns that are text in the file: of a declared one any type that its texts can become."""
    declared = {one.source: one.type for one in columns}
    text = ColumnType("string")
    return [
        SourceColumn(name, declared.get(name, text), declared.get(name, text).name, True)
        for name in names
    ]


class _Csv:
    """Streamed block by block; every value as text first, so that all formats read alike."""

    @staticmethod
    def _reader(stream: IO[bytes], of: FileSource, columns: Sequence[Column], block: int) -> Any:
        from pyarrow import csv

        names = [one.source for one in columns]
        return csv.open_csv(
            stream,
            read_options=csv.ReadOptions(
                use_threads=False,
                block_size=block,
                skip_rows=of.skip,
                column_names=None if of.header else names,
                encoding="utf-8" if of.encoding.lower() in ("utf-8", "utf8") else of.encoding,
            ),
            parse_options=csv.ParseOptions(delimiter=of.delimiter, newlines_in_values=True),
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()),
                include_columns=names,
                null_values=of.null,
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )

    @staticmethod
    def describe(
        stream: IO[bytes], of: FileSource, columns: Sequence[Column]
    ) -> list[SourceColumn]:
        from pyarrow import csv

        if not of.header:
            return _named([one.source for one in columns], columns)
        reader = csv.open_csv(
            stream,
            read_options=csv.ReadOptions(
                use_threads=False, skip_rows=of.skip, encoding=of.encoding
            ),
            parse_options=csv.ParseOptions(delimiter=of.delimiter, newlines_in_values=True),
        )
        return _named([name.lstrip("\ufeff") for name in reader.schema.names], columns)

    @staticmethod
    def rows(opener: Opener, of: FileSource, columns: Sequence[Column]) -> Iterator[pa.RecordBatch]:
        done = 0
        for block in BLOCKS:
            skip = done  # a row that does not fit a block: again from the start with a larger one
            with opener() as stream:
                try:
                    for batch in _Csv._reader(stream, of, columns, block):
                        fresh = batch.slice(min(skip, batch.num_rows))
                        skip -= batch.num_rows - fresh.num_rows
                        done += fresh.num_rows
                        yield fresh
                    return
                except pa.ArrowInvalid as error:
                    if "Empty CSV" in str(error):
                        raise PermanentError(
                            f"{of.path}: a file is empty, without even a header. A file without "
                            "rows has one; or give `header: false`."
                        ) from None
                    if "straddling" not in str(error) or block == BLOCKS[-1]:
                        raise


class _Fixed:
    """Cut by bytes, as the programs that write it count: a Korean letter is two of cp949."""

    @staticmethod
    def describe(
        stream: IO[bytes], of: FileSource, columns: Sequence[Column]
    ) -> list[SourceColumn]:
        return _named(list(of.widths or {}), columns)

    @staticmethod
    def rows(opener: Opener, of: FileSource, columns: Sequence[Column]) -> Iterator[pa.RecordBatch]:
        widths = of.widths or {}
        places, start = {}, 0
        for name, width in widths.items():
            places[name] = slice(start, start + width)
            start += width
        lacking = [one.source for one in columns if one.source not in places]
        if lacking:
            raise PermanentError(
                f"{of.path}: widths have no {', '.join(lacking)}; {nearest(lacking[0], places)}."
            )
        with opener() as stream:
            for chunk in _chunks(_lines(stream, of)):
                for number, line in chunk:
                    if len(line) > start:
                        raise PermanentError(
                            f"{of.path}: line {number} has {len(line)} bytes, the widths add up to "
                            f"{start}. Correct `widths`, which count bytes (of a Korean letter two "
                            "in cp949, three in utf-8), or have the line mended; lines before the "
                            "first row are left out by `skip`."
                        )
                cuts = [places[one.source] for one in columns]
                yield _texts(
                    columns, [[_field(line[cut], of) for _, line in chunk] for cut in cuts]
                )


def _field(cut: bytes, of: FileSource) -> str | None:
    text = cut.decode(of.encoding).strip(" ")
    return None if text in of.null else text


class _Parquet:
    @staticmethod
    def describe(
        stream: IO[bytes], of: FileSource, columns: Sequence[Column]
    ) -> list[SourceColumn]:
        from pyarrow import parquet

        from resources.frames import lake_type

        found = []
        for one in parquet.ParquetFile(stream).schema_arrow:
            same = lake_type(one.type)
            names = {c.source: c.type for c in columns if c.type.arrow() == same}
            found.append(SourceColumn(one.name, names.get(one.name), str(one.type), True))
        return found

    @staticmethod
    def rows(opener: Opener, of: FileSource, columns: Sequence[Column]) -> Iterator[pa.RecordBatch]:
        from pyarrow import parquet

        names = [one.source for one in columns]
        with opener() as stream:
            file = parquet.ParquetFile(stream)
            _check_names(of, names, file.schema_arrow.names)
            for batch in file.iter_batches(BATCH_ROWS, columns=names):
                yield batch.select(names)


class _Excel:
    """A sheet as its cells are: numbers that are whole become integers again."""

    @staticmethod
    def _cells(stream: IO[bytes], of: FileSource) -> list[list[Any]]:
        from python_calamine import CalamineWorkbook

        try:
            book = CalamineWorkbook.from_filelike(io.BytesIO(stream.read()))
        except Exception as error:
            raise PermanentError(f"{of.path}: no Excel file ({type(error).__name__}).") from None
        if of.sheet is not None and of.sheet not in book.sheet_names:
            raise PermanentError(
                f"{of.path}: there is no sheet {of.sheet!r}; {nearest(of.sheet, book.sheet_names)}."
            )
        sheet = book.get_sheet_by_name(of.sheet or book.sheet_names[0])
        cells: list[list[Any]] = sheet.to_python(skip_empty_area=False)
        return cells[of.skip :]

    @staticmethod
    def describe(
        stream: IO[bytes], of: FileSource, columns: Sequence[Column]
    ) -> list[SourceColumn]:
        cells = _Excel._cells(stream, of)
        if not of.header or not cells:
            return _named([one.source for one in columns], columns)
        return _named([str(one) for one in cells[0]], columns)

    @staticmethod
    def rows(opener: Opener, of: FileSource, columns: Sequence[Column]) -> Iterator[pa.RecordBatch]:
        names = [one.source for one in columns]
        with opener() as stream:
            cells = _Excel._cells(stream, of)
        found = [str(one) for one in cells[0]] if of.header and cells else names
        _check_names(of, names, found)
        places = [found.index(name) for name in names]
        body = cells[1:] if of.header else cells
        for chunk in _chunks(iter(body)):
            yield _texts(
                columns,
                [[_cell(row[place], of) for row in chunk] for place in places],
            )


def _cell(value: Any, of: FileSource) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    text = value.isoformat() if hasattr(value, "isoformat") else str(value)
    return None if text in of.null else text


class _JsonLines:
    """One JSON object a line; a number is read by its digits, never through a float."""

    @staticmethod
    def describe(
        stream: IO[bytes], of: FileSource, columns: Sequence[Column]
    ) -> list[SourceColumn]:
        number, first = next(_lines(stream, of), (1, b"{}"))
        return _named(list(_object(first, of, number)), columns)

    @staticmethod
    def rows(opener: Opener, of: FileSource, columns: Sequence[Column]) -> Iterator[pa.RecordBatch]:
        with opener() as stream:
            for chunk in _chunks(_lines(stream, of)):
                objects = [_object(line, of, number) for number, line in chunk]
                yield _texts(
                    columns,
                    [[plain(one.get(c.source)) for one in objects] for c in columns],
                )


def _object(line: bytes, of: FileSource, number: int) -> dict[str, Any]:
    try:
        found = read_json(line.decode(of.encoding))
    except JsonError:
        found = None
    if not isinstance(found, dict):
        raise PermanentError(f"{of.path}: line {number} is no JSON object.")
    return found


FORMATS: dict[str, type[_Format]] = {
    "csv": _Csv,
    "fixed": _Fixed,
    "parquet": _Parquet,
    "excel": _Excel,
    "jsonl": _JsonLines,
}


def _lines(stream: IO[bytes], of: FileSource) -> Iterator[tuple[int, bytes]]:
    """The lines that are not empty, each with its number in the file."""
    for number, line in enumerate(stream, 1):
        cut = line.rstrip(b"\r\n")
        if number > of.skip and cut:
            yield number, cut


def _chunks(lines: Iterator[Any]) -> Iterator[list[Any]]:
    chunk: list[Any] = []
    for line in lines:
        chunk.append(line)
        if len(chunk) == BATCH_ROWS:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _texts(columns: Sequence[Column], values: Sequence[Sequence[str | None]]) -> pa.RecordBatch:
    arrays = [column(one, "text") for one in values]
    return pa.RecordBatch.from_arrays(arrays, [one.source for one in columns])


def _check_names(of: FileSource, wanted: Sequence[str], found: Sequence[str]) -> None:
    lacking = [name for name in wanted if name not in found]
    if lacking:
        words = "; ".join(f"{name!r} ({nearest(name, found)})" for name in lacking)
        raise PermanentError(f"{of.path}: there is no column {words}.")
