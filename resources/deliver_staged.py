"""Deliveries by a temporary table: staged, compared, exchanged and counted.

Here: the statements of that, for every system that has temporary tables. Not here: connecting and
committing (`deliver_tables.py`), and one system's words (`deliver_postgres.py`,
`deliver_mariadb.py`, `deliver_duckdb.py`).

The rows go to a temporary table first, so that nothing is written before all of them fit. Where
the target has exactly these rows it is left alone: a rerun changes no row, and fires no trigger.
"""

from __future__ import annotations

import uuid
from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from resources.deliver import Delivery
from resources.deliver_tables import Counted, TableDelivery
from resources.errors import PermanentError, TransientError
from resources.sql import statement


class StagedDelivery(TableDelivery):
    """One delivery by way of a temporary table. Subclasses are the systems."""

    def __init__(self, name: str, delivery: Delivery) -> None:
        super().__init__(name, delivery)
        self.stage = f"lake_stage_{uuid.uuid4().hex[:12]}"

    @abstractmethod
    def _make_stage(self, cursor: Any) -> None:
        """An empty temporary table `stage` with the delivered columns, of the target's types."""

    @abstractmethod
    def _fill(self, cursor: Any, batches: Iterator[pa.RecordBatch]) -> None:
        """The rows into the stage; counts `bytes`."""

    @abstractmethod
    def _upsert(self, cursor: Any) -> bool:
        """Change or add rows by the key; whether any was."""

    def _alike(self, column: str, text: bool) -> str:
        """A column as SQL text that is equal for equal values alone (not for `a` and `A`)."""
        return column

    def _unlike(self, one: str, other: str) -> str:
        """The condition that two SQL texts are not the same value; NULL is NULL's equal."""
        return f"{one} IS DISTINCT FROM {other}"

    def _write(self, cursor: Any, batches: Counted) -> bool:
        self._make_stage(cursor)
        self._fill(cursor, iter(batches))
        self._check_staged(cursor, batches.rows)
        return self._exchanged(cursor, batches.rows)

    def _check_staged(self, cursor: Any, rows: int) -> None:
        staged = self._count(cursor, self.quoted(self.stage))
        if staged != rows:
            raise TransientError(
                f"{self.delivery.what}, {self.at}: {staged:,} of {rows:,} rows arrived. Nothing "
                "was written; try again."
            )
        if not self.key:
            return
        key = ", ".join(self.key)
        twice = f"(SELECT 1 FROM {self.quoted(self.stage)} GROUP BY {key} HAVING count(*) > 1) AS d"
        self._refuse_twice(self._count(cursor, twice))

    def _exchanged(self, cursor: Any, rows: int) -> bool:
        """Whether the target had to be changed; counted, but not yet committed."""
        if self.target.mode == "upsert":
            changed = self._upsert(cursor)
            found = self._count(cursor, self._pairs())
        else:
            if self._same(cursor, rows):
                return False
            changed = True
            where = f" WHERE {' AND '.join(self.own)}" if self.own else ""
            cursor.execute(f"DELETE FROM {self.table}{where}")
            columns = ", ".join(self.columns)
            cursor.execute(
                f"INSERT INTO {self.table} ({columns}) "
                f"SELECT {columns} FROM {self.quoted(self.stage)}"
            )
            found = self._count(cursor, self.table, self.own)
        if found != rows:
            raise PermanentError(
                f"{self.delivery.what}, {self.at}: {found:,} rows are there of {rows:,} delivered: "
                "a trigger, a rule or a policy of the target's changes what is written. Nothing "
                "was written; ask its owner."
            )
        return changed

    def _same(self, cursor: Any, rows: int) -> bool:
        """Whether the target's rows are these, each as often."""
        if self._count(cursor, self.table, self.own) != rows:
            return False
        text = {column.source: column.type.name == "string" for column in self.delivery.columns}
        alike = [self._alike(self.quoted(name), text[name]) for name in text]
        sides = [
            statement([*alike, "count(*)"], source, where, group_by=alike)
            for source, where in ((self.quoted(self.stage), ()), (self.table, self.own))
        ]
        return self._count(cursor, f"({' EXCEPT '.join(sides)}) AS d") == 0

    def _pairs(self) -> str:
        on = " AND ".join(f"t.{one} = s.{one}" for one in self.key)
        return f"{self.quoted(self.stage)} AS s JOIN {self.table} AS t ON {on}"

    def _differ(self) -> str:
        """The condition that a row `t` has other values than its row `s`."""
        text = {self.quoted(c.source): c.type.name == "string" for c in self.delivery.columns}
        return " OR ".join(
            self._unlike(self._alike(f"t.{one}", text[one]), self._alike(f"s.{one}", text[one]))
            for one in self.columns
        )
