"""What an Airflow says of itself, asked by its own Python: one line of JSON, and no secret in it.

Here: text that `airflow_cli.py` runs there (Airflow 2.2 to 3.x, Python 3.8 and newer), the standard
library and Airflow only. Not here: what the answers mean (`setup.py`, `doctor.py`).
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

# Given to `python -c`, which puts the folder that it is called in before Airflow's packages.
sys.path[:] = [one for one in sys.path if one]

#: Seconds for workers to answer over the broker; those that are alive do within one.
PATIENCE = 5

#: The database's own clock in seconds; SQLite has this host's.
CLOCKS = {
    "postgresql": "SELECT EXTRACT(EPOCH FROM clock_timestamp())",
    "mysql": "SELECT UNIX_TIMESTAMP(NOW(6))",
}


def database(*connections: str) -> dict[str, Any]:
    """Pools, the connections that are asked for, and how far the database's clock is ahead."""
    from airflow.models.pool import Pool
    from airflow.utils.session import create_session
    from sqlalchemy import text

    found: dict[str, Any] = {"clock": None}
    with create_session() as session:
        fields = [one.name for one in Pool.__table__.columns if one.name not in ("id", "pool")]
        pools = session.query(Pool).all()
        found["pools"] = {one.pool: {name: getattr(one, name) for name in fields} for one in pools}
        query = CLOCKS.get(session.get_bind().dialect.name)
        if query:
            found["clock"] = ahead(lambda: float(session.execute(text(query)).scalar()))
    found["connections"] = {name: connection(name) for name in connections}
    return found


def connection(name: str) -> dict[str, Any] | None:
    """Its type and what it has, wherever Airflow keeps it; None where there is none."""
    os.environ["_AIRFLOW_PROCESS_CONTEXT"] = "server"  # 3.x; as `airflow connections get` has it
    from airflow.exceptions import AirflowNotFoundException
    from airflow.models.connection import Connection

    try:
        one = Connection.get_connection_from_secrets(name)
    except AirflowNotFoundException:
        return None
    has = [key for key in ("url", "room") if one.extra_dejson.get(key)]
    return {"type": one.conn_type, "has": has + ["password"] * bool(one.password)}


def workers() -> dict[str, Any]:
    """Celery's live workers by queue, and how far the broker's clock is ahead."""
    from airflow.configuration import conf

    found: dict[str, Any] = {"executor": conf.get("core", "executor")}
    found.update(queues=None, clock=None)
    found["default"] = conf.get("operators", "default_queue", fallback="default")
    if "Celery" not in found["executor"]:
        return found
    try:
        from airflow.providers.celery.executors.celery_executor_utils import app
    except ImportError:
        from airflow.executors.celery_executor import app
    with app.connection_for_write() as broker:
        broker.ensure_connection(max_retries=1, timeout=PATIENCE)
        if broker.transport.driver_type == "redis":
            found["clock"] = ahead(lambda: seconds(*broker.default_channel.client.time()))
    active = app.control.inspect(timeout=PATIENCE).active_queues() or {}
    found["queues"] = {}
    for worker, queues in sorted(active.items()):
        for one in queues:
            found["queues"].setdefault(one["name"], []).append(worker)
    return found


def files(*paths: str) -> dict[str, Any]:
    """Why this Airflow cannot load each of the files, its last words; those it can are left out."""
    os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
    try:
        from airflow.dag_processing.dagbag import DagBag
    except ImportError:
        from airflow.models.dagbag import DagBag

    found: dict[str, str] = {}
    for path in paths:
        errors = DagBag(path).import_errors
        if errors:
            found[path] = next(iter(errors.values())).strip().splitlines()[-1]
    return {"errors": found}


def facts() -> dict[str, Any]:
    """Its version, the folder that it reads, and after how many seconds a silent task is lost."""
    import airflow
    from airflow.configuration import conf

    three = int(airflow.__version__.partition(".")[0]) >= 3
    option = "task_instance_heartbeat_timeout" if three else "scheduler_zombie_task_threshold"
    lost = conf.getint("scheduler", option, fallback=300)
    folder = conf.get("core", "dags_folder")
    return {"version": airflow.__version__, "folder": folder, "lost": [option, lost]}


def seconds(whole: int, millionths: int) -> float:
    return whole + millionths / 1e6


def ahead(clock: Callable[[], float]) -> float:
    """Seconds that another's clock is ahead of this host's, by the middle of the question."""
    clock()  # the first question opens the connection
    before = time.time()
    there = clock()
    return there - (before + time.time()) / 2


if __name__ == "__main__":
    asked: dict[str, Callable[..., dict[str, Any]]] = {
        "database": database,
        "workers": workers,
        "files": files,
        "facts": facts,
    }
    try:
        answer = asked[sys.argv[1]](*sys.argv[2:])
    except Exception as error:
        # A database's or a broker's own words are those of its driver.
        words = str(getattr(error, "orig", None) or error).strip().splitlines() or [""]
        answer = {"error": f"{type(error).__name__}: {words[0]}"}
    print("\nairflow-bridge " + json.dumps(answer), flush=True)  # noqa: T201
