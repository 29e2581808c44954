"""Rows as the bytes of a file: CSV, Parquet, JSON lines; what reads them gets the same values.

Here: the three formats, batch by batch. Not here: where the bytes go (`deliver_files.py`), and
reading files (`file_formats.py`).

In CSV a text stands in quotation marks and NULL is nothing at all, so '' differs from it. Texts
are left as they are, whatever a spreadsheet makes of one that begins with `=`. A decimal smaller
than 0.000001 is written as 1E-7.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from resources.deliver import Delivery, FileTarget
from resources.deliver_values import Room, checked, encodes
from resources.errors import PermanentError

Pieces = Iterator[tuple[int, bytes]]


def encoded(delivery: Delivery, where: str) -> Pieces:
    """Rows and bytes, piece by piece; PermanentError where the format has no words for a value."""
    target = delivery.target
    assert isinstance(target, FileTarget)
    text = target.format != "parquet"
    if text:
        for column in delivery.columns:
            if column.type.name == "binary":
                raise PermanentError(
                    f"{delivery.what}, {where}: {column.name!r} is binary, and {target.format} is "
                    "text. Leave the column out by `columns`, or deliver Parquet."
                )
    codec = None if _whole(target.encoding) else target.encoding
    rooms = [
        Room(
            column.source,
            target.format,
            column.type,
            codec=codec,
            finite=target.format == "jsonl",
        )
        for column in delivery.columns
    ]
    batches = checked(delivery, rooms, where)
    if target.format == "parquet":
        return _parquet(delivery, batches)
    if codec and target.header and target.format == "csv":
        for column in delivery.columns:
            if not encodes(column.source, codec):
                raise PermanentError(
                    f"{delivery.what}, {where}: the name {column.source!r} has a character that "
                    f"{codec} lacks. Nothing was written. Give another by `columns`."
                )
    made = _csv(delivery, target, batches) if target.format == "csv" else _json(delivery, batches)
    return _in_encoding(made, target.encoding)


def _whole(encoding: str) -> bool:
    """Whether an encoding has all of Unicode."""
    return encodes("가\u200b😀", encoding)


def _in_encoding(pieces: Pieces, encoding: str) -> Pieces:
    if codecs.lookup(encoding).name == "utf-8":
        yield from pieces
        return
    # One encoder for all: a mark at the beginning stands there once, though there be no row.
    encoder = codecs.getincrementalencoder(encoding)()
    for rows, piece in pieces:
        yield rows, encoder.encode(piece.decode())
    yield 0, encoder.encode("", final=True)


def _csv(delivery: Delivery, target: FileTarget, batches: Iterator[pa.RecordBatch]) -> Pieces:
    if target.header:
        names = ('"' + column.source.replace('"', '""') + '"' for column in delivery.columns)
        yield 0, (target.delimiter.join(names) + "\n").encode()
    options = pyarrow.csv.WriteOptions(
        include_header=False, delimiter=target.delimiter, quoting_style="needed"
    )
    for batch in batches:
        sink = pa.BufferOutputStream()
        pyarrow.csv.write_csv(batch, sink, options)
        yield batch.num_rows, sink.getvalue().to_pybytes()


def _parquet(delivery: Delivery, batches: Iterator[pa.RecordBatch]) -> Pieces:
    schema = pa.schema([(column.source, column.type.arrow()) for column in delivery.columns])
    sink = _Sink()
    with pq.ParquetWriter(pa.PythonFile(sink, "w"), schema, compression="zstd") as writer:
        for batch in batches:
            writer.write_batch(pa.RecordBatch.from_arrays(batch.columns, schema=schema))
            yield batch.num_rows, sink.taken()
    yield 0, sink.taken()


class _Sink:
    """A file for a writer, whose bytes are taken out as they come."""

    closed = False

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._at = 0

    def write(self, data: Any) -> int:
        self._pieces.append(bytes(data))
        self._at += len(data)
        return len(data)

    def tell(self) -> int:
        return self._at

    def flush(self) -> None:
        """Nothing waits here."""

    def close(self) -> None:
        """It is no file."""

    def taken(self) -> bytes:
        pieces, self._pieces = self._pieces, []
        return b"".join(pieces)


def _json(delivery: Delivery, batches: Iterator[pa.RecordBatch]) -> Pieces:
    """Decimals and large integers are numbers with all their digits."""
    names = [json.dumps(column.source, ensure_ascii=False) for column in delivery.columns]
    for batch in batches:
        columns = [
            [f"{name}:{_word(one)}" for one in values.to_pylist()]
            for name, values in zip(names, batch.columns, strict=True)
        ]
        lines = "".join("{" + ",".join(row) + "}\n" for row in zip(*columns, strict=True))
        yield batch.num_rows, lines.encode()


_WORDS: dict[type, Callable[[Any], str]] = {
    Decimal: lambda value: format(value, "f"),
    str: lambda value: json.dumps(value, ensure_ascii=False),
}


def _word(value: Any) -> str:
    if value is None or isinstance(value, bool | int | float):
        return json.dumps(value)
    write = _WORDS.get(type(value))
    return write(value) if write else f'"{value.isoformat()}"'
