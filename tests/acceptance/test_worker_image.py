"""The worker image of each Airflow: built by deploy/build.sh on a real Docker engine, and at work.

Here: what is in an image and what is not, and a DAG run whose tasks a container takes from Redis:
Celery's worker on queue s21, Airflow in one Python, the lake in another. Scheduler, PostgreSQL and
Redis run outside. Not here: what else a DAG run does (`test_airflow_clusters.py`), starting servers
(`tests/servers`).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from resources.errors import UsageError
from tests.conftest import absent
from tests.servers.airflow import VERSIONS, install
from tests.servers.celery import QUEUE, Cluster, find_redis, running_cluster
from tests.servers.docker import Docker, running_docker
from tests.servers.environment import write_pg_environment
from tests.servers.postgres import NoServer, PostgresServer

pytestmark = [pytest.mark.server, pytest.mark.slow]

CHECKOUT = Path(__file__).parents[2]
#: The user of a host, who owns the mounted folders. Root runs the tests, and no container.
UID, GID = 1234, 1235
PATIENCE = 300.0

DAG = "image_sales"
DAY = "2026-07-01"
PASSWORD = "sales-Kd34-secret"

PIPELINE = f"""
version: 1
title: 점포 매출
description: 매출을 하루 단위로 받아 점포별로 집계합니다.
owner: team:sales-data
tags: ["0.ETL", "1.Start:SAP", "2.End:HDFS", 매출]
partitions: {{daily: {{start: "{DAY}"}}}}
run: {{queue: {QUEUE}}}
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
datasets:
  by_store:
    title: 점포별 매출
    inputs: [raw/sales]
    sql: |
      SELECT store, CAST(sum(amount) AS DECIMAL(18,2)) AS amount FROM sales GROUP BY store
    columns: {{store: string, amount: "decimal(18,2)"}}
    order_by: [store]
"""

SALES = f"""
CREATE TABLE sales AS
SELECT day::date, store, (100.25 * number)::numeric(18,2) AS amount
FROM generate_series('{DAY}', '{DAY}'::date + 2, interval '1 day') day,
     unnest(ARRAY['서울', '부산'], ARRAY[1, 2]) AS stores(store, number)
"""

#: Asked in the image: by its user, with its Dagster, where its paths are.
RUNS = """
import json
import dagster as dg
with dg.DagsterInstance.get() as instance:
    kind = dg.DagsterEventType.ASSET_MATERIALIZATION
    for run in instance.get_runs()[::-1]:
        records = instance.get_records_for_run(run.run_id, of_type=kind).records
        made = [record.event_log_entry.asset_materialization for record in records]
        print(json.dumps({
            "status": run.status.value,
            "tags": {k: v for k, v in run.tags.items() if k.startswith("airflow/")},
            "made": [[one.asset_key.to_user_string(), one.partition] for one in made],
            "commits": [one.metadata["lake/git_commit"].value for one in made],
        }))
"""

#: Modules without byte code: each would be compiled again by every task.
UNCOMPILED = """
import sys
from importlib.util import cache_from_source
from pathlib import Path
sources = [path for path in Path(sys.prefix, "lib").rglob("*.py")]
assert len(sources) > 1000
print([str(path) for path in sources if not Path(cache_from_source(path)).exists()])
"""


@pytest.fixture(scope="module")
def docker() -> Iterator[Docker]:
    with ExitStack() as stack:
        try:
            yield stack.enter_context(running_docker())
        except NoServer as error:
            absent("Docker", error)


@dataclass(frozen=True)
class Image:
    """A built image of an Airflow."""

    docker: Docker
    version: str
    name: str
    commit: str

    def run(self, *words: str, options: Sequence[str] = ()) -> str:
        """A command in a container of it; what it printed."""
        return self.docker.call("run", "--rm", "--network", "host", *options, self.name, *words)


# The one that needs nothing but Debian first.
@pytest.fixture(scope="module", params=["2.11.2", "2.2.3", "3.3.2"])
def image(
    request: pytest.FixtureRequest, docker: Docker, tmp_path_factory: pytest.TempPathFactory
) -> Image:
    version = request.param
    try:
        base = docker.base_with(VERSIONS[version])
    except NoServer as error:
        absent(f"a base image for Airflow {version}", error)
        raise AssertionError from None
    name = f"airflow_server:{version}"
    variables = {
        "BASE": base,
        "IMAGE": name,
        "LAKE_UID": str(UID),
        "LAKE_GID": str(GID),
        "SITE": str(_site(tmp_path_factory.mktemp("site"))),
        "BUILD_OPTIONS": "--network host",
    }
    begun = time.monotonic()
    done = _build(version, {**docker.variables, **variables})
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    size = int(docker.call("inspect", "-f", "{{.Size}}", name)) // 10**6
    shown = f"{name}: built in {time.monotonic() - begun:.0f} s, {size} MB"
    print(f"\n{shown}", file=sys.stderr)
    label = '{{index .Config.Labels "org.opencontainers.image.revision"}}'
    return Image(docker, version, name, docker.call("inspect", "-f", label, name).strip())


def _build(version: str, variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", str(CHECKOUT / "deploy" / "build.sh"), version],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )


def _site(folder: Path) -> Path:
    """What reaches the package index from here: the checkout's deploy/site, and this machine's
    certificates."""
    shutil.copytree(CHECKOUT / "deploy" / "site", folder, dirs_exist_ok=True)
    trusted = os.environ.get("SSL_CERT_FILE")
    if trusted and not (folder / "ca.crt").exists():
        shutil.copy(trusted, folder / "ca.crt")
    return folder


@pytest.mark.parametrize(
    ("version", "variables", "said"),
    [
        ("1.10.15", {}, "There is no lock file of Airflow '1.10.15'; there are 2.11.2 2.2.3 3.3.2"),
        ("2.11.2", {"LAKE_UID": "0"}, "no container runs as root: set LAKE_UID and LAKE_GID"),
    ],
)
def test_what_is_not_built(version: str, variables: Mapping[str, str], said: str) -> None:
    done = _build(version, variables)
    assert (done.returncode, said in done.stderr) == (UsageError.exit_code, True), done.stderr


def test_two_pythons_of_which_neither_sees_the_other(image: Image) -> None:
    versions = {"airflow": VERSIONS[image.version], "lake": "3.11"}
    for name, python in versions.items():
        program = f"/opt/{name}/bin/python"
        asked = "import sys; print('%d.%d' % sys.version_info[:2])"
        assert image.run(program, "-c", asked).strip() == python
        assert image.run(program, "-c", UNCOMPILED).strip() == "[]"
    assert image.run("airflow", "version").splitlines()[-1] == image.version
    for program, module in (("airflow", "dagster"), ("lake", "airflow")):
        asked = f"import importlib.util as u; print(u.find_spec({module!r}))"
        assert image.run(f"/opt/{program}/bin/python", "-c", asked).strip() == "None"


def test_nobody_is_root_and_nothing_of_the_site_is_kept(image: Image) -> None:
    (found,) = json.loads(image.docker.call("inspect", image.name))
    config = found["Config"]
    assert image.run("id", "-u", "-n").strip() == config["User"] == "lake"
    assert image.run("sh", "-c", "id -u; id -g").split() == [str(UID), str(GID)]
    assert config["Entrypoint"] == ["/usr/bin/tini", "--"]
    # Of this checkout; its HEAD may have moved while the image was built.
    words = ["git", "merge-base", "--is-ancestor", image.commit, "HEAD"]
    assert subprocess.run(words, cwd=CHECKOUT, check=False).returncode == 0
    # Programs are root's: a task can change its own folders only.
    folders = "/opt/lake /opt/lake/bin /opt/airflow/lib /srv/pipelines"
    tried = f"for folder in {folders}; do test -w $folder; echo $?; done"
    assert image.run("sh", "-c", tried).split() == ["1"] * 4
    assert image.run("sh", "-c", "ls -d /site /uv /build 2>/dev/null || true") == ""
    layers = image.docker.call("history", "--no-trunc", image.name)
    assert "COPY --from" in layers or "COPY dir:" in layers
    for word in ("/site", "ca.crt", "PIP_", "UV_", "index"):
        assert word not in layers


#: Folder on the host → where the container has it, and how.
MOUNTS = {
    "dags": "/opt/airflow/dags:ro",
    "logs": "/opt/airflow/logs",
    "environments": "/srv/environments:ro",
    "pipelines": "/srv/pipelines:ro",
    "lake": "/srv/lake",
    "dagster": "/srv/dagster",
}
WRITTEN = ("logs", "lake", "dagster")


@dataclass(frozen=True)
class Host:
    """A worker's host: the folders that its container mounts, each owned by the host's user."""

    folder: Path
    image: Image

    def options(self, *names: str) -> list[str]:
        """Of `docker run`: the mounts, and variables by name, so that no value is in a command."""
        mounts = [f"{self.folder / name}:{inside}" for name, inside in MOUNTS.items()]
        return [
            *(word for mount in mounts for word in ("-v", mount)),
            *(word for name in names for word in ("-e", name)),
            "-e",
            "LAKE_ENV=image",
        ]


@pytest.fixture(scope="module")
def host(
    image: Image, postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Host]:
    host = Host(tmp_path_factory.mktemp("host"), image)
    for name in MOUNTS:
        (host.folder / name).mkdir()
    pipeline = host.folder / "pipelines" / DAG
    pipeline.mkdir()
    (pipeline / "pipeline.yaml").write_text(PIPELINE)
    database = postgres_server.create_database("image_sales")
    role = postgres_server.create_role("image_sales", PASSWORD)
    postgres_server.execute(SALES, database)
    postgres_server.execute(f"GRANT SELECT ON sales TO {role}", database)
    address = {"host": postgres_server.host, "port": postgres_server.port, "database": database}
    file = write_pg_environment(host.folder / "environments", postgres_server.port, "-", "-")
    content = yaml.safe_load(file.read_text())
    user = {"user": role, "password": "env:LAKE_SALES_PASSWORD"}
    content["connections"]["postgres"] = {"kind": "postgres", **address, **user}
    content["fires"] = {"default": "airflow"}
    file.rename(file.with_name("image.yaml")).write_text(yaml.safe_dump(content))
    dagster = {"telemetry": {"enabled": False}}
    (host.folder / "dagster" / "dagster.yaml").write_text(yaml.safe_dump(dagster))
    for name in WRITTEN:
        os.chown(host.folder / name, UID, GID)
    yield host
    postgres_server.execute("DROP DATABASE image_sales WITH (FORCE)")
    postgres_server.execute("DROP ROLE image_sales")


def test_a_dag_run_in_the_container(
    host: Host, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    image = host.image
    out = tmp_path / "out"
    out.mkdir()
    os.chown(out, UID, GID)
    words = ["/opt/lake/bin/lake", "airflow", "export", "--to", "/out"]
    image.run(*words, options=[*host.options(), "-v", f"{out}:/out"])
    dags = host.folder / "dags"
    shutil.copy(out / f"{DAG}.py", dags)
    assert "/opt/lake/bin/lake airflow" in (dags / f"{DAG}.py").read_text()

    name = f"worker-{image.version}"

    def worker(variables: Mapping[str, str]) -> Sequence[str]:
        own = ("AIRFLOW__CORE__DAGS_FOLDER",)
        theirs = [one for one in variables if one.startswith("AIRFLOW__") and one not in own]
        options = host.options(*theirs, "LAKE_SALES_PASSWORD")
        limits = ["--health-interval=3s", "--cap-drop=ALL", "--security-opt=no-new-privileges"]
        start = ["docker", "run", "--rm", "--network", "host", "--name", name, *limits, *options]
        return [*start, image.name, "airflow", "celery", "worker", "-q", QUEUE]

    more = {**image.docker.variables, "LAKE_SALES_PASSWORD": PASSWORD}
    try:
        find_redis()
        home = host.folder / "airflow"
        airflow = install(image.version)
    except NoServer as error:
        absent(f"a cluster of Airflow {image.version}", error)
    with running_cluster(airflow, postgres_server, home, dags, more, worker) as cluster:
        _wait("the worker is healthy", lambda: _health(image, name) == "healthy", cluster)
        cluster.call("dags", "unpause", DAG)
        cluster.call("dags", "trigger", DAG, "-r", "here", "-c", json.dumps({"partition": DAY}))
        ends = ("success", "failed")
        state = _wait(
            "the run ends", lambda: (s := cluster.state(DAG, "here")) in ends and s, cluster
        )
        assert state == "success", _said(cluster, host)
        tasks = cluster.ask("SELECT task_id, queue, try_number FROM task_instance")
        top = image.docker.call("top", name, "-eo", "pid,uid,args")
        assert {line.split()[1] for line in top.splitlines()[1:]} == {str(UID)}, top
        begun = time.monotonic()
        image.docker.call("stop", "-t", "60", name)
        stopped = time.monotonic() - begun
        # Celery ends at once; the process that serves its logs may take half a minute.
        assert stopped < 50, cluster.log("worker")[-3000:]
        print(f"\n{image.name}: {cluster.seconds}, stopped in {stopped:.0f} s", file=sys.stderr)
    assert {queue for name, queue, _ in tasks if name.startswith(("raw", "prep"))} == {QUEUE}

    told = image.run("/opt/lake/bin/python", "-c", RUNS, options=host.options())
    runs: list[dict[str, Any]] = [json.loads(line) for line in told.splitlines()]
    assert [run["made"] for run in runs] == [[["raw/sales", DAY]], [["prep/by_store", DAY]]]
    for run, task in zip(runs, ("raw__sales", "prep__by_store"), strict=True):
        assert run["status"] == "SUCCESS"
        assert run["commits"] == [image.commit]
        tags = run["tags"]
        found = {key: tags[f"airflow/{key}"] for key in ("dag_id", "run_id", "task_id")}
        assert found == {"dag_id": DAG, "run_id": "here", "task_id": task}
        assert tags["airflow/try_number"] == "1"
        assert tags["airflow/log_url"].startswith(cluster.url)

    parquet = host.folder / "lake" / "lake" / "prep" / "by_store" / f"dt={DAY}" / "part-0.parquet"
    rows = pq.ParquetFile(parquet).read().to_pylist()
    assert rows == [
        {"store": "부산", "amount": Decimal("200.50")},
        {"store": "서울", "amount": Decimal("100.25")},
    ]
    for folder in WRITTEN:
        files = [path for path in (host.folder / folder).rglob("*") if path.name != "dagster.yaml"]
        assert files, folder
        # A link may lead to a path of the container's.
        owners = {(path.lstat().st_uid, path.lstat().st_gid) for path in files}
        assert owners == {(UID, GID)}, folder


def _health(image: Image, name: str) -> str:
    try:
        return image.docker.call("inspect", "-f", "{{.State.Health.Status}}", name).strip()
    except AssertionError:
        return "gone"


def _wait(what: str, happened: Callable[[], Any], cluster: Cluster) -> Any:
    until = time.monotonic() + PATIENCE
    while not (found := happened()):
        assert time.monotonic() < until, f"{what}\n{cluster.log('worker')[-5000:]}"
        time.sleep(1)
    return found


def _said(cluster: Cluster, host: Host) -> str:
    """The newest logs of tasks."""
    logs = sorted((host.folder / "logs").rglob("*.log"), key=lambda path: path.lstat().st_mtime)
    told = [f"-- {path}\n{path.read_text(errors='replace')[-3000:]}" for path in logs[-3:]]
    return "\n".join([*told, cluster.log("worker")[-2000:]])
