# -- From here on the same in every file: how the pipeline above becomes an Airflow DAG.
# Standard library and Airflow only, 2.2 (Python 3.8) to 3.x; nothing is read while it is parsed.
import json
import logging
import os
import re
import shlex
import urllib.request
from datetime import datetime

import airflow

AF = tuple(int(part) for part in airflow.__version__.split(".")[:2])
LEAST = PIPELINE.get("airflow", "2.2")  # several times a day where clocks change: from 2.11
if AF < tuple(map(int, LEAST.split("."))):
    raise RuntimeError(f"This DAG needs Airflow {LEAST} or newer; this is {airflow.__version__}.")
import pendulum

if AF >= (3, 0):
    from airflow.sdk import DAG, BaseHook, BaseOperator, Param, TaskGroup
else:
    from airflow.hooks.base import BaseHook
    from airflow.models.baseoperator import BaseOperator
    from airflow.models.dag import DAG
    from airflow.models.param import Param
    from airflow.utils.task_group import TaskGroup
try:
    from airflow.sdk import CronDataIntervalTimetable
    from airflow.sdk.exceptions import AirflowException, AirflowFailException
except ImportError:
    from airflow.exceptions import AirflowException, AirflowFailException
    from airflow.timetables.interval import CronDataIntervalTimetable
try:
    from airflow.providers.standard.operators.bash import BashOperator
except ImportError:
    from airflow.operators.bash import BashOperator

# What a task tells the command, as JSON in single quotes: `tojson` writes ' as \u0027. The moment
# of a manual run is its own date, of any other the end of its interval; the command floors it.
MOMENT = (
    """ --tick '{{ {"conf": dag_run.conf or {}, "params": params, "time": ("""
    """(logical_date | default(dag_run.run_after, true)) if dag_run.run_type == "manual" else """
    """(data_interval_end | default(dag_run.run_after, true))).isoformat()} | tojson }}'"""
)
MEANING = (
    """ --meaning '{{ ti.xcom_pull(task_ids="tick") | tojson }}' --origin '{{ {"""
    """"dag_id": dag.dag_id, "run_id": run_id, "task_id": ti.task_id, "log_url": ti.log_url, """
    """"try_number": ti.try_number, "user": dag_run.triggering_user_name | default(none)"""
    """} | tojson }}'"""
)


class DagsterOperator(BashOperator):
    """Runs the command. Exit code 99 skips; 2 and 65 fail for good, as no retry can help."""

    __module__ = "airflow_bridge"  # else its path would be in the version of the DAG on Airflow 3

    def execute(self, context):
        run = getattr(BashOperator.execute, "__wrapped__", BashOperator.execute)
        try:
            output = run(self, context)  # of super().execute 2.11 warns in each task's log
        except AirflowException as error:
            if re.search(r"exit code (2|65)\b", str(error)):
                raise AirflowFailException(str(error)) from None
            raise
        return json.loads(output) if str(output).startswith("{") else output


class DoneOperator(BaseOperator):
    """The last task of a run: tells that it succeeded."""

    __module__ = "airflow_bridge"

    def execute(self, context):
        tell(context, "succeeded")


def tell(context, what="failed"):
    """Tell each connection of the pipeline, else of AIRFLOW_BRIDGE_MESSAGES; never fails a task."""
    for name in PIPELINE["messages"] or os.environ.get("AIRFLOW_BRIDGE_MESSAGES", "").split():
        try:
            send(BaseHook.get_connection(name), facts_of(context, what))
        except Exception as error:  # its text may hold an address with a token
            line = "The connection %s could not be told: %s"
            logging.getLogger("airflow.task").warning(line, name, type(error).__name__)


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
    words = ["partition " + partition] * bool(partition)
    words += ["task {task_id}, try {try_number}".format(**facts)] * (what == "failed")
    head = "{dag_id} ({title}) {what}".format(**facts)
    facts["text"] = "\n".join([head, ", ".join(words + [facts["time"]]), facts["log_url"]])
    return facts


def send(connection, facts):
    """To a Webex room, a Slack webhook, or any webhook; which one the connection's type says."""
    extra, headers, body = connection.extra_dejson, {"Content-Type": "application/json"}, facts
    url = extra.get("url") or connection.password
    if connection.conn_type == "slack":
        body = {"text": facts["text"]}
    elif connection.conn_type == "webex":
        url = extra.get("url") or "https://webexapis.com/v1/messages"
        body = {"roomId": extra["room"], "text": facts["text"]}
    if connection.password and url != connection.password:
        headers["Authorization"] = "Bearer " + connection.password
    request = urllib.request.Request(url, json.dumps(body).encode("utf-8"), headers)
    urllib.request.urlopen(request, timeout=10).close()


def make_dag(spec):
    zone, when = pendulum.timezone(spec["timezone"]), spec["schedule"]
    key = "schedule" if AF >= (2, 4) else "schedule_interval"
    if when not in (None, "@once"):
        # A cron by itself means another thing on Airflow 3 than on 2.
        when = CronDataIntervalTimetable(when, timezone=zone)
        key = "schedule" if AF >= (2, 4) else "timetable"
    args = dict(spec["default_args"], on_failure_callback=tell)
    start = datetime.strptime(spec["start_date"], "%Y-%m-%dT%H:%M").replace(tzinfo=zone)
    params = {name: Param(**one) for name, one in spec["params"].items()}
    dates = {"start_date": start, key: when}
    with DAG(default_args=args, params=params, **dates, **spec["dag"]) as dag:
        call, groups, made = "exec " + spec["command"], {}, {}
        tick = DagsterOperator(task_id="tick", bash_command=call + MOMENT)
        done = DoneOperator(task_id="done")
        for one in spec["tasks"]:
            group, more = one.get("group"), {}
            if group:
                groups[group] = groups.get(group) or TaskGroup(group, prefix_group_id=False)
                more = {"task_group": groups[group]}
            assets = "".join(" --asset " + shlex.quote(asset) for asset in one["assets"])
            told = call + assets + MEANING
            task = DagsterOperator(bash_command=told, **one["task"], **more)
            task.set_upstream([made[name] for name in one["after"]] or tick)
            made[task.task_id] = task
        done.set_upstream([task for task in made.values() if not task.downstream_list])
    return dag


dag = make_dag(PIPELINE)
