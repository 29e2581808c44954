# -- From here on the same in every file: how the pipeline above becomes an Airflow DAG.
# Standard library and Airflow only, 2.2 (Python 3.8) to 3.x; nothing is read while it is parsed.
import importlib
import json
import logging
import os
import re
import shlex
import subprocess
import urllib.request
from datetime import datetime, timedelta

import airflow

AF = tuple(int(part) for part in airflow.__version__.split(".")[:2])
LEAST = PIPELINE.get("airflow", "2.2")  # several times a day where clocks change: from 2.11
if AF < tuple(map(int, LEAST.split("."))):
    raise RuntimeError(f"This DAG needs Airflow {LEAST} or newer; this is {airflow.__version__}.")
import pendulum


def find(name, *modules):
    """From the first of these modules that this Airflow has; all but the last are of Airflow 3."""
    for module in modules[:-1] if AF >= (3, 0) else ():
        try:
            return getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError):
            pass
    return getattr(importlib.import_module(modules[-1]), name)


SDK = "airflow.sdk"
DAG = find("DAG", SDK, "airflow.models.dag")
BaseHook = find("BaseHook", SDK, "airflow.hooks.base")
Param = find("Param", SDK, "airflow.models.param")
TaskGroup = find("TaskGroup", SDK, "airflow.utils.task_group")
CronTimetable = find("CronDataIntervalTimetable", SDK, "airflow.timetables.interval")
AirflowException = find("AirflowException", SDK + ".exceptions", "airflow.exceptions")
FailException = find("AirflowFailException", SDK + ".exceptions", "airflow.exceptions")
SkipException = find("AirflowSkipException", SDK + ".exceptions", "airflow.exceptions")
ASSET, ASSETS = ("Asset", SDK) if AF >= (3, 0) else ("Dataset", "airflow.datasets")  # from 2.4
Asset = find(ASSET, ASSETS) if AF >= (2, 4) else None
STANDARD = "airflow.providers.standard.operators."
BashOperator = find("BashOperator", STANDARD + "bash", "airflow.operators.bash")

# What a task tells the command, as JSON in single quotes: `tojson` writes ' as \u0027. The moment
# of a manual run is its own date, of any other the end of its interval; the command floors it.
MOMENT = (
    """ --tick '{{ {"conf": dag_run.conf or {}, "params": params, "time": ("""
    """(logical_date | default(dag_run.run_after, true)) if dag_run.run_type == "manual" else """
    """(data_interval_end | default(dag_run.run_after, true))).isoformat()} | tojson }}'"""
)
EVENTS = "(triggering_asset_events | default(triggering_dataset_events)).values() | sum(start=[])"
UPDATES = (
    """ --updates '{{ {"dags": %s | map(attribute="source_dag_id") | list, "runs": """
    """%s | map(attribute="source_run_id") | list} | tojson }}'"""
) % (EVENTS, EVENTS)
MEANING = (
    """ --meaning '{{ ti.xcom_pull(task_ids="tick") | tojson }}' --origin '{{ {"""
    """"dag_id": dag.dag_id, "run_id": run_id, "task_id": ti.task_id, "log_url": ti.log_url, """
    """"try_number": ti.try_number, "user": dag_run.triggering_user_name | default(none)"""
    """} | tojson }}'"""
)


def carry_out(kind, operator, context):
    """Run the command. Exit code 99 skips; 2 and 65 fail for good, as no retry can help."""
    run = getattr(kind.execute, "__wrapped__", kind.execute)
    try:
        output = run(operator, context)  # of super().execute 2.11 warns in each task's log
    except AirflowException as error:
        code = re.search(r"(exit code |'StatusCode': )(\d+)", str(error))
        if code and code.group(2) in ("2", "65"):
            raise FailException(str(error)) from None
        if code and code.group(2) == "99":
            raise SkipException(str(error)) from None
        raise
    last = str(output).strip().splitlines()[-1:]  # of a container it may be several lines
    return json.loads(last[0]) if last and last[0].startswith("{") else output


class DagsterOperator(BashOperator):
    """Runs the command on the worker; the last task, without one, tells that the run succeeded."""

    __module__ = "airflow_bridge"  # else its path would be in the version of the DAG on Airflow 3

    def execute(self, context):
        if self.bash_command:
            return carry_out(BashOperator, self, context)
        if "success" in PIPELINE["tells"]:
            tell(context, "succeeded")


if "__init__" in vars(DagsterOperator):
    del DagsterOperator.__init__  # which 2.x adds: it would copy all arguments once more


if "wait" in PIPELINE:
    Sensor = find("BaseSensorOperator", SDK, "airflow.sensors.base")

    class WaitSensor(Sensor):
        """Asks whether the inputs are there: exit code 0 is yes, 75 not yet, others mistakes."""

        __module__ = "airflow_bridge"
        template_fields = ("bash_command",)

        def __init__(self, *, bash_command, **more):
            super().__init__(**more)
            self.bash_command = bash_command

        def poke(self, context):
            out = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
            with subprocess.Popen(["bash", "-c", self.bash_command], **out) as process:
                try:
                    for line in process.stdout:
                        self.log.info("%s", line.rstrip())
                except BaseException:  # the task's time is over: nobody waits for the answer
                    process.kill()
                    raise
            if process.returncode not in (0, 75):
                kind = FailException if process.returncode in (2, 65) else AirflowException
                raise kind("To ask ended with exit code %s." % process.returncode)
            return process.returncode == 0


if any("docker" in one for one in [PIPELINE] + PIPELINE["tasks"]):
    from airflow.providers.docker.operators.docker import DockerOperator
    from docker.types import Mount

    class ContainerOperator(DockerOperator):
        """Runs the command in a container, with what the worker names of its own environment."""

        __module__ = "airflow_bridge"

        def execute(self, context):
            words = os.environ.get("AIRFLOW_BRIDGE_DOCKER_ENV", "").split()
            self.environment = {word: os.environ[word] for word in words if word in os.environ}
            words = os.environ.get("AIRFLOW_BRIDGE_DOCKER_MOUNTS", "").split()
            self.mounts = [Mount.parse_mount_string(word) for word in words]
            return carry_out(DockerOperator, self, context)


def tell_retry(context):
    tell(context, "failed, and is tried again")


def tell(context, what="failed"):
    """Tell each connection of the pipeline, else of AIRFLOW_BRIDGE_MESSAGES; never fails a task."""
    for name in PIPELINE["messages"] or os.environ.get("AIRFLOW_BRIDGE_MESSAGES", "").split():
        try:
            connection = BaseHook.get_connection(name)
            url, headers, body = message(connection, facts_of(context, what))
            send(name, url, headers, body, connection.extra_dejson.get("group"))
        except Exception as error:  # its text may hold an address with a token
            line = "The connection %s could not be told: %s"
            logging.getLogger("airflow.task").warning(line, name, type(error).__name__)


def short(text):  # a room refuses long ones (Webex: 7,439 bytes), as of a thousand partitions
    return text if len(text) <= 300 else text[:299] + "…"


def facts_of(context, what):
    ti = context["ti"]
    try:
        partition = ti.xcom_pull(task_ids="tick")["partition"]
    except Exception:  # the task tick itself failed
        partition = ""
    facts = {"what": what, "dag_id": ti.dag_id, "title": PIPELINE["title"], "run_id": ti.run_id}
    facts.update(task_id=ti.task_id, partition=partition, log_url=getattr(ti, "log_url", ""))
    # Before 2.10 it counts one too many once a task has ended.
    facts["try_number"] = ti.try_number if AF >= (2, 10) else ti.prev_attempted_tries
    facts["time"] = pendulum.now(PIPELINE["timezone"]).strftime("%Y-%m-%d %H:%M %Z")
    words = ["partition " + short(partition)] * bool(partition)
    words += ["task {task_id}, try {try_number}".format(**facts)] * what.startswith("failed")
    head = "%s (%s) %s" % (ti.dag_id, short(PIPELINE["title"]), what)
    facts["text"] = "\n".join([head, ", ".join(words + [facts["time"]]), facts["log_url"]])
    return facts


def message(connection, facts):
    """For a Webex room, a Slack webhook, or any webhook; which one the connection's type says."""
    extra, headers, body = connection.extra_dejson, {"Content-Type": "application/json"}, facts
    url = extra.get("url") or connection.password
    if connection.conn_type == "slack":
        body = {"text": facts["text"]}
    elif connection.conn_type == "webex":
        url = extra.get("url") or "https://webexapis.com/v1/messages"
        body = {"roomId": extra["room"], "text": facts["text"]}
    if connection.password and url != connection.password:
        headers["Authorization"] = "Bearer " + connection.password
    return url, headers, body


def send(name, url, headers, body, group):
    """By the command, which goes on trying after the task; without one here, once and at once."""
    words = shlex.split(PIPELINE["command"].rpartition(" run --module ")[0])  # may be `uv run …`
    words += ["tell", "--connection", name]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    try:
        process = subprocess.Popen(words, start_new_session=True, **pipes)
        asked = {"url": url, "headers": headers, "body": body, "group": group}
        process.stdin.write(json.dumps(asked).encode())
        process.stdin.close()
        if process.stdout.readline() == b"kept\n":
            return
    except OSError:
        pass
    request = urllib.request.Request(url, json.dumps(body).encode("utf-8"), headers)
    urllib.request.urlopen(request, timeout=10).close()


def seconds(arguments):
    """Times out of seconds, which is what a file holds."""
    times = ("execution_timeout", "dagrun_timeout", "retry_delay", "max_retry_delay")
    return {k: timedelta(seconds=v) if k in times else v for k, v in arguments.items()}


def timing(spec, zone):
    """What begins a run, as this Airflow calls it."""
    cron, key = spec["schedule"], "schedule" if AF >= (2, 4) else "schedule_interval"
    if spec.get("triggers") and AF >= (2, 4):
        read = [Asset(uri) for uri in spec["triggers"]]
        any_of = AF >= (2, 9) and len(read) > 1
        return {key: find(ASSET + "Any", ASSETS)(*read) if any_of else read}
    if cron in (None, "@once"):
        return {key: cron}
    # A cron by itself means another thing on Airflow 3 than on 2.
    return {key if AF >= (2, 4) else "timetable": CronTimetable(cron, timezone=zone)}


def make_task(call, spec, **more):
    """A task that runs `call`: in a shell of the worker, or in a container."""
    if "docker" not in spec:
        return DagsterOperator(bash_command="exec " + call, **more)
    more.update(spec["docker"], api_version="auto", auto_remove="force", mount_tmp_dir=False)
    return ContainerOperator(command=call, **more)


def make_dag(spec):
    zone = pendulum.timezone(spec["timezone"])
    start = datetime.strptime(spec["start_date"], "%Y-%m-%dT%H:%M").replace(tzinfo=zone)
    calls = {"on_failure_callback": tell, "on_retry_callback": tell_retry}
    told = {name: one for name, one in calls.items() if name.split("_")[1] in spec["tells"]}
    args = dict(seconds(spec["default_args"]), **told)
    params = {name: Param(**one) for name, one in spec["params"].items()}
    dates = dict(timing(spec, zone), start_date=start)
    with DAG(default_args=args, params=params, **dates, **seconds(spec["dag"])) as dag:
        call, groups, made = spec["command"], {}, {}
        asks = call + MOMENT + UPDATES * bool(spec.get("triggers") and AF >= (2, 4))
        tick = make_task(asks, spec, task_id="tick")
        first, done = tick, DagsterOperator(task_id="done", bash_command="")
        if "wait" in spec:
            more = {name: spec["wait"][name] for name in ("poke_interval", "timeout")}
            asks = "exec " + call + " --wait" + MEANING
            first = WaitSensor(task_id="wait", mode="reschedule", bash_command=asks, **more)
            first.set_upstream(tick)
        for one in spec["tasks"]:
            group, more = one.get("group"), seconds(one["task"])
            if group:
                groups[group] = groups.get(group) or TaskGroup(group, prefix_group_id=False)
                more["task_group"] = groups[group]
            if Asset:
                more["outlets"] = [Asset(uri) for uri in one.get("outlets", ())]
            assets = "".join(" --asset " + shlex.quote(asset) for asset in one["assets"])
            task = make_task(call + assets + MEANING, one, **more)
            task.set_upstream([made[name] for name in one["after"]] or first)
            made[task.task_id] = task
        done.set_upstream([task for task in made.values() if not task.downstream_list])
        for name in spec.get("begins", ()) if AF < (2, 4) else ():
            begin = find("TriggerDagRunOperator", "airflow.operators.trigger_dagrun")
            told = {"dags": ["{{ dag.dag_id }}"], "runs": ["{{ run_id }}"]}
            more = {"trigger_dag_id": name, "conf": {"updates": told}}
            begin(task_id="begin_" + name, **more).set_upstream(done)
    return dag


dag = make_dag(PIPELINE)
