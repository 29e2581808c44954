"""What is kept of parts counts only where it is whole, and of the same question."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from resources import staged
from resources.errors import TransientError
from resources.source import Column, Table, Totals
from resources.staged import Staging, question, staging
from resources.types import parse_type

KINDS = {"k": "int64", "d": "decimal(38,2)"}
COLUMNS = tuple(Column(name, name, parse_type(kind)) for name, kind in KINDS.items())
TABLE = Table(COLUMNS, schema="S", table="T")
ROWS = pa.record_batch(
    {"k": pa.array([1, 2], pa.int64()), "d": pa.array([Decimal("0.01")] * 2, pa.decimal128(38, 2))}
)
#: More digits than Python's own context keeps.
SUMS = {"k": 3, "d": Decimal("123456789012345678901234567890123456.02")}


def keep(kept: Staging, number: int = 0) -> None:
    kept.fix((5,), nullable=True)
    kept.keep(number, ROWS.schema, iter([ROWS]), Totals(2, SUMS))


def test_a_part_comes_back_as_it_was(tmp_path: Path) -> None:
    with staging(tmp_path / "one", "a", TABLE) as kept:
        assert kept.cuts("k") is None
        keep(kept)
    with staging(tmp_path / "one", "a", TABLE) as kept:
        assert kept.cuts("k") == ((5,), True)
        assert kept.found(1) is None
        found = kept.found(0)
        assert found is not None
        assert found.before
        assert found.totals == Totals(2, SUMS)
        assert list(found.batches()) == [ROWS]
        kept.discard()
    assert not (tmp_path / "one").exists()


def age(folder: Path, seconds: float) -> None:
    """As if nothing had been added for so long."""
    for file in [*folder.iterdir(), folder]:
        os.utime(file, (time.time() - seconds,) * 2)


def shorter(folder: Path) -> None:
    file = folder / "0.arrow"
    file.write_bytes(file.read_bytes()[:-1])


def changed(folder: Path) -> None:
    file = folder / "0.arrow"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def torn(folder: Path) -> None:
    file = folder / "0.json"
    file.write_text(file.read_text()[:-4])


def without(folder: Path) -> None:
    (folder / "0.json").unlink()


def another_sum(folder: Path) -> None:
    file = folder / "0.json"
    file.write_text(file.read_text().replace('"k"', '"l"'))


@pytest.mark.parametrize("harm", [shorter, changed, torn, without, another_sum])
def test_a_part_that_is_not_whole_is_not_there(harm: object, tmp_path: Path) -> None:
    with staging(tmp_path / "one", "a", TABLE) as kept:
        keep(kept)
        assert kept.found(0) is not None
        harm(tmp_path / "one")  # type: ignore[operator]
        assert kept.found(0) is None


@pytest.mark.parametrize("cut", ["x", "6"])
def test_a_plan_that_is_not_as_it_was_written_is_not_there(cut: str, tmp_path: Path) -> None:
    with staging(tmp_path / "one", "a", TABLE) as kept:
        keep(kept)
        plan = tmp_path / "one" / "plan.json"
        plan.write_text(plan.read_text().replace('["5"]', f'["{cut}"]'))
        assert kept.cuts("k") is None
        assert kept.found(0) is None


def test_another_question_or_an_old_answer_begins_anew(tmp_path: Path) -> None:
    with staging(tmp_path / "one", "a", TABLE) as kept:
        keep(kept)
    with staging(tmp_path / "one", "b", TABLE) as kept:
        assert kept.cuts("k") is None
        assert kept.found(0) is None
        keep(kept)
        age(tmp_path / "one", staged.KEEP - 60)
        assert kept.cuts("k") is not None
        age(tmp_path / "one", staged.KEEP + 1)
        assert kept.cuts("k") is None
        assert kept.found(0) is None


def test_what_nobody_reads_on_with_is_removed(tmp_path: Path) -> None:
    for name in ("new", "old", "also new"):
        with staging(tmp_path / name, "a", TABLE) as kept:
            keep(kept)
    age(tmp_path / "old", staged.KEEP + 1)
    age(tmp_path / "also new", staged.KEEP + 1)
    (tmp_path / "also new" / "7.arrow").touch()
    with staging(tmp_path / "other", "a", TABLE):
        pass
    assert sorted(one.name for one in tmp_path.iterdir()) == ["also new", "new"]


def test_what_a_killed_process_had_begun_to_throw_away_is_removed(tmp_path: Path) -> None:
    for name in ("new", "old", "just made"):
        with staging(tmp_path / name, "a", TABLE) as kept:
            keep(kept)
    for name in ("new", "old"):
        (tmp_path / name / "plan.json").unlink()
    for file in (tmp_path / "just made").iterdir():  # by another process, which locks it next
        file.unlink()
    age(tmp_path / "old", staged.KEEP + 1)
    with staging(tmp_path / "other", "a", TABLE):
        pass
    assert sorted(one.name for one in tmp_path.iterdir()) == ["just made", "new"]


@pytest.mark.parametrize("seconds", [0, staged.KEEP + 1])
def test_who_comes_while_a_folder_is_removed_keeps_what_it_writes(
    seconds: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lock goes last: before it nobody else is there, after it nothing is touched."""
    folder, gone = tmp_path / "one", []
    with staging(folder, "a", TABLE) as kept:
        keep(kept)
        if not seconds:
            (folder / "plan.json").unlink()
            (folder / "0.half").touch()
        age(folder, seconds)
        unlink = os.unlink

        def watched(path: object, **at: object) -> None:
            gone.append(Path(str(path)).name)
            unlink(path, **at)  # type: ignore[call-overload]

        monkeypatch.setattr(os, "unlink", watched)
    if seconds:
        with staging(tmp_path / "other", "a", TABLE):
            pass
    assert gone.index(".lock") == 3
    assert not folder.exists()


def test_one_process_at_a_time(tmp_path: Path) -> None:
    with staging(tmp_path / "one", "a", TABLE) as kept:
        keep(kept)
        with (
            pytest.raises(TransientError, match="another process reads the same partition"),
            staging(tmp_path / "one", "a", TABLE),
        ):
            pass
        assert kept.found(0) is not None


def test_rows_that_did_not_all_come(tmp_path: Path) -> None:
    with staging(tmp_path / "one", "a", TABLE) as kept:
        kept.fix((), nullable=False)
        with pytest.raises(TransientError, match=r"S\.T: 2 rows of a split came of 3"):
            kept.keep(0, ROWS.schema, iter([ROWS]), Totals(3, SUMS))
        assert kept.found(0) is None


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    many = pa.record_batch({"k": pa.array(range(100_000), pa.int64())})
    for rows in (ROWS, many):  # full when the file is closed, and while it is written
        with staging(tmp_path / "one", "a", TABLE) as kept:
            kept.fix((), nullable=False)
            (tmp_path / "one" / "0.half").symlink_to("/dev/full")
            with pytest.raises(TransientError, match=r"No space left on device\. Free space there"):
                kept.keep(0, rows.schema, iter([rows]), Totals(rows.num_rows, SUMS))
            assert kept.found(0) is None
            kept.discard()


def test_a_source_that_breaks_off_is_no_mistake_of_the_disk(tmp_path: Path) -> None:
    def cut() -> Iterator[pa.RecordBatch]:
        yield ROWS
        raise ConnectionResetError(104, "Connection reset by peer")

    with staging(tmp_path / "one", "a", TABLE) as kept:
        kept.fix((), nullable=False)
        with pytest.raises(ConnectionResetError):
            kept.keep(0, ROWS.schema, cut(), Totals(2, SUMS))


def test_a_question_is_all_that_decides_the_rows() -> None:
    assert question(TABLE, None) == question(TABLE, None)
    assert question(TABLE, None) != question(TABLE, 1)
