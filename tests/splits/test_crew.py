"""Connections that read splits at once: what one's end is to the others, by sources that wait."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lake_assets.split_reading import Crew
from resources.errors import LakeError, NotYetError, PermanentError, TransientError
from resources.source import Column, Reading, Split, Table, Totals
from resources.splits import ranges
from resources.staged import staging
from resources.types import parse_type

TABLE = Table((Column("k", "k", parse_type("int64")),), table="t")
BATCH = pa.record_batch({"k": pa.array([1], pa.int64())})
PARTS: list[Split] = ranges("k", [5], nullable=False)


class Pair:
    """Two connections: the first is within its split when the other one fails and is closed."""

    def __init__(self, error: LakeError) -> None:
        self._error = error
        self._begun, self._closed = threading.Event(), threading.Event()

    def __enter__(self) -> Any:
        return Failing(self)

    def __exit__(self, *_: object) -> None:
        self._closed.set()

    @contextmanager
    def read(self, *_: object) -> Iterator[Reading]:
        def batches() -> Iterator[pa.RecordBatch]:
            self._begun.set()
            yield BATCH
            assert self._closed.wait(20)
            yield BATCH

        yield Reading(BATCH.schema, batches(), {"": Totals(2, {})}, "", "")

    def fail(self) -> None:
        assert self._begun.wait(20)
        raise self._error


class Failing:
    def __init__(self, pair: Pair) -> None:
        self._pair = pair

    @contextmanager
    def read(self, *_: object) -> Iterator[Reading]:
        self._pair.fail()
        yield from ()


@pytest.mark.parametrize(
    ("error", "kept"),
    [
        (TransientError("cut"), 1),
        (NotYetError("read from 20:00 alone"), 1),
        (PermanentError("no such column"), 0),
    ],
)
def test_what_is_being_read_is_completed_unless_somebody_has_to_mend_it(
    error: LakeError, kept: int, tmp_path: Path
) -> None:
    with staging(tmp_path / "one", "a", TABLE) as folder:
        folder.fix((5,), nullable=False)
        crew = Crew(TABLE, None, folder, PARTS)
        pair: Any = Pair(error)
        crew.start(pair, lambda: pair, 1)
        with pytest.raises(type(error)):
            for number in range(len(PARTS)):
                crew.take(number, lambda: None)
        crew.leave()
        assert len(crew.done) == kept
        assert sum(folder.found(number) is not None for number in range(len(PARTS))) == kept
