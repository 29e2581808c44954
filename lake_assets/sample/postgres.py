"""The generated tables in a PostgreSQL database, for whoever wants a real server as the source.

Here: creating and filling them. Not here: the rows (`generate.py`) and an environment that names
the server (tests write theirs).
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from contextlib import closing
from datetime import date
from typing import Any

import psycopg2
import pyarrow.csv

from lake_assets.sample.generate import SampleTable, tables
from resources.settings import Sample


def write_postgres(connection: Mapping[str, Any], sample: Sample, today: date) -> dict[str, int]:
    """Load every table, replacing what is there, in one transaction; rows by `connection.table`.

    `connection` is what `psycopg2.connect` takes.
    """
    rows = {}
    with closing(psycopg2.connect(**connection)) as server, server, server.cursor() as cursor:
        for table in tables(sample, today):
            rows[f"{table.connection}.{table.table}"] = _load(cursor, table)
    return rows


def _load(cursor: Any, table: SampleTable) -> int:
    cursor.execute(f'CREATE SCHEMA IF NOT EXISTS "{table.schema}"')
    cursor.execute(f"DROP TABLE IF EXISTS {table.target}")
    cursor.execute(f"CREATE TABLE {table.target} ({table.declaration})")
    rows = 0
    for batch in table.batches:
        # Text is quoted and NULL is nothing at all, which is how COPY tells '' from NULL.
        text = io.BytesIO()
        pyarrow.csv.write_csv(
            batch, text, pyarrow.csv.WriteOptions(include_header=False, quoting_style="needed")
        )
        text.seek(0)
        cursor.copy_expert(f"COPY {table.target} FROM STDIN (FORMAT csv)", text)
        rows += batch.num_rows
    if "CALDAY" in table.types:
        cursor.execute(f'CREATE INDEX ON {table.target} ("CALDAY")')
    cursor.execute(f"ANALYZE {table.target}")
    return rows
