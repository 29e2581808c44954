"""A plain Dagster project, printed: jobs of chains of assets, with what Airflow asks of them.

Here: the module's text. Not here: what is made of it (`airflow_parse.py`, `airflow_export.py`).
"""

from __future__ import annotations

#: A chain of assets ends with these; Dagster cannot resolve a job that has one of 1,000.
CHAIN = 10

_HEAD = '''"""Jobs of assets."""

import dagster as dg

DAYS = dg.DailyPartitionsDefinition("2025-01-01", timezone="Asia/Seoul")
ASSETS, JOBS, SCHEDULES = [], [], []
'''

_ASSET = """

@dg.asset(
    partitions_def=DAYS,
    group_name="{group}",
    deps={deps},
    description="{name}의 표",
    owners=["team:sales-data"],
    metadata={{"airflow/queue": "s21", **{more}}},{condition}
)
def {name}(context) -> None: ...


ASSETS.append({name})
"""

_JOB = """
{name} = dg.define_asset_job(
    "{name}",
    {names},
    description="매출 {number}",
    metadata={{
        "airflow/tags": ["0.ETL", "1.Start:SAP", "2.End:HDFS", "매출"],
        "airflow/params": {{"rate": {{"type": "float", "default": 0.1, "help": "부가가치세율"}}}},
    }},
)
JOBS.append({name})
SCHEDULES.append(dg.build_schedule_from_partitioned_job({name}, hour_of_day=7))
"""

_DEFS = "\ndefs = dg.Definitions(assets=ASSETS, jobs=JOBS, schedules=SCHEDULES)\n"


def project(jobs: int, assets: int, conditions: bool = False) -> str:
    """`jobs` jobs of `assets` assets each, in two groups; the first has a pool and more tries.

    With `conditions`, each asset that reads another has one besides.
    """
    parts = [_HEAD]
    eager = "\n    automation_condition=dg.AutomationCondition.eager(),"
    for job in range(jobs):
        names = [f"table_{job:03}_{number:03}" for number in range(assets)]
        for number, name in enumerate(names):
            more = '{"airflow/pool": "sap", "airflow/retries": 3}' if number == 0 else "{}"
            group = "raw" if number < assets // 2 else "prep"
            deps = names[number - 1 : number] if number % CHAIN else []
            condition = eager if conditions and deps else ""
            parts.append(
                _ASSET.format(name=name, group=group, deps=deps, more=more, condition=condition)
            )
        parts.append(_JOB.format(name=f"sales_{job:03}", names=names, number=job))
    return "".join([*parts, _DEFS])
