"""Rows into a table in one transaction: connecting, waiting, comparing columns, committing.

Here: the course that is the same for every system. Not here: how rows get into the table, by a
temporary one (`deliver_staged.py`) or bound (`deliver_dbapi.py`), one system's connection, types
and errors (`deliver_postgres.py` and the like), and whether values fit (`deliver_values.py`).
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pyarrow as pa

from resources.deliver import Delivery, Receipt, TableTarget
from resources.deliver_values import Room, checked, matched
from resources.errors import LakeError, PermanentError
from resources.sql import Dialect, literal, quoted, similar, statement, table_name

#: Seconds to wait for whoever delivers to the same table.
LOCK_SECONDS = 600


class TableDelivery(ABC):
    """One delivery to a table over one connection. Subclasses are the systems."""

    dialect: Dialect
    route: str

    def __init__(self, name: str, delivery: Delivery) -> None:
        assert isinstance(delivery.target, TableTarget)
        self.name = name
        self.delivery = delivery
        self.target = delivery.target
        self.bytes = 0

    # -- what a system says --

    @property
    @abstractmethod
    def where(self) -> str:
        """The connection and its address, for messages."""

    @property
    @abstractmethod
    def _failures(self) -> tuple[type[Exception], ...]:
        """What the driver raises."""

    @abstractmethod
    def _connect(self) -> Any:
        """A connection whose transactions are not committed by themselves."""

    @abstractmethod
    def _lock(self, cursor: Any) -> None:
        """Begin: wait until nobody else delivers to the table."""

    @abstractmethod
    def _rooms(self, cursor: Any) -> list[Room]:
        """The target's columns; none where there is no such table."""

    @abstractmethod
    def _tables(self, cursor: Any) -> list[str]:
        """The tables there are, as `schema.table`."""

    @abstractmethod
    def _write(self, cursor: Any, batches: Counted) -> bool:
        """The rows into the table, counted there but not committed; whether any was changed.

        Adds up `bytes`.
        """

    @abstractmethod
    def _told(self, error: Exception, what: str) -> LakeError:
        """The driver's error in words, by its code, without values or secrets."""

    def _unique(self, cursor: Any) -> list[list[str]] | None:
        """The sets of columns that the target holds to be unique; None: it need not be told."""
        return None

    def _commit(self, db: Any) -> None:
        db.commit()

    # -- the course --

    def run(self) -> Receipt:
        what = self.shown
        with self._errors("connecting"):
            db = self._connect()
        try:
            with self._errors(what):
                cursor = db.cursor()
                self._lock(cursor)
                came = Counted(checked(self.delivery, self._matched(cursor), self.at))
                changed = self._write(cursor, came)
                if changed:
                    self._commit(db)
        finally:
            # Whatever was not committed is undone; on a connection that is lost the server does it.
            for end in (db.rollback, db.close):
                with contextlib.suppress(*self._failures):
                    end()
        return Receipt(came.rows, self.bytes, self.route, self.at, changed=changed)

    @property
    def shown(self) -> str:
        """The table in the words of the pipeline file."""
        return ".".join(filter(None, (self.target.schema_, self.target.name)))

    @property
    def at(self) -> str:
        return f"{self.shown} of {self.where}"

    @contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        try:
            yield
        except LakeError:
            raise
        except self._failures as error:
            told = self._told(error, what)
            # The driver's own text may hold a statement or a value; no chain shall show it.
            with contextlib.suppress(AttributeError):  # Java's have none to change
                error.args = (type(error).__name__,)
            raise told from None

    def _matched(self, cursor: Any) -> list[Room]:
        rooms = self._rooms(cursor)
        if not rooms:
            hint = similar(self.shown, self._tables(cursor)) or "."
            raise PermanentError(
                f"{self.delivery.what}, {self.at}: there is no such table, or the user may not see "
                f"it{hint} The lake makes no tables: have it made, with the rights to SELECT, "
                "INSERT, UPDATE and DELETE."
            )
        found = matched(self.delivery, rooms, self.at)
        if not self.target.key:
            return found
        names = sorted(one.source for one in self.delivery.named(self.target.key))
        unique = self._unique(cursor)
        if unique is not None and names not in map(sorted, unique):
            raise PermanentError(
                f"{self.delivery.what}, {self.at}: the table has no primary key or unique index "
                f"over {', '.join(names)}. Nothing was written. Have one made, or correct `key`."
            )
        # NULL is equal to no other NULL, so a row with one would be added again and again.
        return [replace(room, nullable=room.nullable and room.name not in names) for room in found]

    # -- its statements --

    @property
    def table(self) -> str:
        return table_name(self.target.schema_, self.target.name, self.dialect)

    def quoted(self, name: str) -> str:
        return quoted(name, self.dialect)

    @property
    def columns(self) -> list[str]:
        """The delivered columns as SQL text, under the target's names."""
        return [self.quoted(column.source) for column in self.delivery.columns]

    @property
    def key(self) -> list[str]:
        return [self.quoted(one.source) for one in self.delivery.named(self.target.key)]

    @property
    def own(self) -> list[str]:
        """The condition by which the target's rows are this partition's; none: all are."""
        by_name = {column.name: self.quoted(column.source) for column in self.delivery.columns}
        return [
            f"{by_name[name]} = {literal(value, self.dialect)}"
            for name, value in self.delivery.replaced.items()
        ]

    def _refuse_twice(self, keys: int) -> None:
        """PermanentError where there are keys with more than one row."""
        if keys:
            raise PermanentError(
                f"{self.delivery.what}, {self.at}: {keys:,} keys ({', '.join(self.target.key)}) "
                "have more than one row, so it is not said which of them is meant. Nothing was "
                "written. Make the key unique in the dataset (a `unique` gate), or name more "
                "columns."
            )

    def _count(self, cursor: Any, source: str, where: Sequence[str] = ()) -> int:
        cursor.execute(statement(["count(*)"], source, where))
        return int(cursor.fetchone()[0])


class Counted:
    """Batches, and how many rows have come of them."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self.rows = 0
        self._batches = batches

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for batch in self._batches:
            self.rows += batch.num_rows
            yield batch
