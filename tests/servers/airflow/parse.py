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


def next_run(dag, last):
    from airflow.timetables.base import DataInterval, TimeRestriction
    from pendulum import datetime, instance

    if AF >= (3, 0):
        dag = Serialization.from_dict(Serialization.to_dict(dag))
    begin = instance(dag.start_date)  # as the scheduler has it
    restriction = TimeRestriction(earliest=begin, latest=None, catchup=True)
    if last is None and dag.timetable.__class__.__name__ == "CronDataIntervalTimetable":
        start = datetime(2025, 3, 1, tz="Asia/Seoul")
        restriction = TimeRestriction(earliest=max(start, begin), latest=None, catchup=True)
    last = DataInterval(last.start, last.end) if last else None
    return dag.timetable.next_dagrun_info(
        last_automated_data_interval=last, restriction=restriction
    )


_, own, _, _ = parse(sys.argv[1])
bag, told, spent, serialized = parse(sys.argv[2])
result = {
    "version": airflow.__version__,
    "errors": {str(name): text for name, text in bag.import_errors.items()},
    "warnings": sorted(told - own),
    "cpu": spent,
    "serialized": serialized,
    "dags": {
        name: {
            "tags": list(dag.tags),
            "start": dag.start_date.isoformat(),
            "params": sorted(dag.params),
            "description": dag.description,
            "ticks": ticks(dag),
            "tasks": {
                task.task_id: {
                    "upstream": sorted(task.upstream_task_ids),
                    "queue": task.queue,
                    "pool": task.pool,
                    "priority": task.priority_weight,
                    "retries": task.retries,
                    "retry_delay": task.retry_delay.total_seconds(),
                    "owner": task.owner,
                    "command": getattr(task, "bash_command", None),
                }
                for task in dag.tasks
            },
        }
        for name, dag in bag.dags.items()
    },
}
print(json.dumps(result, default=str))
