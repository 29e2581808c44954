"""A lake that three real Airflows share: its source in PostgreSQL, its Dagster, its DAG files.

Here: one pipeline of two partitioned assets and one that is read whole, its environment as a site
has it, its clusters, and a week of it half by Dagster's scheduler and half by Airflow. Not here:
projects without the lake (`cluster_site.py`), and what must hold (the tests beside this).
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
import yaml

from tests.acceptance.cluster_site import PATIENCE, end, started, wait, write_instance
from tests.acceptance.lake import LAKE
from tests.airflow_bridge.test_prelude import Receiver
from tests.servers.celery import QUEUE, Cluster
from tests.servers.environment import write_pg_environment
from tests.servers.keeper import kept
from tests.servers.postgres import PostgresServer
from tests.ui.server import REPOSITORY

SEOUL = ZoneInfo("Asia/Seoul")
NOW = datetime.now(SEOUL)
#: Twelve hours from now, so that no tick comes while the tests run.
HOUR = (NOW.hour + 12) % 24
#: The last tick was yesterday if its hour is still to come; a tick means the day before it.
LAST_DAY = NOW.date() - timedelta(days=1 if NOW.hour >= 12 else 2)

DAG = "store_sales"
TASKS = {
    "raw__sales": "raw/sales",
    "prep__by_store": "prep/by_store",
    "prep__all_days": "prep/all_days",
}
SECRETS = {
    "LAKE_SALES_PASSWORD": "sales-Zx81-secret",
    "LAKE_DAGSTER_PASSWORD": "dagster-Qy27-secret",
}
TOKEN = "room-Wk55-secret"

PIPELINE = f"""
version: 1
title: 점포 매출
description: 매출을 하루 단위로 받아 점포별로, 그리고 전체 기간으로 집계합니다.
owner: team:sales-data
tags: ["0.ETL", "1.Start:SAP", "2.End:HDFS", 매출]
partitions: {{daily: {{start: "{LAST_DAY - timedelta(days=30)}"}}}}
schedule: {{cron: "10 {HOUR} * * *"}}
run: {{queue: {QUEUE}, retries: 1, retry_delay: 2}}
sources:
  sales:
    title: 매출
    connection: postgres
    schema: public
    table: sales
    window: {{column: day}}
    columns:
      day: {{type: date, nullable: false}}
      store: {{type: string, nullable: false}}
      amount: {{type: "decimal(18,2)", nullable: false}}
    order_by: [day, store]
    gates: {{unique: [day, store], rows: {{min: 1}}}}
datasets:
  by_store:
    title: 점포별 매출
    inputs: [raw/sales]
    transform: transform.py:by_store
    columns: {{store: string, amount: "decimal(18,2)"}}
    order_by: [store]
  all_days:
    title: 전체 매출
    partitions: none
    inputs: [prep/by_store]
    sql: |
      SELECT count(DISTINCT dt) AS days, CAST(sum(amount) AS DECIMAL(18,2)) AS amount FROM by_store
    columns: {{days: int64, amount: "decimal(18,2)"}}
"""

#: With a file beside it a step lasts until a test stops it.
TRANSFORM = """
import time
from pathlib import Path

import polars as pl

def by_store(sales: pl.DataFrame) -> pl.DataFrame:
    slow = Path(__file__).with_name("slow")
    if slow.exists():
        slow.with_name("asleep").touch()
        time.sleep(300)
    return sales.select("store", "amount")
"""

SALES = """
CREATE TABLE sales AS
SELECT day::date, store, 100.25::numeric(18,2) AS amount
FROM generate_series(now() - interval '40 days', now(), interval '1 day') day,
     unnest(ARRAY['서울', '부산', '대구']) store
"""


def day(ago: int) -> str:
    """The partition so many days before the newest."""
    return (LAST_DAY - timedelta(days=ago)).isoformat()


@dataclass(frozen=True)
class Site:
    """A lake with its source, its Dagster and its DAG files, which all three clusters share."""

    folder: Path
    server: PostgresServer
    receiver: Receiver
    variables: Mapping[str, str]
    instance: dg.DagsterInstance

    @property
    def pipeline(self) -> Path:
        return self.folder / "pipelines" / DAG

    def sales(self, statement: str) -> None:
        self.server.execute(statement, "cluster_sales")

    def told(self, cluster: Cluster, run_id: str) -> list[dict[str, Any]]:
        """The messages of a DAG run."""
        bodies = [body for _, _, body in self.receiver.received]
        return [
            body
            for body in bodies
            if body["run_id"] == run_id and body["log_url"].startswith(cluster.url)
        ]


@contextmanager
def lake_site(server: PostgresServer, folder: Path) -> Iterator[Site]:
    """All of it in `folder`, which is there and empty; Airflow fires the schedule."""
    pipeline = folder / "pipelines" / DAG
    pipeline.mkdir(parents=True)
    (pipeline / "pipeline.yaml").write_text(PIPELINE)
    (pipeline / "transform.py").write_text(TRANSFORM)
    for name, variable in (("sales", "LAKE_SALES_PASSWORD"), ("dagster", "LAKE_DAGSTER_PASSWORD")):
        database = server.create_database(f"cluster_{name}")
        role = server.create_role(f"cluster_{name}", SECRETS[variable])
        server.execute(f"ALTER DATABASE {database} OWNER TO {role}")
    server.execute(SALES, "cluster_sales")
    server.execute("GRANT SELECT ON sales TO cluster_sales", "cluster_sales")
    _write_environment(folder, server)
    write_fires(folder, "airflow")
    ours = {
        "LAKE_ENV": "cluster",
        "LAKE_HOME": str(folder / "home"),
        "LAKE_ENVIRONMENTS": str(folder / "environments"),
        "LAKE_PIPELINES": str(folder / "pipelines"),
        "DAGSTER_HOME": str(folder / "dagster"),
        **SECRETS,
    }
    others = ("LAKE_", "DAGSTER_", "AIRFLOW")
    rest = {name: text for name, text in os.environ.items() if not name.startswith(others)}
    _export(folder / "dags", {**rest, **ours})
    with pytest.MonkeyPatch.context() as patch, Receiver() as receiver:
        for name, text in ours.items():
            patch.setenv(name, text)
        with dg.DagsterInstance.get() as instance:
            yield Site(folder, server, receiver, ours, instance)
        receiver.shutdown()
    for name in ("sales", "dagster"):
        server.execute(f"DROP DATABASE cluster_{name} WITH (FORCE)")
        server.execute(f"DROP ROLE cluster_{name}")


def _write_environment(folder: Path, server: PostgresServer) -> None:
    """As a site has it: PostgreSQL keeps the history, passwords are references."""
    shelf = folder / "environments"
    file = write_pg_environment(shelf, server.port, "-", "-")
    content = yaml.safe_load(file.read_text())
    content["connections"]["postgres"] = {
        "kind": "postgres",
        "host": server.host,
        "port": server.port,
        "database": "cluster_sales",
        "user": "cluster_sales",
        "password": "env:LAKE_SALES_PASSWORD",
    }
    file.with_name("cluster.yaml").write_text(yaml.safe_dump(content))
    database = {
        "hostname": server.host,
        "port": server.port,
        "db_name": "cluster_dagster",
        "username": "cluster_dagster",
        "password": {"env": "LAKE_DAGSTER_PASSWORD"},
    }
    write_instance(folder / "dagster", {"postgres_db": database})


def write_fires(folder: Path, who: str) -> None:
    """Who fires the schedule from now on: `dagster` or `airflow`."""
    file = folder / "environments" / "cluster.yaml"
    content = yaml.safe_load(file.read_text())
    content["fires"] = {"default": "nobody", "exceptions": {DAG: who}}
    file.write_text(yaml.safe_dump(content))


def _export(folder: Path, variables: Mapping[str, str]) -> None:
    words = ["airflow", "export", "--to", str(folder), "--command", f"{LAKE} airflow"]
    done = subprocess.run(
        [str(LAKE), *words], env=dict(variables), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert [path.name for path in folder.iterdir()] == [f"{DAG}.py"]


@contextmanager
def lake_cluster(version: str, site: Site) -> Iterator[Cluster]:
    """An Airflow of that version over the lake's DAG file, once its scheduled run has ended.

    Its messages go to the receiver.
    """
    room = f"webhook://:{TOKEN}@/?url={quote(site.receiver.url + '/room', safe='')}"
    more = {
        **site.variables,
        "AIRFLOW_BRIDGE_MESSAGES": "team_room",
        "AIRFLOW_CONN_TEAM_ROOM": room,
    }
    home = site.folder / f"airflow-{version}"
    with started(version, site.server, home, site.folder / "dags", more) as found:
        found.call("dags", "unpause", DAG)
        (scheduled,) = wait("a scheduled run", lambda: dag_runs(found, "scheduled"), found)
        end(found, DAG, scheduled)
        yield found


def dag_runs(cluster: Cluster, kind: str) -> list[str]:
    """The ids of its scheduled runs, or of those of a backfill, in the order of their days."""
    query = "SELECT run_id FROM dag_run WHERE run_type = %s ORDER BY data_interval_start"
    return [str(row[0]) for row in cluster.ask(query, kind)]


def backfill(cluster: Cluster, first: int, last: int) -> list[str]:
    """Airflow's own backfill of these days, by its command; the ids of its runs."""
    words = (f"{day(first)}T00:00:00+09:00", f"{day(last)}T23:59:00+09:00")
    if cluster.airflow.version.startswith("3."):
        options = ["--dag-id", DAG, "--from-date", words[0], "--to-date", words[1]]
        cluster.call("backfill", "create", *options)
    else:
        cluster.call("dags", "backfill", DAG, "-s", words[0], "-e", words[1], seconds=900)
    count = first - last + 1

    def there() -> list[str] | None:
        found = dag_runs(cluster, "backfill")
        return found if len(found) == count else None

    found: list[str] = wait("a backfill", there, cluster)
    for run_id in found:
        end(cluster, DAG, run_id)
    return found


# -- one history

#: Days before the newest that Dagster's scheduler makes; the last of them Airflow makes again.
BY_DAGSTER = (3, 2, 1, 0)

#: Dagster's daemon, by whose clock it is what a file says, as it makes up for no tick it missed.
_DAEMON = """
import sys
from datetime import datetime, timezone
from pathlib import Path

import dagster._time as clock
from dagster._daemon.cli import main

file = Path(sys.argv[1])
clock._mockable_get_current_timestamp = lambda: float(file.read_text())
clock._mockable_get_current_datetime = lambda: datetime.fromtimestamp(
    float(file.read_text()), timezone.utc
)
sys.argv[:] = ["dagster-daemon", "run", "-w", sys.argv[2]]
main()
"""


def half_by_dagster(site: Site) -> None:
    """Dagster's daemon from an hour before its first tick of the week, tick after tick."""
    write_fires(site.folder, "dagster")
    clock = site.folder / "clock"
    # The daemon looks at the next full minute, so that it sleeps for a second.
    last = datetime(LAST_DAY.year, LAST_DAY.month, LAST_DAY.day, HOUR, 10, 59, tzinfo=SEOUL)
    ticks = [last + timedelta(days=1 - ago) for ago in BY_DAGSTER]
    _set(clock, ticks[0] - timedelta(hours=1))
    words = [sys.executable, "-c", _DAEMON, str(clock), str(REPOSITORY / "workspace.yaml")]
    with kept(site.folder, {"daemon": words}, {**os.environ, **site.variables}):
        _until(site, lambda: len(site.instance.all_instigator_state()) == 1)
        for number, tick in enumerate(ticks, 1):
            _set(clock, tick)
            _until(site, lambda count=number: len(site.instance.get_runs()) == count)
        _until(site, lambda: all(run.is_finished for run in site.instance.get_runs()))
    assert all(run.is_success for run in site.instance.get_runs()), _said(site)
    write_fires(site.folder, "airflow")


def _set(clock: Path, moment: datetime) -> None:
    half = clock.with_suffix(".half")
    half.write_text(str(moment.timestamp()))
    half.replace(clock)


def _until(site: Site, happened: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < until, _said(site)
        time.sleep(0.5)


def _said(site: Site) -> str:
    states = [(run.tags, run.status) for run in site.instance.get_runs()]
    return f"{states}\n{(site.folder / 'daemon.log').read_text()[-5000:]}"


def half_by_airflow(cluster: Cluster) -> dict[str, str]:
    """Airflow's schedule for the newest day, its backfill for the first ones; day → DAG run."""
    (scheduled,) = dag_runs(cluster, "scheduled")
    days = range(6, max(BY_DAGSTER), -1)
    filled = backfill(cluster, days[0], days[-1])
    return {**dict(zip(map(day, days), filled, strict=True)), day(0): scheduled}
