"""What the shared history knows of an asset's partitions: newest materialisation, its versions.

Here: reading them in few queries, and the digest that stands for "these inputs as they were". Not
here: what follows from it (`plan.py` decides what runs) and writing it (`builder.py`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dagster import (
    AssetKey,
    AssetMaterialization,
    AssetRecordsFilter,
    DagsterEventType,
    DagsterInstance,
    EventLogRecord,
)

#: Metadata of a materialisation: the content hash of its file, and "raw/x" → `input_digest`.
DATA_VERSION = "lake/data_version"
INPUT_VERSIONS = "lake/input_versions"
ROWS = "dagster/partition_row_count"

#: Ids in one query. SQLite before 3.32 takes at most 999 bound values.
_CHUNK = 900


@dataclass(frozen=True)
class Materialised:
    """The newest materialisation of one partition; `partition` is '' where there is none.

    `data_version` stands for the content: two equal ones mean equal files.
    """

    partition: str
    storage_id: int
    run_id: str
    timestamp: float
    code_version: str | None
    data_version: str
    input_versions: Mapping[str, str] = field(default_factory=dict)
    rows: int | None = None


def latest(
    instance: DagsterInstance, key: AssetKey, partitions: Sequence[str] | None
) -> dict[str, Materialised]:
    """Partition → its newest materialisation; '' for an asset without partitions (None).

    Partitions never materialised are absent. Two queries for up to 900 partitions.
    """
    if partitions is None:
        records = instance.fetch_materializations(key, limit=1).records
    else:
        records = list(_newest(instance, key, partitions))
    return {found.partition: found for found in map(_materialised, records)}


def input_digest(versions: Mapping[str, str]) -> str:
    """One short text for the data versions of the partitions (partition → version) of an input."""
    lines = "\n".join(f"{partition}={version}" for partition, version in sorted(versions.items()))
    return hashlib.sha256(lines.encode()).hexdigest()[:16]


def _newest(
    instance: DagsterInstance, key: AssetKey, partitions: Sequence[str]
) -> Iterator[EventLogRecord]:
    # Ids first: `fetch_materializations` would read every materialisation there ever was.
    event = DagsterEventType.ASSET_MATERIALIZATION
    for wanted in _chunks(partitions):
        ids = instance.get_latest_storage_id_by_partition(key, event, set(wanted))
        if ids:
            found = AssetRecordsFilter(key, storage_ids=sorted(ids.values()))
            yield from instance.fetch_materializations(found, limit=len(ids)).records


def _chunks(keys: Sequence[str]) -> Iterator[Sequence[str]]:
    return (keys[start : start + _CHUNK] for start in range(0, len(keys), _CHUNK))


def _materialised(record: EventLogRecord) -> Materialised:
    event = record.asset_materialization
    assert event is not None
    tags = event.tags or {}
    inputs = _value(event, INPUT_VERSIONS)
    rows = _value(event, ROWS)
    return Materialised(
        partition=event.partition or "",
        storage_id=record.storage_id,
        run_id=record.run_id,
        timestamp=record.timestamp,
        code_version=tags.get("dagster/code_version"),
        data_version=str(
            _value(event, DATA_VERSION) or tags.get("dagster/data_version") or record.run_id
        ),
        input_versions=json.loads(inputs) if isinstance(inputs, str) else dict(inputs or {}),
        rows=rows if isinstance(rows, int) else None,
    )


def _value(event: AssetMaterialization, name: str) -> Any:
    value = event.metadata.get(name)
    return None if value is None else value.value
