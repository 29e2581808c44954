"""Inside an Airflow 3: what its DAG processor hands the scheduler, as JSON on the last line.

`versions.py FOLDER`, a bundle: of each DAG what is serialized, without the place of its file, and
the hash of it, by which Airflow tells whether it is a new version.
"""

import json
import sys
from pathlib import Path

import structlog
from airflow.dag_processing.processor import DagFileParseRequest, _parse_file
from airflow.models.serialized_dag import SerializedDagModel

folder = Path(sys.argv[1])
dags, errors, warnings = {}, {}, []
for path in sorted(folder.glob("*.py")):
    request = DagFileParseRequest(file=str(path), bundle_path=folder, bundle_name="exported")
    result = _parse_file(request, structlog.get_logger())
    errors.update(result.import_errors or {})
    warnings += result.warnings or []
    for dag in result.serialized_dags:
        digest = SerializedDagModel.hash(dag.data)
        # Kept beside the DAG, and no part of the hash.
        assert dag.data["dag"].pop("fileloc") == str(path)
        dags[dag.dag_id] = {"hash": digest, "data": dag.data}
print(json.dumps({"python": sys.version, "dags": dags, "errors": errors, "warnings": warnings}))
