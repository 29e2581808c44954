"""Inside an Airflow: the CPU seconds that parsing a folder takes, as JSON on the last line.

`cost.py WARM FOLDER`; the files in WARM are parsed before, for what an Airflow loads only once.
"""

import json
import sys
import time

import airflow

if airflow.__version__ >= "3":
    from airflow.dag_processing.dagbag import DagBag
else:
    from airflow.models.dagbag import DagBag

DagBag(sys.argv[1])
begun = time.process_time()
bag = DagBag(sys.argv[2])
spent = time.process_time() - begun
facts = {
    "dags": len(bag.dags),
    "tasks": sum(len(dag.tasks) for dag in bag.dags.values()),
    "errors": len(bag.import_errors),
}
print(json.dumps({"cpu": {"cpu": spent}, "facts": facts}))
