"""How rows become a Parquet file: the two profiles, the encodings chosen per column, the stream.

Here: turning batches of any size into row groups of one size, and equal rows into equal bytes. Not
here: where a file lies, how it is locked and published (`store.py`).
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

Profile = Literal["modern", "hive1"]

#: A million rows × 14 columns: 32k rows a group 0.39 CPU s, 12.1 MB; 128k 0.33 s, 9.6 MB; 1M 0.30
#: s, 8.7 MB and eight times the memory.
ROW_GROUP = 131_072

#: Rows between the seams inside of a row group, which is a multiple of it; sources read as many.
PIECE = 16_384

# Page v1 and a footer of version 2.6 are what every reader since Spark 3.3 takes; page v2 gave 5 %
# more bytes and saved no CPU. Statistics (0.03 CPU s a million rows) let readers skip groups. With
# dictionaries for all columns: 0.74 CPU s, 29.6 MB. `hive1` is what Hive 1.2.1 was seen to read.
_PROFILES: dict[Profile, dict[str, Any]] = {
    "modern": {
        "version": "2.6",
        "data_page_version": "1.0",
        "compression": "zstd",
        "compression_level": 1,
        "store_decimal_as_integer": True,
    },
    "hive1": {
        "version": "1.0",
        "data_page_version": "1.0",
        "compression": "snappy",
        "use_deprecated_int96_timestamps": True,
        "store_decimal_as_integer": False,
    },
}

# Dictionaries are chosen by some 2,000 rows taken evenly from the first row group. Counting all of
# its distinct values cost 4 ms a file, a third of writing a day of 27,000 rows; this costs 1.2.
_SAMPLE = 2048
_FEW = 64


def file_schema(schema: pa.Schema) -> pa.Schema:
    """The schema as files have it: every column nullable, no metadata of whoever made the rows."""
    return pa.schema([pa.field(field.name, field.type) for field in schema])


def _delta(type_: pa.DataType) -> bool:
    """Whether DELTA_BINARY_PACKED takes it: what Parquet keeps in an INT32 or INT64."""
    if pa.types.is_decimal(type_):
        return bool(type_.precision <= 18)
    return bool(pa.types.is_integer(type_) or pa.types.is_temporal(type_))


def _repeats(sample: pa.ChunkedArray, rows: int, delta: bool) -> bool:
    """Whether a dictionary pays for a column of `rows` rows, judged by a sample of them.

    Where deltas can be had, only a handful of values makes a dictionary smaller. Elsewhere it pays
    when at most a fifth of the values differ (20,000 item names in 128k rows: 20 % of the file and
    10 % of the CPU; 15,000 in 27k rows would lose). Either the sample itself shows that, or the
    number of its repetitions does: n values drawn from D repeat about n² / 2D times.
    """
    # Most numbers differ, which their first few show at a tenth of the cost.
    if delta and pc.count_distinct(sample.slice(0, 4 * _FEW)).as_py() > _FEW:
        return False
    distinct = pc.count_distinct(sample).as_py()
    if delta:
        return bool(distinct <= _FEW)
    values = len(sample) - sample.null_count
    return bool(distinct * 5 <= values or values**2 * 5 <= 2 * (values - distinct) * rows)


def encodings(first: pa.Table, profile: Profile) -> dict[str, Any]:
    """The options of `pq.ParquetWriter` for rows like these; the same rows give the same."""
    step = max(1, first.num_rows // _SAMPLE)
    # Batch by batch: `take` of a table makes one piece of its text first, 14 MB.
    sample = pa.Table.from_batches(
        [batch.take(pa.arange(0, batch.num_rows, step)) for batch in first.to_batches()],
        first.schema,
    )
    modern = profile == "modern"
    # DELTA_LENGTH_BYTE_ARRAY is never asked for: Spark 3.5 misreads it without an error.
    deltas = [field.name for field in first.schema if modern and _delta(field.type)]
    dictionaries = [
        field.name
        for field in first.schema
        if not pa.types.is_boolean(field.type)
        and _repeats(sample[field.name], first.num_rows, field.name in deltas)
    ]
    options: dict[str, Any] = {**_PROFILES[profile], "use_dictionary": dictionaries}
    if modern:
        rest = (name for name in deltas if name not in dictionaries)
        options["column_encoding"] = dict.fromkeys(rest, "DELTA_BINARY_PACKED")
    return options


class ParquetStream:
    """Batches in, one Parquet file out, at most one row group in memory.

    The sink is anything with `write`. The bytes depend on the rows and their order, not on how
    they were cut into batches: pages of wide text end differently at the seams of pieces, so the
    seams are every PIECE rows whatever comes in. Batches of that size, as sources give them, pass
    as they are; a row group in one piece would be another 25 MB and 0.04 CPU s a million rows.
    """

    def __init__(self, sink: Any, schema: pa.Schema, profile: Profile) -> None:
        self.schema = file_schema(schema)
        self.rows = 0
        self._sink = sink
        self._profile = profile
        self._pieces: list[pa.RecordBatch] = []
        self._partial: list[pa.RecordBatch] = []
        self._room = PIECE
        self._writer: pq.ParquetWriter | None = None

    def write(self, batch: pa.RecordBatch) -> None:
        """Take the rows; the columns must be the schema's, in its order."""
        if batch.schema.names != self.schema.names or batch.schema.types != self.schema.types:
            raise ValueError(f"rows of {_shown(batch.schema)} for a file of {_shown(self.schema)}")
        start = 0
        while start < batch.num_rows:
            part = batch.slice(start, self._room)
            start += part.num_rows
            self._room -= part.num_rows
            self._partial.append(part)
            if self._room == 0:
                self._join()

    def close(self) -> None:
        """Write what waits and the footer; a stream without rows is a valid file without rows."""
        if self._partial:
            self._join()
        if self._pieces or self._writer is None:
            self._flush()
        assert self._writer is not None
        self._writer.close()

    def abandon(self) -> None:
        """Let go of everything. The sink must swallow the footer that pyarrow insists on."""
        self._pieces.clear()
        self._partial.clear()
        if self._writer is not None:
            self._writer.close()

    def _join(self) -> None:
        """A piece is complete."""
        self._pieces.append(_joined(self._partial, self.schema))
        self._partial.clear()
        self._room = PIECE
        if len(self._pieces) * PIECE == ROW_GROUP:
            self._flush()

    def _flush(self) -> None:
        rows = pa.Table.from_batches(self._pieces, self.schema)
        self._pieces.clear()
        if self._writer is None:
            options = encodings(rows, self._profile)
            self._writer = pq.ParquetWriter(self._sink, self.schema, **options)
        if rows.num_rows:
            self._writer.write_table(rows, row_group_size=ROW_GROUP)
            self.rows += rows.num_rows


def open_parquet(source: Any) -> pq.ParquetFile:
    """Open for reading. `pre_buffer` would keep all row groups in memory, not one."""
    return pq.ParquetFile(source, pre_buffer=False, coerce_int96_timestamp_unit="us")


def schema_of(file: pq.ParquetFile) -> pa.Schema:
    """The schema the rows were written with. INT96 has no zone; the footer's Arrow schema knows."""
    written = (file.metadata.metadata or {}).get(b"ARROW:schema")
    if written is None:
        return file.schema_arrow.remove_metadata()
    return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(written))).remove_metadata()


def _joined(batches: Sequence[pa.RecordBatch], schema: pa.Schema) -> pa.RecordBatch:
    batch = batches[0] if len(batches) == 1 else pa.concat_batches(batches)
    return batch if batch.schema == schema else batch.cast(schema)


def _shown(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name} {field.type}" for field in schema)
