"""Inside an Airflow: parse a folder, tell what it found as JSON on the last line.

`parse.py PLAIN FOLDER`; warnings that a plain DAG in PLAIN gives too are Airflow's own.
"""

import json
import sys
import time
import warnings

import airflow

AF = tuple(int(part) for part in airflow.__version__.split(".")[:2])
if AF >= (3, 0):
    from airflow.dag_processing.dagbag import DagBag
    from airflow.serialization.serialized_objects import DagSerialization as Serialization
else:
    from airflow.models.dagbag import DagBag
    from airflow.serialization.serialized_objects import SerializedDAG as Serialization


def parse(folder):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        begun = time.process_time()
        bag = DagBag(folder)
        spent = time.process_time() - begun
        serialized = {name: Serialization.to_dict(dag) for name, dag in bag.dags.items()}
    told = {(one.category.__name__, str(one.message)) for one in caught}
    return bag, told, spent, serialized


def ticks(dag):
    """When the first three runs fire after 2025-03-01."""
    found, last = [], None
    for _ in range(3):
        info = next_run(dag, last)
        if info is None:
            break
        last = info.data_interval
        found.append(last.end.isoformat())
    return found


def start_of(dag):
    """As the scheduler has it: of its tasks, where default_args have it."""
    return min(one.start_date for one in [dag, *dag.tasks] if one.start_date)


def next_run(dag, last):
    from airflow.timetables.base import DataInterval, TimeRestriction
    from pendulum import datetime, instance

    if AF >= (3, 0):
        dag = Serialization.from_dict(Serialization.to_dict(dag))
    begin = instance(start_of(dag))
    restriction = TimeRestriction(earliest=begin, latest=None, catchup=True)
    if last is None and dag.timetable.__class__.__name__ == "CronDataIntervalTimetable":
        start = datetime(2025, 3, 1, tz="Asia/Seoul")
        restriction = TimeRestriction(earliest=max(start, begin), latest=None, catchup=True)
    last = DataInterval(last.start, last.end) if last else None
    return dag.timetable.next_dagrun_info(
        last_automated_data_interval=last, restriction=restriction
    )


def seconds(delta):
    return delta.total_seconds() if delta is not None else None


def uris(node):
    """Of the Datasets or Assets in what was serialized, wherever they stand."""
    if isinstance(node, dict):
        own = [node["uri"]] if isinstance(node.get("uri"), str) else []
        return sorted({*own, *(uri for one in node.values() for uri in uris(one))})
    return sorted({uri for one in node for uri in uris(one)}) if isinstance(node, list) else []


def groups(group, name=""):
    """Task id → the group that shows it."""
    found = {}
    for child in group.children.values():
        inside = hasattr(child, "children")
        found.update(groups(child, child.group_id) if inside else {child.task_id: name})
    return found


def params(dag):
    """All that the form of a run is made of."""
    return {
        name: {"default": one.value, "description": one.description, "schema": one.schema}
        for name, one in dag.params.items()
    }


def task_document(task, group):
    return {
        "upstream": sorted(task.upstream_task_ids),
        "queue": task.queue,
        "pool": task.pool,
        "priority": task.priority_weight,
        "retries": task.retries,
        "retry_delay": task.retry_delay.total_seconds(),
        "backoff": bool(task.retry_exponential_backoff),
        "max_retry_delay": seconds(task.max_retry_delay),
        "timeout": seconds(task.execution_timeout),
        "trigger_rule": getattr(task.trigger_rule, "value", task.trigger_rule),
        "owner": task.owner,
        "group": group,
        "doc": task.doc_md,
        "type": type(task).__name__,
        "image": getattr(task, "image", None),
        "docker_url": getattr(task, "docker_url", None),
        "outlets": sorted(getattr(one, "uri", str(one)) for one in task.outlets or ()),
        "command": getattr(task, "bash_command", None) or getattr(task, "command", None),
        "mode": getattr(task, "mode", None),
        "poke_interval": getattr(task, "poke_interval", None),
        "patience": getattr(task, "timeout", None),
    }


def dag_document(name, dag):
    when = serialized[name]["dag"].get("timetable") or {}
    told = when.get("__var") or {}
    group = groups(dag.task_group)
    return {
        "tags": list(dag.tags),
        "start": start_of(dag).isoformat(),
        "params": sorted(dag.params),
        "form": params(dag),
        "description": dag.description,
        "doc": dag.doc_md,
        "timetable": when.get("__type", "").rpartition(".")[2],
        "cron": told.get("expression"),
        "zone": told.get("timezone"),
        "triggers": uris(told),
        "catchup": dag.catchup,
        "max_active_runs": dag.max_active_runs,
        "timeout": seconds(dag.dagrun_timeout),
        "ticks": ticks(dag),
        "tasks": {task.task_id: task_document(task, group[task.task_id]) for task in dag.tasks},
    }


_, own, _, _ = parse(sys.argv[1])
bag, told, spent, serialized = parse(sys.argv[2])
result = {
    "version": airflow.__version__,
    "errors": {str(name): text for name, text in bag.import_errors.items()},
    "warnings": sorted(told - own),
    "cpu": spent,
    "serialized": serialized,
    "dags": {name: dag_document(name, dag) for name, dag in bag.dags.items()},
}
print(json.dumps(result, default=str))
