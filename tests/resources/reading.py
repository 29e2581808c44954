"""What tests of sources share: reading all that a table of one holds."""

from __future__ import annotations

import pyarrow as pa

from resources.source import Source, Span, Table


def rows_of(source: Source, what: Table, span: Span | None = None) -> pa.Table:
    with source.read(what, span) as reading:
        return pa.Table.from_batches(reading.batches, reading.schema)
