"""That a source with limits is kept to them: hours, sessions at a time, rows a second."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import hypothesis.strategies as st
import pytest
from hypothesis import given
from pydantic import ValidationError

from resources import limited
from resources.errors import NotYetError, TransientError
from resources.limits import Limits, next_opening
from resources.settings import Connection, Settings, load_settings
from resources.source import Column, Table, open_source
from resources.types import parse_type

TABLE = Table((Column("id", "id", parse_type("int64")),), table="t")

TIMES = st.times().map(lambda one: f"{one:%H:%M}")


@given(TIMES, TIMES, st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)))
def test_hours_against_a_walk_through_the_minutes(first: str, last: str, now: datetime) -> None:
    if first == last:
        return
    hours = f"{first}-{last}"

    def is_open(moment: datetime) -> bool:
        clock = f"{moment:%H:%M}"
        inside = first <= clock < last
        return inside if first < last else not last <= clock < first

    opening = next_opening(hours, now)
    assert (opening is None) == is_open(now)
    if opening is None:
        return
    assert now < opening <= now + timedelta(days=1)
    assert is_open(opening)
    minute = now.replace(second=0, microsecond=0)
    waited = (opening - minute) // timedelta(minutes=1)
    assert not any(is_open(minute + timedelta(minutes=one)) for one in range(waited))


HOURS: list[tuple[str, str, str | None]] = [
    ("20:00-06:00", "2025-07-01 19:59:59.999999", "2025-07-01 20:00"),
    ("20:00-06:00", "2025-07-01 20:00", None),
    ("20:00-06:00", "2025-12-31 23:59", None),
    ("20:00-06:00", "2025-07-02 05:59:59.999999", None),
    ("20:00-06:00", "2025-07-02 06:00", "2025-07-02 20:00"),
    ("01:00-06:00", "2025-12-31 06:00", "2026-01-01 01:00"),
    ("20:00-24:00", "2025-07-01 23:59:59", None),
    ("20:00-24:00", "2025-07-02 00:00", "2025-07-02 20:00"),
    ("00:00-06:00", "2024-02-28 23:59", "2024-02-29 00:00"),
]


@pytest.mark.parametrize(("hours", "now", "opening"), HOURS)
def test_hours(hours: str, now: str, opening: str | None) -> None:
    expected = None if opening is None else datetime.fromisoformat(opening)
    assert next_opening(hours, datetime.fromisoformat(now)) == expected


@pytest.mark.parametrize(
    "hours", ["20-6", "20:00", "24:00-06:00", "20:00-20:00", "20:60-06:00", "20:00-06:00\n", "", 5]
)
def test_hours_that_are_none(hours: Any) -> None:
    with pytest.raises(ValidationError, match=r"20:00-06:00|valid string"):
        Limits(hours=hours)


@pytest.mark.parametrize("wrong", [{"connections": 0}, {"rows_per_second": 0}, {"colour": 1}])
def test_limits_that_are_none(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        Limits(**wrong)


def settings(tmp_path: Path, **limits: Any) -> Settings:
    file = tmp_path / "t.duckdb"
    with duckdb.connect(file) as db:
        db.execute("CREATE OR REPLACE TABLE t AS SELECT range AS id FROM range(50000)")
    known = load_settings("local").environment
    # A name as no path should have it.
    one = Connection(kind="duckdb", path=str(file), limits=Limits(**limits))
    connections = {**known.connections, "../한글/a": one}
    return Settings("local", tmp_path, known.model_copy(update={"connections": connections}))


NAME = "../한글/a"


def test_without_limits_there_is_nothing_between(tmp_path: Path) -> None:
    assert not isinstance(open_source(settings(tmp_path), NAME), limited.LimitedSource)


def _clock(monkeypatch: pytest.MonkeyPatch, *now: str) -> None:
    """A stand-in for the clock: each look at it is the next of `now`."""
    left = [datetime.fromisoformat(one) for one in now]

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            assert str(tz) == "Asia/Seoul"
            return left.pop(0).replace(tzinfo=tz)

    monkeypatch.setattr(limited, "datetime", Clock)


def test_outside_its_hours_a_source_is_not_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = settings(tmp_path, hours="20:00-06:00", connections=1)
    _clock(monkeypatch, "2025-07-01 09:00")
    with pytest.raises(NotYetError) as caught, open_source(known, NAME):
        pass
    assert str(caught.value) == (
        "The connection '../한글/a' is read from 20:00-06:00 (Asia/Seoul) alone, next from "
        "2025-07-01 20:00. Run again then, or change `limits` of the connection."
    )
    assert caught.value.exit_code == 75
    # The next reading of a long backfill is refused; the one that has begun is not.
    _clock(monkeypatch, "2025-07-02 05:00", "2025-07-02 05:59", "2025-07-02 06:00")
    with open_source(known, NAME) as source:
        with source.read(TABLE) as reading:
            assert sum(one.num_rows for one in reading.batches) == 50_000
        with pytest.raises(NotYetError), source.read(TABLE):
            pass
    _clock(monkeypatch, "2025-07-02 05:00")
    with open_source(known, NAME):  # the place was given back
        pass


def test_rows_a_second(tmp_path: Path) -> None:
    known = settings(tmp_path, rows_per_second=100_000)
    with open_source(known, NAME) as source, source.read(TABLE) as reading:
        begun = time.monotonic()
        sizes = [one.num_rows for one in reading.batches]
        took = time.monotonic() - begun
    assert sum(sizes) == 50_000
    assert len(sizes) > 1
    assert took >= 50_000 / 100_000
    assert reading.totals is not None  # the rest of the reading is as it was
    assert reading.totals[""].rows == 50_000


def test_rows_a_second_of_small_readings_together(tmp_path: Path) -> None:
    known = settings(tmp_path, rows_per_second=1000)
    few = replace(TABLE, filter="id < 100")

    def read() -> None:
        with open_source(known, NAME) as source:
            for _ in range(2):
                with source.read(few) as reading:
                    assert sum(one.num_rows for one in reading.batches) == 100

    begun = time.monotonic()
    threads = [threading.Thread(target=read) for _ in range(3)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert 0.6 <= time.monotonic() - begun < 60


def test_a_slow_reader_saves_nothing_up(tmp_path: Path) -> None:
    import pyarrow as pa

    batch = pa.record_batch({"id": pa.array(range(100))})
    paced = limited._paced(iter([batch] * 3), 1000, limited.Place(tmp_path, "slow"))
    next(paced)
    time.sleep(0.3)
    begun = time.monotonic()
    next(paced)
    next(paced)
    assert time.monotonic() - begun >= 0.09


def test_sessions_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    known = settings(tmp_path, connections=2)
    monkeypatch.setattr(limited, "_LOOK", 0.02)
    now, most, lock = 0, 0, threading.Lock()
    told = "has its 2 sessions of this machine in use; waiting for one"

    def read() -> None:
        nonlocal now, most
        with open_source(known, NAME) as source:
            with lock:
                now += 1
                most = max(most, now)
            until = time.monotonic() + 30
            while not (most == 2 and told in caplog.text) and time.monotonic() < until:
                time.sleep(0.01)
            assert source.peek(TABLE, 1)["id"].to_pylist() == [0]
            with lock:
                now -= 1

    threads = [threading.Thread(target=read) for _ in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert most == 2
    assert told in caplog.text
    assert sorted(one.name for one in (tmp_path / "limits").iterdir()) == [
        "local...%2F%ED%95%9C%EA%B8%80%2Fa.0.lock",
        "local...%2F%ED%95%9C%EA%B8%80%2Fa.1.lock",
    ]


_HOLD = """
import sys, time
from pathlib import Path
from resources.limited import Place, _place
_place("x", Place(Path(sys.argv[1]), sys.argv[2]), 1)
print("held", flush=True)
time.sleep(600)
"""


def test_another_process_that_is_killed_leaves_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = settings(tmp_path, connections=1)
    monkeypatch.setattr(limited, "WAIT", 0.2)
    command = [sys.executable, "-c", _HOLD, str(tmp_path / "limits"), f"local.{NAME}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(TransientError, match=r"has had its 1 sessions of this machine in use"):
            open_source(known, NAME).__enter__()
        other.kill()
    with open_source(known, NAME) as source:
        assert source.describe(TABLE)[0].name == "id"


def test_a_failed_login_gives_its_place_back(tmp_path: Path) -> None:
    known = settings(tmp_path, connections=1)
    Path(known.connections[NAME].path or "").unlink()
    for _ in range(2):
        with pytest.raises(Exception, match="no such file"), open_source(known, NAME):
            pass
