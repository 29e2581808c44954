"""What is measured of a DB-API driver → Parquet: pandas' way; ours is `sides.published`.

Here: functions that a measured process calls, each importing what it uses before its meter starts.
Not here: what they are compared by (`dbapi_read.py`).
"""

from __future__ import annotations

from typing import Any

from tests.bench.meter import Meter

SUMS = ("amount", "discount")


def chunked(
    meter: Meter, host: str, port: int, user: str, table: str, span: list[str], file: str
) -> dict[str, Any]:
    """As a careful script does it: `read_sql` in chunks over a server-side cursor, to Parquet.

    Without dtypes, so nullable integers become floats and decimals objects: less work than ours.
    """
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq
    import sqlalchemy

    with meter():
        engine = sqlalchemy.create_engine(f"postgresql+psycopg2://{user}@{host}:{port}/bench")
        select = sqlalchemy.text(
            f'SELECT * FROM "{table}" WHERE sale_date >= :start AND sale_date < :end '
            "ORDER BY sale_date"
        )
        rows, writer, schema = 0, None, None
        with engine.connect().execution_options(stream_results=True) as connection:
            frames = pd.read_sql(
                select, connection, params={"start": span[0], "end": span[1]}, chunksize=16_384
            )
            for frame in frames:
                found = pa.Table.from_pandas(frame, schema=schema, preserve_index=False)
                if writer is None:
                    schema = found.schema
                    amounts = [n for n in schema.names if pa.types.is_decimal(schema.field(n).type)]
                    for name in amounts:
                        place = schema.get_field_index(name)
                        schema = schema.set(place, pa.field(name, pa.decimal128(18, 2)))
                    found = pa.Table.from_pandas(frame, schema=schema, preserve_index=False)
                    writer = pq.ParquetWriter(file, schema, compression="zstd")
                writer.write_table(found)
                rows += len(frame)
        assert writer is not None
        writer.close()
    return {"rows": rows}
