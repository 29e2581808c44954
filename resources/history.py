"""The instance's event log on SQLite, with its connections kept open.

Here: one storage class that `deploy/dagster.yaml` names for the local environment. Not here: what
is written to the history, which is Dagster's. It touches Dagster's storage classes, so it is looked
at with every new version (pinned in `deploy/constraints.txt`).
"""

from __future__ import annotations

import os
import shutil
import threading
import uuid
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import dagster
import sqlalchemy as sa
from dagster import EventLogEntry
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME
from dagster._serdes import ConfigurableClassData
from sqlalchemy.pool import NullPool, StaticPool

from resources.errors import UsageError

#: Shards (one a run, and the index) whose connection stays open in a process.
MOST_OPEN = 16


class KeptSqliteEventLogStorage(SqliteEventLogStorage):
    """SqliteEventLogStorage that opens a file once instead of once an event.

    Dagster's own makes an engine and a connection for each statement and so compiles each statement
    anew: 8 ms of CPU an event, against 2 ms here (a range run of 31 partitions with 8 checks, 2.5
    and 0.6 CPU s). Planned and made partitions of a range come in Dagster's own batches, one
    transaction each, and the file of a new run is a copy (migrating an empty one takes 0.1 CPU s).
    `synchronous=NORMAL` with its WAL may lose the last events of a machine that loses power, never
    the file.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._open: OrderedDict[str, sa.Engine] = OrderedDict()
        self._open_lock = threading.RLock()
        self._tables: set[str] = set()
        self._held: dict[str, sa.Connection] = {}
        super().__init__(base_dir, inst_data)
        self._db_lock = threading.RLock()  # type: ignore[assignment]
        os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", "500")

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> KeptSqliteEventLogStorage:
        """`base_dir` may hold variables such as `$DAGSTER_HOME`; one that is not set is refused."""
        folder = os.path.expandvars(str(config_value["base_dir"]))
        if "$" in folder:
            raise UsageError(f"dagster.yaml: base_dir {folder!r} holds a variable that is not set.")
        return cls(base_dir=folder, inst_data=inst_data)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[sa.Connection]:
        # One connection a shard: whoever uses it holds the lock, as in the class above.
        with self._db_lock:
            if shard in self._held:
                yield self._held[shard]
                return
            engine = self._engine(shard)
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.connect() as connection, connection.begin():
                yield connection

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """All or none: where it fails, Dagster stores them one by one."""
        (run,) = {event.run_id for event in events}
        with self._db_lock, self._connect(INDEX_SHARD_NAME) as index, self._connect(run) as shard:
            self._held = {INDEX_SHARD_NAME: index, run: shard}
            try:
                super().store_event_batch(events)
            finally:
                self._held = {}

    def has_table(self, table_name: str) -> bool:
        """Asked with every materialisation and check, on a new engine: 1 ms of their CPU each."""
        if table_name not in self._tables and super().has_table(table_name):
            self._tables.add(table_name)  # no table ever goes
        return table_name in self._tables

    def _engine(self, shard: str) -> sa.Engine:
        with self._open_lock:
            engine = self._open.pop(shard, None)
            if engine is None:
                self._copy_template(Path(self.path_for_shard(shard)))
                engine = sa.create_engine(
                    self.conn_string_for_shard(shard),
                    poolclass=StaticPool,
                    connect_args={"timeout": 30, "check_same_thread": False},
                )
                sa.event.listen(engine, "connect", _relax)
            self._open[shard] = engine
            while len(self._open) > MOST_OPEN:
                self._open.popitem(last=False)[1].dispose()
            return engine

    def _copy_template(self, file: Path) -> None:
        """A new file with all tables; of two processes that make it, the second one finds it."""
        if file.exists():
            return
        template = Path(self._base_dir).parent / f"run-{dagster.__version__}.template"
        if not template.exists():
            made = template.with_name(f".{uuid.uuid4().hex}.template")
            engine = sa.create_engine(f"sqlite:///{made}", poolclass=NullPool)
            self._initdb(engine)
            with engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            made.replace(template)
        copy = file.with_name(f".{uuid.uuid4().hex}.copy")
        shutil.copyfile(template, copy)
        with suppress(FileExistsError):
            os.link(copy, file)
        copy.unlink()

    def dispose(self) -> None:
        with self._open_lock:
            for engine in self._open.values():
                engine.dispose()
            self._open.clear()
        super().dispose()


def _relax(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA synchronous = NORMAL")
