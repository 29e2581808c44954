"""An exported DAG as somebody would write it by hand for one Airflow, in its own words.

Here: printing such a file, and the module for alerts that such files share. The DAG is the same:
timetable, parameters, groups, documents, outlets, callbacks, commands; operators are Airflow's own.
Not here: the proof of that, and what is measured (`airflow_parse.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

#: What files by hand share, as the module `by_hand_alerts`.
ALERTS = '''"""Who is told of failures and successes."""


def failed(context): ...


def succeeded(context): ...
'''

#: Airflow → its imports, what an asset is called, and the keywords of a timetable.
_WORDS: Mapping[str, tuple[str, str, str]] = {
    "2.2.3": (
        """from airflow.models.dag import DAG
from airflow.models.param import Param
from airflow.operators.bash import BashOperator
from airflow.operators.dummy import DummyOperator as EmptyOperator
from airflow.timetables.interval import CronDataIntervalTimetable
from airflow.utils.task_group import TaskGroup
""",
        "",
        "timetable",
    ),
    "2.11.2": (
        """from airflow.datasets import Dataset
from airflow.models.dag import DAG
from airflow.models.param import Param
from airflow.operators.bash import BashOperator
from airflow.operators.empty import EmptyOperator
from airflow.timetables.interval import CronDataIntervalTimetable
from airflow.utils.task_group import TaskGroup
""",
        "Dataset",
        "schedule",
    ),
    "3.3.2": (
        """from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Asset, CronDataIntervalTimetable, Param, TaskGroup
""",
        "Asset",
        "schedule",
    ),
}


def by_hand(airflow: str, pipeline: Mapping[str, Any], templates: Mapping[str, str]) -> str:
    """The file of what an exported one has as `PIPELINE`; `templates` are the prelude's."""
    imports, asset, timetable = _WORDS[airflow]
    dag, defaults = dict(pipeline["dag"]), dict(pipeline["default_args"])
    start = datetime.strptime(pipeline["start_date"], "%Y-%m-%dT%H:%M")
    when = f"{start.year}, {start.month}, {start.day}, {start.hour}, {start.minute}"
    dag_id = dag.pop("dag_id")
    lines = [
        f'"""{pipeline["title"]}"""',
        "",
        "from datetime import datetime, timedelta",
        "",
        "import pendulum",
        imports.rstrip(),
        "from by_hand_alerts import failed, succeeded",
        "",
        f"ZONE = pendulum.timezone({pipeline['timezone']!r})",
        f"RUN = {'exec ' + pipeline['command']!r}",
        *(f"{name} = {text!r}" for name, text in templates.items()),
        "",
        "with DAG(",
        f"    {dag_id!r},",
        f"    {timetable}=CronDataIntervalTimetable({pipeline['schedule']!r}, timezone=ZONE),",
        f"    start_date=datetime({when}, tzinfo=ZONE),",
        *(f"    {name}={value!r}," for name, value in dag.items()),
        "    default_args={",
        *(f"        {name!r}: {_told(name, value)}," for name, value in defaults.items()),
        '        "on_failure_callback": failed,',
        "    },",
        "    params={",
        *(
            f"        {name!r}: Param({_keywords(its)}),"
            for name, its in pipeline["params"].items()
        ),
        "    },",
        ") as dag:",
        '    tick = BashOperator(task_id="tick", bash_command=RUN + MOMENT)',
    ]
    group = ""
    for task in pipeline["tasks"]:
        if task["group"] != group:
            group = task["group"]
            lines.append(f"    with TaskGroup({group!r}, prefix_group_id=False):")
        own = dict(task["task"])
        name, (key,) = own.pop("task_id"), task["assets"]
        outlets = [f"{asset}({uri!r})" for uri in task["outlets"]] if asset else []
        lines += [
            f"        {name} = BashOperator(",
            f"            task_id={name!r},",
            f'            bash_command=RUN + " --asset {key}" + MEANING,',
            *(f"            {word}={_told(word, value)}," for word, value in own.items()),
            *([f"            outlets=[{', '.join(outlets)}],"] if outlets else []),
            "        )",
        ]
    lines.append('    done = EmptyOperator(task_id="done", on_success_callback=succeeded)')
    names = [task["task"]["task_id"] for task in pipeline["tasks"]]
    # A chain, as the graph of this case is.
    lines.append(f"    {' >> '.join(['tick', *names, 'done'])}")
    return "\n".join(lines) + "\n"


def _told(name: str, value: Any) -> str:
    return f"timedelta(seconds={value})" if name == "retry_delay" else repr(value)


def _keywords(values: Mapping[str, Any]) -> str:
    """Of a Param: its default comes first."""
    rest = {name: value for name, value in values.items() if name != "default"}
    named = (f"{name}={value!r}" for name, value in rest.items())
    return ", ".join([repr(values["default"]), *named])
