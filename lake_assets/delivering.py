"""A delivery carried out: partitions read from the store, written to the target, and told.

Here: rows in exactly the declared types, partition by partition. Not here: the rules of a file
(`delivery.py`), and how a system is written to (`resources/deliver.py`).
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence

import pyarrow as pa

from lake_assets.delivery import overwrites, replaced, target_of
from lake_assets.materialise import Work, inputs_of, parts_of
from lake_assets.pipeline import Delivered
from lake_assets.publish import PREVIEW_ROWS, Outcome
from lake_assets.versions import input_digest
from resources.deliver import Delivery, deliver
from resources.source import Column
from resources.store import Published


def deliveries(work: Work, keys: Sequence[str]) -> Iterator[tuple[str, Outcome]]:
    """Route and outcome of each partition, one after another as each is done."""
    asset = work.asset
    assert isinstance(asset, Delivered)
    for key in keys:
        started = time.perf_counter()
        rows = _Rows(work, asset, key)
        given = Delivery(
            what=f"{asset.key} {key}".rstrip(),
            target=target_of(asset, key),
            columns=_columns(asset),
            batches=rows,
            replaced=replaced(asset, key),
        )
        receipt = deliver(work.settings, asset.spec.connection, given)
        version = receipt.sha256 or _version(work, key)
        done = Outcome(
            key=key,
            published=Published(receipt.where, receipt.rows, receipt.bytes, version),
            rows=receipt.rows,
            seconds=time.perf_counter() - started,
            gates=(),
            checks=(),
            preview=rows.preview,
            more={
                "target": receipt.where,
                "overwrote": overwrites(asset, key) if receipt.changed else "nothing: it was equal",
                **({"sha256": receipt.sha256} if receipt.sha256 else {}),
            },
        )
        yield receipt.route, done


def _columns(asset: Delivered) -> tuple[Column, ...]:
    return tuple(
        Column(name, there, column.parsed, column.nullable, column.pii != "none")
        for name, (there, column) in asset.taken.items()
    )


def _version(work: Work, key: str) -> str:
    """What stands for rows in a table: the versions of what was delivered."""
    known = work.origin.versions
    read = {
        name: input_digest({one: known.get(name, {}).get(one, "") for one in parts})
        for name, parts in inputs_of(work, key).items()
    }
    return hashlib.sha256(repr(sorted(read.items())).encode()).hexdigest()


class _Rows:
    """The rows of a partition by the lake's names; the first of them by the target's."""

    def __init__(self, work: Work, asset: Delivered, key: str) -> None:
        assert asset.source is not None
        self.preview: pa.RecordBatch | None = None
        # NotYetError here, before a connection is opened.
        self._parts = parts_of(work, asset.source.key, inputs_of(work, key)[asset.source.key])
        work.store.files(self._parts)
        self._store = work.store
        self._schema = pa.schema(
            [(name, column.parsed.arrow()) for name, (_, column) in asset.taken.items()]
        )
        self._names = list(asset.columns)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        names = self._schema.names
        for batch in self._store.batches(self._parts, names):
            # Old readers' files have instants without a zone, and dictionaries are no strings.
            rows = batch.select(names).cast(self._schema)
            if self.preview is None and rows.num_rows:
                first = rows.slice(0, PREVIEW_ROWS)
                self.preview = pa.RecordBatch.from_arrays(first.columns, names=self._names)
            yield rows
