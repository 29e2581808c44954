"""What becomes of projects that were not written for the exporter: exported or refused, and run.

Each task runs as in its process: `command.run`, forked off this one, with its result on the last
line. What real Airflows make of the files is in `test_round_trip.py`.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from airflow_bridge.command import Task, run
from airflow_bridge.export import Wish, export
from airflow_bridge.graph import read_graph
from airflow_bridge.location import Location
from airflow_bridge.refusals import Refused
from tests.airflow_bridge.conftest import Done
from tests.airflow_bridge.projects import QUICKSTART, SHOP, TUTORIAL, variables
from tests.airflow_bridge.shop import HOSTILE

#: DAG → when it runs, and its tasks in their order.
EXPORTED = {
    SHOP: {
        "auditing": "0 0 1 1,7 * UTC: audit",
        "auto__competitor": "0 8 * * * Asia/Seoul: competitor",
        "auto__dashboard": "recommendations: dashboard",
        "auto__morning_mail": "0 6 * * * Asia/Seoul: morning_mail",
        "auto__traffic": "web/log: traffic",
        "backup": "by hand: backup",
        "campaigns": "by hand: campaign",
        "housekeeping": "0 0 * * * Asia/Seoul: housekeeping",
        "newsletter": "0 9 * * 1 Asia/Seoul: newsletter",
        "orders_daily": "30 7 * * * Asia/Seoul: raw__orders clean_orders revenue balance",
        "revenue_monthly": "0 4 2 * * Asia/Seoul: monthly_revenue",
        "science": "@daily UTC: recommendations clicks views",
        "stock": "by hand: stock__level",
        "stock_korean": "by hand: ________kg_",
        "stock_too": "by hand: stock__level",
        "visits_daily": "15 1 * * * Asia/Seoul: visits",
        "watch": "*/10 * * * * UTC: web__log",
    },
    QUICKSTART: {
        "all_assets_job": "0 0 * * * UTC: my_asset topstory_ids topstories most_frequent_words"
    },
    TUTORIAL: {
        "analysis_update_job": "0 0 * * 1 UTC: products sales_data sales_reps joined_data",
        "auto__monthly_sales_performance": "joined_data: monthly_sales_performance",
        "auto__product_performance": "joined_data: product_performance",
    },
}

_SENSOR = "it starts runs in Dagster, and no DAG can ask it when"
_CONFIG = (
    'nothing gives the config it needs: Missing required config entry "ops" at the root. You must '
    "provide this value in your run config. Example config for the missing entry: "
)

#: What is not → why.
REFUSED = {
    SHOP: {
        "job audit_by_hand": _CONFIG + "{'ops': {'audit': {'config': {'auditor': '...'}}}}",
        "job stock_both": "stock__level and stock/level are both task stock__level",
        "check orders_came of raw/orders": "it has an automation condition of its own, and tasks "
        "check what they made",
        "asset lonely": "its automation condition waits for updates, and it reads nothing",
        "asset digest": "its automation condition (one of its own) is none that Airflow has",
        "asset welcome": "its automation condition (on_missing) is none that Airflow has",
        "sensor after_revenue": _SENSOR,
    },
    QUICKSTART: {},
    TUTORIAL: {
        "job adhoc_request_job": _CONFIG + "{'ops': {'adhoc_request': {'config': {'department': "
        "'...', 'end_date': '...', 'product': '...', 'start_date': '...'}}}}",
        "sensor adhoc_request_sensor": _SENSOR,
    },
}


@pytest.mark.parametrize("location", EXPORTED, ids=lambda one: one.name)
def test_what_is_exported_and_what_is_not(location: Location, tmp_path: Path) -> None:
    graph, refusals = read_graph(location.load())
    found = {}
    for dag in graph.dags:
        when = f"{dag.cron} {dag.zone}" if dag.cron else " ".join(dag.triggers) or "by hand"
        found[dag.dag_id] = f"{when}: {' '.join(task.task_id for task in dag.tasks)}"
    assert found == EXPORTED[location]
    assert {one.name: one.why for one in refusals} == REFUSED[location]
    # All at once, and nothing is written; or the rest, and what is left out is listed.
    if refusals:
        with pytest.raises(Refused) as refused:
            export(location, Wish(tmp_path, "bridge", "the test"))
        assert list(refused.value.refusals) == refusals
        assert not list(tmp_path.iterdir())
    done = export(location, Wish(tmp_path, "bridge", "the test", skip=True))
    assert list(done.skipped) == refusals
    assert {path.stem for path in tmp_path.iterdir()} == set(EXPORTED[location])


def test_nothing_of_the_environment_is_needed_to_export(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where files are made, in CI, nobody has the secrets that the workers have."""
    for name in variables(Path()):
        monkeypatch.delenv(name, raising=False)
    for location, refused in REFUSED.items():
        assert {one.name for one in read_graph(location.load())[1]} == set(refused)


def test_what_the_record_says_of_the_shop() -> None:
    """Each thing that Dagster has a word for, in the record's words."""
    dags = {dag.dag_id: dag for dag in read_graph(SHOP.load())[0].dags}
    orders = dags["orders_daily"]
    tasks = {task.task_id: task for dag in dags.values() for task in dag.tasks}
    raw, clean = tasks["raw__orders"], tasks["clean_orders"]
    assert (orders.timeout, orders.owner) == (7200, "team:web")
    assert {task.priority for task in orders.tasks} == {2}
    # The asset's own policy; the job's for those that have none.
    assert (raw.retries, raw.retry_delay, raw.backoff, raw.pool) == (2, 7, True, "shop_api")
    assert (clean.retries, clean.retry_delay, clean.backoff, clean.pool) == (4, 90, False, None)
    assert {task.task_id: task.group for task in orders.tasks} == {
        "raw__orders": "ingest",
        "clean_orders": "ingest",
        "revenue": "finance",
        "balance": "finance",
    }
    assert raw.inputs == ("erp/customers", "web/log")
    assert tasks["balance"].inputs == ("balance", "revenue")
    assert raw.title == HOSTILE.split("\n")[0]
    assert dags["newsletter"].description == " ".join(HOSTILE.split())
    assert (dags["newsletter"].timeout, tasks["newsletter"].priority) == (1800, 5)
    # Its ops are tried again within the task.
    assert (tasks["recommendations"].pool, tasks["recommendations"].retries) == ("gpu", 1)
    assert tasks["________kg_"].assets == ("재고/수준 (kg)",)
    assert dags["orders_daily"].start == "2024-12-31T07:30"


# -- run


@dataclass(frozen=True)
class Airflow:
    """A stand-in for Airflow, of which a run is: `tick`, then each task, told what it told."""

    location: Location
    instance: dg.DagsterInstance
    folder: Path
    granularity: str = "asset"

    def tick(self, dag_id: str, time: str, updates: Any = None, **conf: str) -> Done:
        asked = json.dumps({"time": time, "conf": conf})
        return self._call(dag_id, tick=asked, updates=json.dumps(updates or {}))

    def task(self, dag_id: str, assets: Sequence[str], meaning: Any, run_id: str = "r1") -> Done:
        origin = json.dumps({"dag_id": dag_id, "run_id": run_id, "task_id": "the task"})
        # Airflow has the result of another task as text.
        told = json.dumps(json.dumps(meaning))
        return self._call(dag_id, assets=assets, meaning=told, origin=origin)

    def wait(self, dag_id: str, meaning: Any) -> Done:
        return self._call(dag_id, wait=True, meaning=json.dumps(json.dumps(meaning)))

    def dag_run(self, dag_id: str, time: str, run_id: str = "r1", **conf: Any) -> list[Done]:
        """The tasks in their order, the first one that fails the last."""
        tick = self.tick(dag_id, time, **conf)
        assert tick.code == 0, tick
        done = []
        if self._dag(dag_id).waits:
            waited = self.wait(dag_id, tick.result)
            assert waited.code == 0, waited
        for task in self._dag(dag_id).tasks:
            done.append(self.task(dag_id, task.assets, tick.result, run_id))
            if done[-1].code:
                break
        return done

    def _dag(self, dag_id: str) -> Any:
        graph, _ = read_graph(self.location.load(), granularity=self.granularity)
        (dag,) = (one for one in graph.dags if one.dag_id == dag_id)
        return dag

    def _call(self, dag_id: str, **told: Any) -> Done:
        dag = self._dag(dag_id)
        task = Task(dag.job, dag.schedule, dag.condition, **told)
        reference = self.instance.get_ref()
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as log:
            child = os.fork()
            if child == 0:
                code = 70
                try:
                    os.dup2(out.fileno(), 1)
                    os.dup2(log.fileno(), 2)
                    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
                    opened = dg.DagsterInstance.from_ref(reference)
                    code = run(self.location, task, lambda: opened, {})
                finally:
                    os._exit(code)
            _, status = os.waitpid(child, 0)
            out.seek(0)
            log.seek(0)
            text = out.read()
            assert text.count("\n") == 1, (text, log.read())
            return Done(os.waitstatus_to_exitcode(status), json.loads(text), log.read())

    def notes(self) -> list[str]:
        """What the shop wrote down, since the last time."""
        file = self.folder / "notes.txt"
        found = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        file.write_text("")
        return found

    def checks(self, run_id: str) -> dict[str, bool]:
        records = self.instance.get_records_for_run(
            run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION
        ).records
        found = [one.event_log_entry.dagster_event for one in records]
        told = [one.asset_check_evaluation_data for one in found if one is not None]
        return {one.check_name: one.passed for one in told}


@pytest.fixture
def airflow(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Airflow]:
    folder = tmp_path / "data"
    folder.mkdir()
    for name, value in variables(folder).items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        yield Airflow(request.param, instance, folder)


def of(location: Location) -> Any:
    return pytest.mark.parametrize("airflow", [location], indirect=True, ids=[location.name])


TUESDAY, MONDAY, SUNDAY = (f"2025-03-0{day}T22:30:00+00:00" for day in (3, 2, 1))


@of(SHOP)
def test_orders_of_the_shop(airflow: Airflow) -> None:
    """Partitions by the schedule, tables by the IO manager, checks and hooks in each run."""
    done = airflow.dag_run("orders_daily", TUESDAY)
    assert [one.code for one in done] == [0, 0, 0, 0], done
    assert {one.result["partition"] for one in done} == {"2025-03-03"}
    assert done[1].result["rows"] == 2
    assert json.loads((airflow.folder / "revenue__2025-03-03.json").read_text()) == 8
    checks = [airflow.checks(one.result["runs"][0]) for one in done]
    # What only warns fails nothing.
    assert checks == [
        {"orders_came": True},
        {"no_negative": True, "many_rows": False},
        {"revenue_is_there": True, "revenue_is_plausible": False},
        {},
    ]
    # Of each step, and checks that are not the asset's own are steps.
    assert airflow.notes() == [
        "hook: raw__orders",
        "hook: raw__orders_orders_came",
        "hook: clean_orders",
        "hook: revenue",
        "hook: revenue_revenue_is_plausible",
        "hook: revenue_revenue_is_there",
        "hook: balance",
    ]
    (one,) = airflow.instance.get_runs(dg.RunsFilter(run_ids=[done[0].result["runs"][0]]))
    assert one.tags["why"] == "workday"
    assert one.tags["dagster/partition"] == "2025-03-03"

    assert airflow.tick("orders_daily", MONDAY).result["partition"] == (
        "2025-02-28, 2025-03-01, 2025-03-02"
    )
    sunday = airflow.tick("orders_daily", SUNDAY)
    assert (sunday.code, sunday.result["skip"]) == (99, "Nobody works on a Sunday.")


@of(SHOP)
def test_a_check_of_the_shop_blocks(airflow: Airflow) -> None:
    (airflow.folder / "raw__orders__2025-03-03.json").write_text('[{"amount": -1}]')
    named = airflow.tick("orders_daily", TUESDAY, partition="2025-03-03").result
    done = airflow.task("orders_daily", ["clean_orders"], named)
    assert (done.code, done.result["ok"]) == (1, False)
    assert "no_negative" in done.result["failed"][0]["reason"]
    assert airflow.checks(done.result["runs"][0])["no_negative"] is False


@of(SHOP)
def test_larger_tasks_of_the_shop(airflow: Airflow) -> None:
    """A group, or the whole job, is one run of Dagster; what blocks stops what comes after it."""
    groups = replace(airflow, granularity="group").dag_run("orders_daily", TUESDAY)
    assert [one.result["made"] for one in groups] == [
        {"raw/orders": 1, "clean_orders": 1},
        {"revenue": 1, "balance": 1},
    ]
    (job,) = replace(airflow, granularity="job").dag_run("orders_daily", TUESDAY)
    assert (job.code, len(job.result["runs"]), len(job.result["made"])) == (0, 1, 4)
    (airflow.folder / "raw__orders__2025-03-03.json").write_text('[{"amount": -1}]')
    named = airflow.tick("orders_daily", TUESDAY, partition="2025-03-03").result
    part = airflow.task("orders_daily", ["clean_orders", "revenue", "balance"], named)
    assert (part.code, part.result["made"]) == (1, {"clean_orders": 1})


@of(SHOP)
def test_a_range_of_the_shop(airflow: Airflow) -> None:
    """A run a day, or as many days a run as the backfill policy has them; then their month."""
    days = {"from": "2025-01-30", "to": "2025-02-02"}
    done = airflow.dag_run("orders_daily", TUESDAY, **days)
    assert [len(one.result["runs"]) for one in done] == [4, 4, 4, 2], done
    balance = airflow.instance.get_materialized_partitions(dg.AssetKey("balance"))
    assert len(balance) == 4
    march = "2025-03-02T00:00:00+00:00"
    early = airflow.wait("revenue_monthly", airflow.tick("revenue_monthly", march).result)
    assert (early.code, "revenue 2025-02-03" in early.result["error"]) == (75, True), early
    for day in range(3, 29):  # what another one made, without a file of ours
        made = dg.AssetMaterialization("revenue", partition=f"2025-02-{day:02}")
        airflow.instance.report_runless_asset_event(made)
    (month,) = airflow.dag_run("revenue_monthly", march)
    assert month.result["partition"] == "2025-02-01"
    table = airflow.folder / "monthly_revenue__2025-02-01.json"
    assert json.loads(table.read_text()) == 8 * 2


@of(SHOP)
def test_partitions_of_two_dimensions_and_added_ones(airflow: Airflow) -> None:
    (visits,) = airflow.dag_run("visits_daily", "2025-03-03T16:15:00+00:00")
    assert visits.result["partition"] == "jp|2025-03-03, kr|2025-03-03"
    assert airflow.notes() == ["visits jp|2025-03-03", "visits kr|2025-03-03"]
    none = airflow.tick("campaigns", TUESDAY)
    assert (none.code, "there is none yet" in none.result["error"]) == (2, True)
    airflow.instance.add_dynamic_partitions("campaigns", ["봄 sale"])
    (campaign,) = airflow.dag_run("campaigns", TUESDAY, partition="봄 sale")
    assert (campaign.code, airflow.notes()) == (0, ["campaign 봄 sale"])


@of(SHOP)
def test_steps_hooks_and_retries_within_a_task(airflow: Airflow) -> None:
    (letter,) = airflow.dag_run("newsletter", "2025-03-03T00:00:00+00:00")
    assert (letter.code, letter.result["made"]) == (0, {})
    assert airflow.notes() == [
        "hook: readers",
        "sent: It's {{ ds }} 김",
        "hook: send",
        "sent: It's {{ ds }} Lee",
        "hook: send",
        "hook: count",
    ]
    (ran,) = airflow.instance.get_runs()
    assert (ran.job_name, ran.tags["team"]) == ("newsletter", "mail")
    (kept,) = airflow.dag_run("housekeeping", TUESDAY)
    assert (kept.code, airflow.notes()) == (0, ["compact 2025-03-03"])
    first, clicks, views = airflow.dag_run("science", TUESDAY)
    assert (first.code, first.result["made"]) == (0, {"recommendations": 1})
    # An op is tried again as its own policy has it: the GPU was away at first.
    events = airflow.instance.all_logs(first.result["runs"][0])
    kinds = [one.dagster_event.event_type_value for one in events if one.dagster_event]
    assert (kinds.count("STEP_UP_FOR_RETRY"), kinds.count("STEP_FAILURE")) == (1, 0)
    assert (clicks.result["made"], views.result["made"]) == ({"clicks": 1}, {"views": 1})


@of(SHOP)
def test_other_jobs_of_the_shop(airflow: Airflow) -> None:
    (audit,) = airflow.dag_run("auditing", TUESDAY)
    assert (audit.code, airflow.notes()) == (0, ["audit by O'Neil, 3 deep"])
    # A RunConfig names loggers, and none; Dagster's own events are in its history alone.
    assert "RUN_START" not in audit.log
    (watch,) = airflow.dag_run("watch", TUESDAY)
    assert watch.code == 0
    event = airflow.instance.fetch_observations(dg.AssetKey(["web", "log"]), limit=1).records
    assert len(event) == 1
    (backup,) = airflow.dag_run("backup", TUESDAY)
    # Airflow tries it again, as the events of a run do not tell `allow_retries`.
    assert backup.code == 1
    assert backup.result["failed"][0]["reason"].endswith("No drive")
    for dag_id, asset in (
        ("stock", "stock/level"),
        ("stock_too", "stock__level"),
        ("stock_korean", "재고/수준 (kg)"),
    ):
        (done,) = airflow.dag_run(dag_id, TUESDAY)
        assert (done.code, done.result["made"]) == (0, {asset: 1}), done


@of(SHOP)
def test_conditions_of_the_shop(airflow: Airflow) -> None:
    early = airflow.wait("auto__morning_mail", airflow.tick("auto__morning_mail", TUESDAY).result)
    assert (early.code, early.result["error"]) == (75, "Not there as yet: clicks.")
    science = airflow.dag_run("science", TUESDAY, run_id="r7")
    assert [one.code for one in science] == [0, 0, 0]
    (mail,) = airflow.dag_run("auto__morning_mail", TUESDAY)
    assert mail.result["made"] == {"morning_mail": 1}
    updates = {"dags": ["science"], "runs": ["r7"]}
    (board,) = airflow.dag_run("auto__dashboard", TUESDAY, updates=updates)
    assert board.result["made"] == {"dashboard": 1}
    other = airflow.tick("auto__dashboard", TUESDAY, {"dags": ["science"], "runs": ["r8"]})
    assert (other.code, other.result["skip"]) == (99, "What was updated asks for no partition.")


@of(SHOP)
def test_what_is_observed_is_an_update_where_it_is_new(airflow: Airflow) -> None:
    """As `eager()` has it: the same data version again begins nothing."""
    log = airflow.folder / "web.log"
    for run_id, text, code in (
        ("r1", "", 0),
        ("r2", "", 99),
        ("r3", "more", 0),
        ("r4", "more", 99),
    ):
        log.write_text(text)
        (watch,) = airflow.dag_run("watch", TUESDAY, run_id=run_id)
        assert watch.code == 0
        updates = {"dags": ["watch"], "runs": [run_id]}
        assert airflow.tick("auto__traffic", TUESDAY, updates).code == code, run_id
    (seen,) = airflow.dag_run("auto__competitor", TUESDAY)
    key = dg.AssetKey("competitor")
    assert (seen.code, len(airflow.instance.fetch_observations(key, limit=2).records)) == (0, 1)


@of(QUICKSTART)
def test_quickstart_etl(airflow: Airflow) -> None:
    done = airflow.dag_run("all_assets_job", TUESDAY)
    assert [(one.code, one.result["made"]) for one in done] == [
        (0, {name: 1}) for name in ("my_asset", "topstory_ids", "topstories", "most_frequent_words")
    ]
    (event,) = airflow.instance.fetch_materializations(
        dg.AssetKey("most_frequent_words"), limit=1
    ).records
    made = event.asset_materialization
    assert made is not None
    words: Any = made.metadata["words"].value
    assert (words["lake"], words["hn"]) == (3, 2)


@of(TUTORIAL)
def test_etl_tutorial(airflow: Airflow) -> None:
    """The weekly job, its check, and the analyses that follow by condition."""
    done = airflow.dag_run("analysis_update_job", TUESDAY, run_id="r1")
    assert [one.code for one in done] == [0, 0, 0, 0]
    assert airflow.checks(done[-1].result["runs"][0]) == {"missing_dimension_check": True}
    updates = {"dags": ["analysis_update_job"], "runs": ["r1"]}
    (month,) = airflow.dag_run(
        "auto__monthly_sales_performance", "2024-03-05T00:00:00+00:00", updates=updates
    )
    assert month.result["partition"] == "2024-02-01"
    (by_category,) = airflow.dag_run("auto__product_performance", TUESDAY, updates=updates)
    assert by_category.result["made"] == {"product_performance": 4}
    totals = {}
    for record in airflow.instance.fetch_materializations(
        dg.AssetKey("product_performance"), limit=4
    ).records:
        made = record.asset_materialization
        assert made is not None
        totals[record.partition_key] = made.metadata["total"].value
    assert totals == {"Electronics": 60, "Books": 20, "Home and Garden": 0, "Clothing": 0}
