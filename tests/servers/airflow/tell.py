"""Inside an Airflow: load one exported file and let it tell a failure and a success.

`tell.py FILE`; connections come from AIRFLOW_CONN_… variables, the task instance is made up.
"""

import importlib.util
import sys

spec = importlib.util.spec_from_file_location("exported", sys.argv[1])
exported = importlib.util.module_from_spec(spec)
spec.loader.exec_module(exported)


class TaskInstance:
    dag_id, run_id, task_id = "daily", "r1", "star"
    log_url = "http://airflow/log?x=1"
    try_number = prev_attempted_tries = 2

    def xcom_pull(self, task_ids):
        return {"partition": "2025-07-01"}


context = {"ti": TaskInstance()}
exported.dag.default_args["on_failure_callback"](context)
exported.tell(context, "succeeded")
