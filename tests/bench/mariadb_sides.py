"""What is measured of MariaDB → Parquet: connectorx's way; ours is `sides.published`.

Here: functions that a measured process calls, each importing what it uses before its meter starts.
Not here: what they are compared by (`mariadb_read.py`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.bench.meter import Meter


def by_connectorx(
    meter: Meter,
    host: str,
    port: int,
    user: str,
    table: str,
    span: list[str],
    file: str,
    types: dict[str, str],
) -> dict[str, Any]:
    """Its stream, cast back to the declared types (of decimals it makes decimal(38,10)), written by
    the same encoder. Nothing is counted, judged or published."""
    import connectorx
    import pyarrow as pa

    from resources.parquet import ParquetStream
    from resources.types import parse_type

    schema = pa.schema([(name, parse_type(kind).arrow()) for name, kind in types.items()])
    query = (
        f"SELECT {', '.join(types)} FROM {table} "
        f"WHERE sale_date >= '{span[0]}' AND sale_date < '{span[1]}' ORDER BY sale_date"
    )
    rows = 0
    with meter():
        batches = connectorx.read_sql(
            f"mysql://{user}@{host}:{port}/bench",
            query,
            return_type="arrow_stream",
            batch_size=65_536,
        )
        with Path(file).open("wb") as sink:
            stream = ParquetStream(sink, schema, "modern")
            for batch in batches:
                stream.write(batch.cast(schema))
                rows += batch.num_rows
            stream.close()
    return {"file": file, "rows": rows}
