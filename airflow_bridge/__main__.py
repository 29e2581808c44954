"""`python -m airflow_bridge export | graph | run | tell`, for any Dagster project.

Here: arguments, and mistakes told without a traceback. Not here: what they do (`export.py`,
`command.py`, `messenger.py`).
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import warnings
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_bridge.command import Task, leave, run
from airflow_bridge.errors import BridgeError, UsageError
from airflow_bridge.metadata import GRANULARITIES

if TYPE_CHECKING:
    import dagster as dg

    from airflow_bridge.location import Location

_EXPORT = """\
examples:
  python -m airflow_bridge export -m my_project.definitions --to dags
  python -m airflow_bridge export -m my_project.definitions --to dags --check"""

_GRAPH = """\
examples:
  python -m airflow_bridge graph -m my_project.definitions
  python -m airflow_bridge graph -m my_project.definitions --json | jq '.dags[].tasks[].task_id'"""

_RUN = """\
Tasks of exported DAGs call this; the UI of Airflow shows the whole call under "Rendered Template".
exit codes: 0 done, 1 failed, 2 wrong usage, 65 permanent failure, 75 not yet, 99 skipped, 143
stopped. An asset chooses one by dagster.Failure(metadata={"exit_code": 65})."""


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    words = _parser().parse_args(arguments)
    # Said at every start, in every task's log, and no use to those who read it.
    warnings.filterwarnings("ignore", message=r"(?s).* is currently in (beta|preview)")
    try:
        return {"run": _run, "graph": _graph, "export": _export, "tell": _tell}[words.verb](words)
    except BridgeError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return error.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m airflow_bridge",
        description="Export a Dagster project as Airflow DAG files whose tasks call this again.",
        epilog=_EXPORT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    told = f"airflow-bridge {version('airflow-bridge')}"
    parser.add_argument("--version", action="version", version=told)
    verbs = parser.add_subparsers(dest="verb", required=True)
    raw = argparse.RawDescriptionHelpFormatter
    where = argparse.ArgumentParser(add_help=False)
    where.add_argument("-m", "--module", required=True, help="the module of the Definitions")
    where.add_argument("--attribute", default="defs", help="its variable, else defs")
    where.add_argument("--location", help="the code location's name, else the module's")
    what = argparse.ArgumentParser(add_help=False)
    what.add_argument("--all", action="store_true", help="also what says airflow/export: False")
    what.add_argument(
        "--granularity",
        choices=GRANULARITIES,
        default="asset",
        help="what a task is, where a job does not say",
    )
    what.add_argument(
        "--skip-unmappable",
        action="store_true",
        help="leave out what Airflow cannot have, and say so",
    )
    what.add_argument("--json", action="store_true", help="one JSON document instead")

    export = verbs.add_parser(
        "export",
        parents=[where, what],
        help="write DAG files",
        epilog=_EXPORT,
        formatter_class=raw,
    )
    export.add_argument("--to", required=True, type=Path, metavar="DIR")
    export.add_argument("--command", help="what tasks call, else `python -m airflow_bridge`")
    how = export.add_mutually_exclusive_group()
    how.add_argument("--check", action="store_true", help="list all differences, end with 1")
    how.add_argument("--dry-run", action="store_true", help="only say what would be written")
    export.add_argument("--prune", action="store_true", help="remove files of jobs that are gone")
    lost = export.add_mutually_exclusive_group()
    lost.add_argument("--allow-removed", action="store_true", help="a DAG may lose tasks")
    lost.add_argument(
        "--new-version", action="store_true", help="a DAG that loses tasks goes on as …__v2"
    )
    export.add_argument("--dag-id-prefix", default="", metavar="TEXT", help="before each DAG's id")
    export.add_argument("--dagster-url", default="", metavar="URL", help="where the Dagster UI is")

    verbs.add_parser(
        "graph",
        parents=[where, what],
        help="show what would be exported",
        epilog=_GRAPH,
        formatter_class=raw,
    )

    tell = verbs.add_parser("tell", help="what a task calls to send a message, on standard input")
    tell.add_argument("--connection", required=True, metavar="NAME")

    task = verbs.add_parser(
        "run", parents=[where], help="what a task calls", epilog=_RUN, formatter_class=raw
    )
    task.add_argument("--job", required=True)
    task.add_argument("--schedule")
    task.add_argument("--condition", metavar="KEY", help="the asset whose condition the DAG is")
    task.add_argument("--tick", metavar="JSON", help="the DAG run's moment, conf and params")
    task.add_argument("--updates", default="{}", metavar="JSON", help="the DAG runs that began it")
    task.add_argument("--asset", action="append", default=[], metavar="KEY")
    task.add_argument("--meaning", metavar="JSON", help="what the task `tick` gave")
    task.add_argument("--wait", action="store_true", help="whether all inputs are there")
    task.add_argument("--origin", default="{}", metavar="JSON", help="dag_id, run_id, task_id …")
    return parser


def _location(words: argparse.Namespace) -> Location:
    from airflow_bridge.location import Location

    # Where `python -m` is started is where a project's modules are found, as with dagster -m.
    return Location(words.module, words.attribute, words.location or words.module)


def _run(words: argparse.Namespace) -> int:
    task = Task(
        words.job,
        words.schedule,
        words.condition,
        words.tick,
        words.updates,
        words.asset,
        words.meaning,
        words.wait,
        words.origin,
    )
    return run(_location(words), task, _instance, {})


def _instance() -> dg.DagsterInstance:
    import dagster as dg

    if not os.environ.get("DAGSTER_HOME"):
        raise UsageError(
            "DAGSTER_HOME is not set, so there is no instance to keep the history in. Set it for "
            "the Airflow workers to the folder with the dagster.yaml of the Dagster UI."
        )
    return dg.DagsterInstance.get()


def _tell(words: argparse.Namespace) -> int:
    from airflow_bridge.messenger import main as tell

    return tell(words.connection)


def _graph(words: argparse.Namespace) -> int:
    from airflow_bridge.export import graph

    found = graph(_location(words), words.all, words.granularity, words.skip_unmappable)
    print(found.shown(words.json))  # noqa: T201
    return 0


def _again(words: argparse.Namespace) -> list[str]:
    """The call of this export, but for what a `Wish` has."""
    told = ["python", "-m", "airflow_bridge", "export", "-m", words.module]
    told += ["--attribute", words.attribute] if words.attribute != "defs" else []
    told += ["--location", words.location] if words.location else []
    told += ["--command", words.command] if words.command else []
    return told


def _export(words: argparse.Namespace) -> int:
    from airflow_bridge.export import Wish, export, removed, show

    command = words.command or f"{Path(sys.executable).name} -m airflow_bridge"
    wish = Wish(
        folder=words.to,
        command=command,
        program=shlex.join(_again(words)),
        everything=words.all,
        prune=words.prune,
        write=not (words.check or words.dry_run),
        skip=words.skip_unmappable,
        removed=removed(words.allow_removed, words.new_version),
        prefix=words.dag_id_prefix,
        granularity=words.granularity,
        url=words.dagster_url,
    )
    done = export(_location(words), wish)
    print(show(done, wish, words.json))  # noqa: T201
    return 1 if words.check and done.differs else 0


if __name__ == "__main__":
    leave(main())
