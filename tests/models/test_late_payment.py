"""The shipped model of late payment on generated sources: it beats its baseline, and looks ahead of
nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from lake_assets.builder import asset_key
from lake_assets.definitions import build_definitions
from lake_assets.loader import SHIPPED, load_pipelines
from lake_assets.sample.generate import write_duckdb
from resources.partition import Partition
from resources.settings import Sample, load_settings
from resources.store import open_store

FIRST, MONTH = "2024-11", "2025-10"
DATA = ("raw/ar_invoice", "raw/ar_payment", "prep/ar_open_item")
BALANCES = ("prep/outstanding_balance_monthly", "prep/outstanding_balance_aging")
LEARNED = ("prep/payment_feature", "prep/payment_outcome")


class Receivables:
    """The shipped graph over generated sources, run through Dagster."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance) -> None:
        self.settings = load_settings("local")
        self.instance = instance
        write_duckdb(
            self.settings.home, Sample(days=400, until="2025-12-31", scale=0.5), date(2026, 1, 1)
        )
        definitions = build_definitions(self.settings, load_pipelines([SHIPPED]))
        self.job = definitions.resolve_implicit_global_asset_job_def()

    def run(self, *keys: str, first: str | None = None, last: str | None = None) -> None:
        ends = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
        done = self.job.execute_in_process(
            instance=self.instance,
            asset_selection=[asset_key(key) for key in keys],
            tags=dict(zip(ends, (first, last), strict=True)) if first and last else {},
            raise_on_error=False,
        )
        said = [
            str(event.step_failure_data.user_failure_data.description)
            for event in done.all_events
            if event.is_step_failure and event.step_failure_data.user_failure_data
        ]
        # A warning of a check is not a failure.
        assert done.success, said

    def prepare(self, last: str = MONTH) -> None:
        self.run("raw/customer", "prep/customer_master")
        self.run(*DATA, *BALANCES, first=FIRST, last=last)
        self.run(*LEARNED, first="2024-12", last=last)

    def rows(self, key: str, month: str) -> list[dict[str, Any]]:
        layer, name = key.split("/")
        store = open_store(self.settings)
        found: list[dict[str, Any]] = store.read(
            [Partition(layer, name, "monthly", month)]
        ).to_pylist()
        return found


@pytest.fixture
def receivables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receivables]:
    monkeypatch.setenv("LAKE_HOME", str(tmp_path / "home"))
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield Receivables(tmp_path, instance)


@pytest.mark.slow
def test_it_beats_the_baseline_and_knows_nothing_of_its_month(receivables: Receivables) -> None:
    receivables.prepare()
    receivables.run("model/late_payment", "prep/late_payment_score", first=MONTH, last=MONTH)
    (row,) = receivables.rows("model/late_payment", MONTH)
    assert (row["heldout_from"], row["heldout_until"]) == ("2025-07", "2025-09")
    assert row["trained_until"] == "2025-06"
    assert row["score"] > row["baseline_score"] + 0.05
    assert row["champion_version"] == row["version"]
    features = receivables.rows("prep/payment_feature", MONTH)
    scores = receivables.rows("prep/late_payment_score", MONTH)
    assert len(scores) == len(features) > 100
    # Ranked by what came to pass in that month, the scores are better than chance, too.
    late = {one["customer"]: one["late"] for one in receivables.rows("prep/payment_outcome", MONTH)}
    ranked = sorted(scores, key=lambda one: -one["probability"])
    top = [late[one["customer"]] for one in ranked[: len(ranked) // 5]]
    assert sum(top) / len(top) > 1.5 * sum(late.values()) / len(late)

    # Of what was posted in the month or later a third goes, and the rest is of other amounts.
    outcome = receivables.rows("prep/payment_outcome", MONTH)
    with duckdb.connect(str(receivables.settings.home / "sources" / "hana_db.duckdb")) as source:
        for table in ("ZFIT0010", "ZFIT0020"):
            later = f"SAPERP.{table} {{}} WHERE BUDAT >= '{MONTH.replace('-', '')}01'"
            source.execute(f"DELETE FROM {later.format('')} AND hash(BELNR) % 3 = 0")
            source.execute(f"UPDATE {later.format('SET DMBTR = DMBTR * 3')}")
    receivables.prepare()
    receivables.run("model/late_payment", "prep/late_payment_score", first=MONTH, last=MONTH)
    assert receivables.rows("prep/payment_outcome", MONTH) != outcome
    assert receivables.rows("prep/payment_feature", MONTH) == features
    (again,) = receivables.rows("model/late_payment", MONTH)
    assert (again["score"], again["baseline_score"]) == (row["score"], row["baseline_score"])
    assert again["champion_version"] == row["version"]
    assert receivables.rows("prep/late_payment_score", MONTH) == scores
