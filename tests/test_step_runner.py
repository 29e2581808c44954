"""Steps run over rows: values, memory that stays flat, what is counted, and what a failure tells.

Here: `lake_assets/step_runner.py` and `sql_engine.ordered` through `materialise`. Not here: the
functions themselves (`preps/`) and what is told before anything runs (`test_steps.py`).
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lake_assets import sql_engine, steps
from lake_assets.loader import load_pipelines
from lake_assets.materialise import Work, materialise
from lake_assets.pipeline import assets, catalogue
from lake_assets.publish import Outcome
from lake_assets.sql_engine import BATCH_ROWS
from resources.errors import PermanentError
from resources.folder_store import FolderStore
from resources.partition import Partition
from resources.settings import load_settings
from resources.types import SIMPLE, parse_type
from tests.pipeline_files import line_of, write

FILE = """\
version: 1
title: 시험
description: 시험용
owner: team:data
tags: ["0.ETL", "1.Start:SAP", "2.End:HDFS", 시험]
elsewhere:
  raw/people:
    PARTITIONS
    columns: {id: int64, name: {type: string, pii: PII}}
datasets:
  best:
    title: 최고
    PARTITIONS
    inputs: [raw/people]
    MADE
"""
DAILY = '{daily: {start: "2025-02-01"}}'
PEOPLE = pa.table({"id": pa.array([3, 1, 2, 4]), "name": [" 나 ", "가", None, "\u3000"]})


def work(
    folder: Path, made: str, table: pa.Table = PEOPLE, pii: str = "none", key: str = ""
) -> tuple[Work, FolderStore]:
    """The dataset that `made` describes, over `table` as the input's partition `key`."""
    text = FILE.replace("MADE", made.strip()).replace("PII", pii)
    text = text.replace("PARTITIONS", f"partitions: {DAILY if key else 'none'}")
    write(folder, {"own": text})
    pipelines = load_pipelines([folder])
    store = FolderStore(folder / "lake", "modern")
    with store.writer(_partition("raw", "people", key), table.schema) as writer:
        for batch in table.to_batches():
            writer.write(batch)
        writer.publish()
    (asset,) = assets(pipelines[0])
    settings = load_settings("local", {"LAKE_HOME": str(folder)})
    return Work(asset, settings, store, catalogue(pipelines), {}), store


def _partition(layer: str, name: str, key: str) -> Partition:
    return Partition(layer, name, "daily" if key else None, key)


def made(
    folder: Path, what: str, table: pa.Table = PEOPLE, key: str = ""
) -> tuple[dict[str, list[Any]], Outcome, str]:
    """Columns of the partition, the outcome, the route."""
    asked, store = work(folder, what, table, key=key)
    ((route, outcome),) = list(materialise(asked, [key]))
    assert outcome.published
    columns = list(asked.asset.columns)
    return store.read([_partition("prep", "best", key)], columns).to_pydict(), outcome, route


def test_steps_over_an_input(tmp_path: Path) -> None:
    found, outcome, route = made(
        tmp_path,
        """
    steps:
      - trim: {columns: [name]}
    columns: {name: string, id: int32}
    order_by: [id]
""",
    )
    assert found == {"name": ["가", None, "나", None], "id": [1, 2, 3, 4]}
    assert route == "1 step"
    assert outcome.more["steps"] == (
        "| step | | rows before | rows after |\n"
        "| --- | --- | ---: | ---: |\n"
        '| 1 | trim {"columns": ["name"]} | 4 | 4 |'
    )


def test_steps_after_sql(tmp_path: Path) -> None:
    found, _, route = made(
        tmp_path,
        """
    sql: SELECT name || ' ' AS name, count(*) AS n FROM people WHERE id > 1 GROUP BY name
    steps: [trim]
    columns: {name: string, n: int64}
    order_by: [name]
""",
    )
    assert found == {"name": ["나", None, None], "n": [1, 1, 1]}
    assert route == "DuckDB SQL, 1 step"


def test_dates_in_texts_are_the_partition_s(tmp_path: Path) -> None:
    table = pa.table({"id": pa.array([1, 2]), "name": ["20250228", "20250203"]})
    steps = """
    steps:
      - filter_examples: {filters: [[name, equals, "{last_day:%Y%m%d}"]]}
    columns: {id: int64, name: string}
"""
    found, outcome, _ = made(tmp_path, steps, table, "2025-02-03")
    assert found["id"] == [1]
    assert '"20250228"' in str(outcome.more["steps"])


def test_no_rows(tmp_path: Path) -> None:
    found, outcome, _ = made(
        tmp_path, "steps: [trim]\n    columns: {id: int64, name: string}", PEOPLE.slice(0, 0)
    )
    assert found == {"id": [], "name": []}
    assert "| 0 | 0 |" in str(outcome.more["steps"])


def test_the_columns_are_looked_at_before_the_rows(tmp_path: Path) -> None:
    steps = "steps: [{trim: {columns: nam}}]\n    columns: {id: int64, name: string}"
    asked, _ = work(tmp_path, steps)
    with pytest.raises(PermanentError) as caught:
        list(materialise(asked, [""]))
    line = (tmp_path / "own/pipeline.yaml").read_text().split("\n").index(
        "    steps: [{trim: {columns: nam}}]"
    ) + 1
    assert str(caught.value) == (
        f"{tmp_path}/own/pipeline.yaml:{line}: prep/best: step 1, trim: there is no column 'nam' "
        "(did you mean 'name'?). There are: id, name."
    )


MANY = pa.table({"id": pa.array(range(300_000)), "name": [f" {n % 7} " for n in range(300_000)]})


def test_rows_that_stand_for_themselves_come_batch_by_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = seen_by(monkeypatch)
    found, outcome, _ = made(
        tmp_path,
        """
    steps:
      - filter_examples: {filters: [[name, does_not_equal, " 3 "]]}
      - trim: {columns: name}
    columns: {id: int64, name: string}
""",
        MANY,
    )
    kept = [n for n in range(300_000) if n % 7 != 3]
    assert found == {"id": kept, "name": [str(n % 7) for n in kept]}
    assert "filters" in str(outcome.more["steps"])
    assert f"| 300,000 | {len(kept):,} |\n" in str(outcome.more["steps"])
    assert f"| {len(kept):,} | {len(kept):,} |" in str(outcome.more["steps"])
    rows = [height for name, height in seen if name == "filter_examples" and height]
    assert len(rows) >= 3
    assert sum(rows) == 300_000
    assert max(rows) <= BATCH_ROWS


def test_from_the_first_step_that_needs_all_rows_they_are_collected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = seen_by(monkeypatch)
    found, outcome, _ = made(
        tmp_path,
        """
    steps:
      - filter_examples: {filters: [[id, lt, 280000]]}
      - sort: {by: id, descending: true}
      - trim: {columns: name}
    columns: {id: int64, name: string}
""",
        MANY,
    )
    assert found["id"] == list(range(279_999, -1, -1)), "without order_by the order is the steps'"
    assert found["name"][:2] == ["6", "5"]
    assert [height for name, height in seen if name != "filter_examples" and height] == [
        280_000
    ] * 2
    assert max(height for name, height in seen if name == "filter_examples") <= BATCH_ROWS
    assert "| 2 | sort" in str(outcome.more["steps"])
    assert "| 280,000 | 280,000 |" in str(outcome.more["steps"])


def seen_by(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """The name of each step and the rows that it got, as they are called."""
    seen: list[tuple[str, int]] = []
    applied = steps.applied

    def watched(number: int, step: Any, frame: Any, *, personal: bool = False) -> Any:
        seen.append((step.name, frame.height))
        return applied(number, step, frame, personal=personal)

    monkeypatch.setattr(steps, "applied", watched)
    return seen


LABELS = """
    steps:
      - trim
      - numeric_to_polynominal_mapping:
          columns: id
          mapping: {1: 하나, 2: 둘}
    columns: {id: string, name: {type: string, pii: PII}}
"""


@pytest.mark.parametrize("pii", ["none", "masked"])
def test_a_step_that_fails_says_where_and_no_value_that_is_personal(
    pii: str, tmp_path: Path
) -> None:
    asked, _ = work(tmp_path, LABELS, PEOPLE, pii)
    with pytest.raises(PermanentError) as caught:
        list(materialise(asked, [""]))
    told = str(caught.value)
    file = tmp_path / "own/pipeline.yaml"
    line = line_of(file.read_text(encoding="utf-8"), "columns: id")
    assert told.startswith(f"{file}:{line}: prep/best: step 2, numeric_to_polynominal_mapping: ")
    assert "'id'" in told
    # The value that is none of the labels' is 3.
    assert ("3" in told.partition("mapping: ")[2]) == (pii == "none")
    assert (caught.value.__cause__ is None) == (pii == "masked")


def test_a_value_that_does_not_fit_its_declared_type(tmp_path: Path) -> None:
    table = pa.table({"id": pa.array([1, 2**40]), "name": ["a", "b"]})
    asked, _ = work(tmp_path, "steps: [trim]\n    columns: {id: int32, name: string}", table)
    with pytest.raises(PermanentError) as caught:
        list(materialise(asked, [""]))
    assert str(caught.value) == (
        "prep/best: what the steps give does not fit the declared columns:\n"
        "    column 'id' is int64, declared int32, and not every value fits"
    )


def test_what_a_step_warns_of_is_in_the_history(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    _, outcome, _ = made(
        tmp_path,
        """
    steps:
      - trim
      - nominal_to_numeric: {columns: name, values: {name: [가]}, use_underscore_in_name: true}
      - rename: {mapping: {name_가: ga}}
    columns: {id: int64, ga: int64}
""",
    )
    table, _, warned = str(outcome.more["steps"]).partition("\n\n")
    assert table.count("\n") == 4
    assert warned.startswith("step 2, nominal_to_numeric: column 'name' has 1 more values")
    assert [one for one in recwarn if one.category is not ResourceWarning] == []


def test_a_gate_keeps_the_old_file(tmp_path: Path) -> None:
    what = "steps: [trim]\n    columns: {id: int64, name: string}\n    gates: {not_null: [name]}"
    asked, store = work(tmp_path, what)
    ((_, outcome),) = list(materialise(asked, [""]))
    assert [verdict.rule for verdict in outcome.failed_gates] == ["not_null(name)"]
    assert not store.exists(Partition("prep", "best"))


# --- the sorting of rows that no SQL made --------------------------------------------------------

ALL_TYPES = pa.schema([(f"c{n}", parse_type(name).arrow()) for n, name in enumerate(SIMPLE)])


def test_sorted_rows_keep_their_types(tmp_path: Path) -> None:
    schema = ALL_TYPES.append(pa.field("d", pa.decimal128(38, 4)))
    batch = pa.RecordBatch.from_pylist([{}, {"d": Decimal("1.5")}], schema)
    with sql_engine.ordered(iter([batch]), schema, ["d"], tmp_path) as batches:
        found = pa.Table.from_batches(batches, schema)
    assert found["d"].to_pylist() == [Decimal("1.5000"), None]


def test_rows_are_sorted_as_sql_does(tmp_path: Path) -> None:
    table = pa.table({"a": ["나", "b", None, "B", "가"], "b": [1, 2, 3, 4, 5]})
    with sql_engine.ordered(
        iter(table.to_batches(2)), table.schema, ["a", "b"], tmp_path
    ) as batches:
        assert pa.Table.from_batches(batches)["a"].to_pylist() == ["B", "b", "가", "나", None]


def test_an_error_among_rows_that_are_sorted_comes_out_as_it_is(tmp_path: Path) -> None:
    schema = pa.schema([("a", pa.int64())])

    def broken() -> Iterator[pa.RecordBatch]:
        yield pa.RecordBatch.from_pylist([{"a": 1}], schema)
        raise PermanentError("step 2 does not work")

    with (
        pytest.raises(PermanentError, match=r"^step 2 does not work$"),
        sql_engine.ordered(broken(), schema, ["a"], tmp_path) as batches,
    ):
        list(batches)
