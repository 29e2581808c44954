"""A sensor for any Dagster project, which keeps Airflow's and Dagster's histories in step.

Here: when `lost_runs.sync` is called and what the UI shows of it. Not here: what is put right
(`lost_runs.py`), where Airflow is (the caller says it, or `airflow_api.from_environment`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    from airflow_bridge.airflow_api import Api
    from airflow_bridge.location import Location
    from airflow_bridge.lost_runs import Report
    from airflow_bridge.record import Graph

#: Seconds from one look to the next.
INTERVAL = 60


def airflow_sensor(
    name: str,
    location: Location,
    api: Callable[[], Api],
    graph: Callable[[dg.RepositoryDefinition], Graph] | None = None,
    prefix: str = "",
) -> dg.SensorDefinition:
    """Each minute: failures of Airflow's that never reached Dagster, runs whose task is gone.

    `api` is called for each look, so that no password is kept. `graph` says what was exported
    (else: everything that can be, a task an asset), `prefix` how the ids of its DAGs begin.
    """
    read: list[Graph] = []

    @dg.sensor(
        name=name,
        minimum_interval_seconds=INTERVAL,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Failures in Airflow that never reached Dagster; runs whose task is gone.",
        # It starts no run, so an export needs no DAG for it.
        metadata={"airflow/export": False},
    )
    def look(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        from airflow_bridge.lost_runs import sync

        if not read:
            read.append((graph or _everything)(location.load()))
        found = sync(context.instance, location, api(), read[0], prefix, context.cursor)
        for one in (*found.recorded, *found.ended):
            context.log.info(f"{one.run_id}: {one.why}")
        for problem in found.problems:
            context.log.warning(problem)
        return dg.SensorResult(skip_reason=shown(found), cursor=found.until)

    return look


def shown(found: Report) -> str:
    """A look in one line, which the UI has for each tick."""
    told = (
        f"recorded {len(found.recorded)} that never reached Dagster, ended {len(found.ended)} "
        "whose task is gone"
    )
    more = f"; {len(found.problems)} problems: {found.problems[0]}" if found.problems else ""
    return told + more


def _everything(repository: dg.RepositoryDefinition) -> Graph:
    from airflow_bridge.graph import read_graph

    return read_graph(repository, everything=True)[0]
