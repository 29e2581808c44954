"""A cluster of one of the three Airflows: scheduler, one Celery worker, PostgreSQL, Redis.

Here: starting one, its queue, its command line and what its metadata database says. Not here: the
Airflows (`airflow.py`), the database server (`postgres.py`), DAGs and what they must do.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.servers.airflow import Airflow
from tests.servers.keeper import ended, kept
from tests.servers.postgres import NoServer, PostgresServer, free_port

QUEUE = "s21"

#: The machine may be busy with other tests; a cluster is up within 15 to 45 s where it is not.
_PATIENCE = 300.0


@dataclass(frozen=True)
class Cluster:
    """A running cluster. `url` is where its UI would be, which the links to logs begin with.

    `commands` are those of its processes, by the names of their logs.
    """

    airflow: Airflow
    home: Path
    server: PostgresServer
    database: str
    variables: Mapping[str, str]
    url: str
    seconds: dict[str, float] = field(default_factory=dict)
    commands: dict[str, Sequence[str]] = field(default_factory=dict)

    def call(self, *words: str, seconds: float = _PATIENCE) -> str:
        """An `airflow` command; what it said."""
        done = subprocess.run(
            [str(self.airflow.bin / "airflow"), *words],
            env=dict(self.variables),
            cwd=self.home,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert done.returncode == 0, f"airflow {' '.join(words)}: {done.stdout[-5000:]}"
        return done.stdout

    def ask(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Rows of the metadata database; of a statement without any, none."""
        with contextlib.closing(self.server.connect(self.database)) as connection:
            cursor = connection.cursor()
            cursor.execute(query, values)
            return cursor.fetchall() if cursor.description else []

    def state(self, dag_id: str, run_id: str) -> str | None:
        found = self.ask(
            "SELECT state FROM dag_run WHERE dag_id = %s AND run_id = %s", dag_id, run_id
        )
        return str(found[0][0]) if found else None

    def task(self, dag_id: str, run_id: str, task_id: str) -> str | None:
        """The state of a task."""
        query = "SELECT state FROM task_instance WHERE dag_id = %s AND run_id = %s AND task_id = %s"
        found = self.ask(query, dag_id, run_id, task_id)
        return found[0][0] if found else None

    def log(self, name: str) -> str:
        """What one of its processes has said, for a message of a test that fails."""
        return (self.home / f"{name}.log").read_text(errors="replace")


def find_redis() -> str:
    found = shutil.which("redis-server")
    if found is None:
        raise NoServer("no redis-server; `apt-get install redis-server`")
    return found


@contextmanager
def running_cluster(
    airflow: Airflow,
    server: PostgresServer,
    home: Path,
    dags: Path,
    more: Mapping[str, str] | None = None,
    worker: Callable[[Mapping[str, str]], Sequence[str]] | None = None,
) -> Iterator[Cluster]:
    """A cluster over the files in `dags`, paused; `more` variables are those of its hosts.

    `worker` gives the command of another worker than this Airflow's own, from the variables.
    """
    redis = find_redis()
    home.mkdir(parents=True, exist_ok=True)
    database = server.create_database("airflow_" + airflow.version.replace(".", "_"))
    three = airflow.version.startswith("3.")
    redis_port, api_port = free_port(), free_port()
    url = f"http://127.0.0.1:{api_port}"
    given = _settings(airflow.version, server, database, redis_port, url, dags)
    variables = airflow.variables(home, {**given, **(more or {})})
    cluster = Cluster(airflow, home, server, database, variables, url)
    begun = time.monotonic()
    cluster.call("db", "init" if airflow.version.startswith("2.2") else "migrate")
    cluster.seconds["database"] = time.monotonic() - begun

    program = str(airflow.bin / "airflow")
    commands = cluster.commands
    commands["redis"] = [redis, "--port", str(redis_port), "--bind", "127.0.0.1", "--save", ""]
    commands["scheduler"] = [program, "scheduler"]
    own = [program, "celery", "worker", "-q", QUEUE]
    commands["worker"] = worker(variables) if worker else own
    if three:
        commands["api"] = [program, "api-server"]
        commands["processor"] = [program, "dag-processor"]
    begun = time.monotonic()
    with kept(home, commands, variables):
        wait = _Wait(cluster, commands)
        wait.until("worker", lambda: " ready." in cluster.log("worker"))
        if three:
            wait.until("api", lambda: _answers(f"{url}/api/v2/version"))
        names = {path.stem for path in dags.glob("*.py")}
        query = "SELECT dag_id FROM serialized_dag"
        wait.until("dags", lambda: names <= {str(row[0]) for row in cluster.ask(query)})
        cluster.seconds["processes"] = time.monotonic() - begun
        yield cluster


def _settings(
    version: str, server: PostgresServer, database: str, redis_port: int, url: str, dags: Path
) -> dict[str, str]:
    address = f"postgresql+psycopg2://{server.user}@{server.host}:{server.port}/{database}"
    section = "CORE" if version.startswith("2.2") else "DATABASE"
    found = {
        f"AIRFLOW__{section}__SQL_ALCHEMY_CONN": address,
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "True",
        "AIRFLOW__CELERY__BROKER_URL": f"redis://127.0.0.1:{redis_port}/0",
        "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{address}",
        "AIRFLOW__CELERY__WORKER_CONCURRENCY": "2",
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
    }
    if version.startswith("2."):
        return {
            **found,
            "AIRFLOW__WEBSERVER__BASE_URL": url,
            "AIRFLOW__SCHEDULER__DAG_DIR_LIST_INTERVAL": "5",
        }
    return {
        **found,
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": url.rpartition(":")[2],
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__API_AUTH__JWT_SECRET": "of a cluster that lives for minutes on one machine " * 2,
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
    }


@dataclass(frozen=True)
class _Wait:
    cluster: Cluster
    commands: Mapping[str, Sequence[str]]

    def until(self, name: str, happened: Callable[[], bool]) -> None:
        until = time.monotonic() + _PATIENCE
        while not happened():
            gone = [one for one in self.commands if ended(self.cluster.home / f"{one}.log")]
            if gone or time.monotonic() > until:
                said = "\n".join(
                    f"-- {one}\n{self.cluster.log(one)[-3000:]}" for one in gone or self.commands
                )
                raise RuntimeError(f"Airflow {self.cluster.airflow.version}: no {name}\n{said}")
            time.sleep(0.5)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
