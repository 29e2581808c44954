"""Deliveries to a Hive table: files written beside the old ones, then the partition points to them.

Here: what a table must be for that, the files, the one statement that makes them the partition's.
Not here: the statements' text (`hive_tables.py`), the session (`hive.py`), bytes on HDFS.

Hive changes a location at once, so a query reads the old rows or the new ones. The files of before
stay for those that still read them; the next delivery but one takes them away.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Sequence
from contextlib import suppress
from itertools import starmap
from urllib.parse import quote, urlsplit

import pyarrow as pa

from resources import hive_tables
from resources.deliver import Delivery, Receipt, TableTarget
from resources.deliver_values import Room, checked, matched
from resources.errors import LakeError, PermanentError
from resources.file_store import FILE
from resources.hdfs import Hdfs
from resources.hdfs_store import HdfsFiles
from resources.hive import HiveConnection
from resources.hive_tables import Described, HiveColumn, HiveTable, hive_type
from resources.parquet import ParquetStream
from resources.settings import Connection
from resources.sql import quoted, similar

#: Folders of the lake's own begin so: Hive, and whoever lists the table's folder, skips them.
_PREFIX = "_lake_"
#: Seconds for which files stay that no partition points to.
_LITTER_SECONDS = 86_400


def deliver(name: str, connection: Connection, delivery: Delivery) -> Receipt:
    """Write one partition: all of it, or nothing."""
    target = delivery.target
    assert isinstance(target, TableTarget)
    what = f"{delivery.what}, {_shown(target)} of {name!r}"
    if target.mode == "upsert":
        raise PermanentError(
            f"{what}: Hive changes no rows by their key. Write `mode: replace` without `key`, by "
            "which a partition is replaced at once; to keep rows that are not delivered, deliver "
            "a dataset that has them."
        )
    if delivery.files is None:
        raise PermanentError(
            f"{what}: its files go to HDFS, and this environment's store is on none. Give "
            "`store.connection` in the environment, the HDFS that Hive reads."
        )
    with HiveConnection(name, connection) as hive:
        return _HiveDelivery(hive, Hdfs(*delivery.files), delivery, connection).run()


def _shown(target: TableTarget) -> str:
    return ".".join(filter(None, (target.schema_, target.name)))


def _folder(name: str, value: str) -> str:
    """`dt=2025-07-01`; of what WebHDFS or a reader might take another way, a digest."""
    plain = re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", value)
    return f"{name}={value if plain else hashlib.sha256(value.encode()).hexdigest()[:32]}"


class _HiveDelivery:
    def __init__(
        self, hive: HiveConnection, hdfs: Hdfs, delivery: Delivery, connection: Connection
    ) -> None:
        assert isinstance(delivery.target, TableTarget)
        self._hive = hive
        self._hdfs = hdfs
        self._delivery = delivery
        self._layer = delivery.target.schema_ or connection.database or "default"
        self._name = delivery.target.name
        self._at = f"{self._layer}.{self._name} of {hive.where}"
        by_name = {column.name: column.source for column in delivery.columns}
        self._own = {by_name[name]: value for name, value in delivery.replaced.items()}

    def run(self) -> Receipt:
        found = self._described()
        rooms = self._matched(found)
        table = self._table(found)
        raw = "/".join(f"{name}={value}" for name, value in self._own.items())
        part = "/".join(f"{name}={quote(value, safe='')}" for name, value in self._own.items())
        there = (
            hive_tables.locations(self._hive, table, [part]).get(raw, "")
            if part
            else found.location
        )
        folder = "/".join([table.folder, *starmap(_folder, self._own.items())])
        made, rows, size = self._written(rooms, folder)
        changed = hive_tables.path_of(there) != made
        if changed:
            self._point(table, part, there, found.location, made)
        self._sweep(folder, {made, hive_tables.path_of(there)})
        route = "Parquet on HDFS, location of the partition"
        return Receipt(rows, size, route, self._at, changed=changed)

    # -- before anything is written

    def _described(self) -> Described:
        table = HiveTable(self._layer, self._name, "", (), (), "")
        found = hive_tables.described(self._hive, table)
        begin = f"{self._delivery.what}, {self._at}"
        if found is None:
            raise PermanentError(
                f"{begin}: there is no such table{self._near()} The lake makes none here: have it "
                "made, EXTERNAL, STORED AS PARQUET, and partitioned as the dataset is."
            )
        if found.kind != "EXTERNAL_TABLE":
            raise PermanentError(
                f"{begin}: it is a {found.kind}, whose files are Hive's own. Nothing was written. "
                f"Have it made external: ALTER TABLE {table.sql} SET TBLPROPERTIES "
                "('EXTERNAL'='TRUE')."
            )
        if "parquet" not in found.input_format.lower():
            raise PermanentError(
                f"{begin}: it is read by {found.input_format.rpartition('.')[2]}, not as Parquet. "
                "Nothing was written. Have a table STORED AS PARQUET for what the lake delivers."
            )
        if list(found.keys) != list(self._own):
            theirs, ours = (", ".join(one) or "nothing" for one in (found.keys, self._own))
            raise PermanentError(
                f"{begin}: it is partitioned by {theirs}, and what is delivered by {ours}. "
                "Nothing was written. A partition is replaced whole, so both must be the same; "
                "`columns` gives a column its name there."
            )
        path = hive_tables.path_of(found.location)
        if self._hdfs.status(path) is None:
            raise PermanentError(
                f"{begin}: its folder {path} is not on the HDFS {self._hdfs.name!r}, where the "
                "lake writes. Nothing was written."
            )
        return found

    def _near(self) -> str:
        with suppress(LakeError):
            rows = self._hive.rows(f"SHOW TABLES IN {quoted(self._layer, 'hive')}")
            return similar(self._name, [str(row[0]) for row in rows]) or "."
        return "."

    def _matched(self, found: Described) -> list[Room]:
        """Of each delivered column what Hive has; types must be the same, as Hive reads Parquet."""
        ours = {column.source: column.type for column in self._delivery.columns}
        rooms = [
            Room(
                name=name,
                shown=type_,
                type=ours[name] if name in ours and hive_type(ours[name]) == type_ else None,
            )
            for name, type_ in found.columns.items()
        ]
        for name, type_ in found.keys.items():
            fits = name in ours and type_ in (hive_type(ours[name]), "string")
            rooms.append(Room(name, type_, ours[name] if fits else None, nullable=False))
        return matched(self._delivery, rooms, self._at)

    def _table(self, found: Described) -> HiveTable:
        """The table; its own folder, where a delivery before made it point below."""
        keys = tuple(HiveColumn(name, type_) for name, type_ in found.keys.items())
        folder = hive_tables.path_of(found.location).partition(f"/{_PREFIX}")[0]
        return HiveTable(self._layer, self._name, "", (), keys, folder)

    # -- writing

    def _written(self, rooms: Sequence[Room], folder: str) -> tuple[str, int, int]:
        """The folder of the rows' one file, rows and bytes. Equal rows lie in the same one."""
        kept = [column for column in self._delivery.columns if column.source not in self._own]
        schema = pa.schema([(column.source, column.type.arrow()) for column in kept])
        self._hdfs.make(folder)
        sink = HdfsFiles(self._hdfs).hidden(folder)
        stream = ParquetStream(sink, schema, "hive1")
        try:
            for batch in checked(self._delivery, rooms, self._at):
                arrays = [batch.column(column.name) for column in kept]
                stream.write(pa.RecordBatch.from_arrays(arrays, schema=schema))
            stream.close()
            sink.finish()
            made = f"{folder}/{_PREFIX}{sink.sha256[:32]}/rows"
            old = self._hdfs.status(f"{made}/{FILE}")
            if old is None or old.bytes != sink.size:
                self._hdfs.make(made)
                sink.publish(f"{made}/{FILE}")
        finally:
            # Of one that is published, or whose stream is closed, nothing is left to do.
            sink.discard()
            stream.abandon()
        return made, stream.rows, sink.size

    def _point(self, table: HiveTable, part: str, there: str, base: str, made: str) -> None:
        """The one change that anybody sees."""
        scheme = base[: len(base) - len(urlsplit(base).path)]
        if part and not there:
            (statement,) = hive_tables.add_partitions(table, {part: f"{scheme}{made}"})
            self._hive.run(statement)
            found = hive_tables.locations(self._hive, table, [part])
            there = next(iter(found.values()), "")
            if hive_tables.path_of(there) == made:
                return
        self._hive.run(hive_tables.use(self._layer))
        self._hive.run(hive_tables.set_location(table, part, f"{scheme}{made}"))

    def _sweep(self, folder: str, kept: set[str]) -> None:
        """Away with what no partition has pointed to for a day."""
        old = time.time() - _LITTER_SECONDS
        for one in self._hdfs.names(folder):
            path = f"{folder}/{one.name}"
            ours = one.name.startswith((_PREFIX, f".{FILE}."))
            if ours and f"{path}/rows" not in kept and one.modified < old:
                with suppress(LakeError):
                    self._hdfs.remove(path)
