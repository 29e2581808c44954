"""`lake airflow`: the exporter and the command of tasks, with what is the lake's own filled in.

Here: options, the lake's instance and exit codes. Not here: anything that decides, which is
`airflow_bridge`'s.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from airflow_bridge.metadata import GRANULARITIES
from lake_assets.cli.main import env_option
from resources import errors
from resources.errors import LakeError

if TYPE_CHECKING:
    import dagster as dg

#: Where deploy/ puts the lake on a worker; its Python is not Airflow's.
COMMAND = "/opt/lake/bin/lake airflow"

_MODULE = "lake_assets.definitions"


class _BridgeFailed(LakeError):
    """What the bridge has to say, ended as the lake's commands end."""

    def __init__(self, text: str, exit_code: int) -> None:
        self.exit_code = exit_code
        super().__init__(text)


@contextmanager
def _told() -> Iterator[None]:
    from airflow_bridge.errors import BridgeError

    try:
        yield
    except BridgeError as error:
        raise _BridgeFailed(str(error), error.exit_code) from None


module_option = click.option(
    "-m", "--module", default=_MODULE, show_default=True, help="The module of the Definitions."
)
attribute_option = click.option(
    "--attribute", default="defs", show_default=True, help="Its variable."
)
location_option = click.option(
    "--location", help="The code location's name in workspace.yaml; else lake, or the module's."
)
all_option = click.option(
    "--all", "everything", is_flag=True, help="Also what Airflow does not fire here."
)
skip_option = click.option(
    "--skip-unmappable", is_flag=True, help="Leave out what Airflow cannot have."
)
granularity_option = click.option(
    "--granularity",
    type=click.Choice(GRANULARITIES),
    default="asset",
    show_default=True,
    help="What a task is, where a job does not say.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document instead.")


def _name(module: str, location: str | None) -> str:
    return location or ("lake" if module == _MODULE else module)


@click.group("airflow")
def airflow_command() -> None:
    """The graph as DAG files for Airflow 2.2 to 3.x, and what their tasks call.

    All take --env; export and graph take --json, and what run prints last is JSON always.

    \b
    Examples:
      lake airflow export --to dags            the schedules that Airflow fires in this environment
      lake airflow export --to dags --all      every one
      lake airflow export --to dags --check    what differs; 1 where anything does
      lake airflow graph                       the DAGs and their tasks, without any file
    """


@airflow_command.command("export")
@click.option("--to", "folder", required=True, type=click.Path(path_type=Path), metavar="DIR")
@module_option
@attribute_option
@location_option
@click.option("--command", default=COMMAND, show_default=True, help="What tasks call.")
@all_option
@click.option("--check", is_flag=True, help="List all differences, end with 1 if there are any.")
@click.option("--prune", is_flag=True, help="Remove files of pipelines that are gone.")
@skip_option
@click.option("--allow-removed", is_flag=True, help="A DAG may lose tasks.")
@click.option("--new-version", is_flag=True, help="A DAG that loses tasks goes on as …__v2.")
@click.option("--dag-id-prefix", default="", metavar="TEXT", help="Before each DAG's id.")
@granularity_option
@click.option("--dagster-url", default="", metavar="URL", help="Where the Dagster UI is.")
@click.option("--dry-run", is_flag=True, help="Only say what would be written.")
@json_option
@env_option
def export_command(
    folder: Path,
    module: str,
    attribute: str,
    location: str | None,
    command: str,
    everything: bool,
    check: bool,
    prune: bool,
    skip_unmappable: bool,
    allow_removed: bool,
    new_version: bool,
    dag_id_prefix: str,
    granularity: str,
    dagster_url: str,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Write a DAG file for each job and schedule, or for each job that has no schedule.

    What Airflow cannot have is refused by name, and then nothing is written, unless it is skipped.
    A DAG that would lose tasks is refused too, as Airflow shows nothing of tasks that are gone.

    \b
    Examples:
      lake airflow export --to /srv/airflow/dags --prune
      lake airflow export --to /srv/airflow/dags --dag-id-prefix new_   beside the DAGs of today
      lake airflow export --to dags -m my_project.definitions --location mine --skip-unmappable
    """
    from airflow_bridge.export import Wish, export, removed, show
    from airflow_bridge.location import Location

    if allow_removed and new_version:
        raise click.UsageError("--allow-removed and --new-version exclude each other.")
    own = "" if module == _MODULE else f" -m {module}"
    wish = Wish(
        folder=folder,
        command=command,
        remake=f"lake airflow export{own} --to DIR{' --all' if everything else ''}"
        + (dag_id_prefix and f" --dag-id-prefix {dag_id_prefix}"),
        everything=everything,
        prune=prune,
        write=not (check or dry_run),
        skip=skip_unmappable,
        removed=removed(allow_removed, new_version),
        prefix=dag_id_prefix,
        granularity=granularity,
        url=dagster_url,
    )
    with _told():
        done = export(Location(module, attribute, _name(module, location)), wish)
    click.echo(show(done, wish, as_json))
    if check and done.differs:
        raise SystemExit(1)


@airflow_command.command("graph")
@module_option
@attribute_option
@location_option
@all_option
@granularity_option
@skip_option
@json_option
@env_option
def graph_command(
    module: str,
    attribute: str,
    location: str | None,
    everything: bool,
    granularity: str,
    skip_unmappable: bool,
    as_json: bool,
) -> None:
    """Show the DAGs that would be exported, and the SHA-256 of all that they say.

    \b
    Examples:
      lake airflow graph --all
      lake airflow graph --all --json | jq -r '.dags[].tasks[].queue' | sort | uniq -c
    """
    from airflow_bridge.export import graph
    from airflow_bridge.location import Location

    with _told():
        where = Location(module, attribute, _name(module, location))
        found = graph(where, everything, granularity, skip_unmappable)
    click.echo(found.shown(as_json))


@airflow_command.command("run")
@module_option
@attribute_option
@location_option
@click.option("--job", required=True)
@click.option("--schedule")
@click.option("--condition", metavar="KEY", help="The asset whose condition the DAG is.")
@click.option("--tick", metavar="JSON", help="The DAG run's moment, conf and params.")
@click.option("--updates", default="{}", metavar="JSON", help="The DAG runs that began it.")
@click.option("--asset", "assets", multiple=True, metavar="KEY")
@click.option("--meaning", metavar="JSON", help="What the task `tick` of the DAG run gave.")
@click.option("--wait", is_flag=True, help="Whether all inputs are there.")
@click.option("--origin", default="{}", metavar="JSON", help="dag_id, run_id, task_id, …")
@env_option
def run_command(
    module: str,
    attribute: str,
    location: str | None,
    job: str,
    schedule: str | None,
    condition: str | None,
    tick: str | None,
    updates: str,
    assets: tuple[str, ...],
    meaning: str | None,
    wait: bool,
    origin: str,
) -> None:
    """What a task of an exported DAG calls; its last line of output is its result as JSON.

    The whole call stands in Airflow's UI under "Rendered Template", and can be repeated by hand.
    """
    from airflow_bridge.command import Task, leave, run
    from airflow_bridge.location import Location

    where = Location(module, attribute, _name(module, location))
    task = Task(job, schedule, condition, tick, updates, assets, meaning, wait, origin)
    leave(run(where, task, _instance, _codes()))


def _instance() -> AbstractContextManager[dg.DagsterInstance]:
    from lake_assets.execute import open_instance
    from resources.settings import load_settings

    return open_instance(load_settings())


def _codes() -> dict[str, int]:
    """What the lake's exceptions stand for, where an asset written by hand raises one."""
    kinds = [one for one in vars(errors).values() if isinstance(one, type)]
    return {kind.__name__: kind.exit_code for kind in kinds if issubclass(kind, LakeError)}
