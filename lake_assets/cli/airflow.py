"""`lake airflow`: the exporter and the command of tasks, with what is the lake's own filled in.

Here: options, the lake's instance and exit codes. Not here: anything that decides, which is
`airflow_bridge`'s.
"""

from __future__ import annotations

import shlex
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lake_assets.cli.airflow_options import (
    MODULE,
    all_option,
    attribute_option,
    granularity_option,
    location_name,
    location_option,
    module_option,
    skip_option,
    told,
)
from lake_assets.cli.airflow_setup import doctor_command, setup_command
from lake_assets.cli.airflow_sync import sync_command
from lake_assets.cli.main import env_option, json_option
from resources import errors
from resources.errors import LakeError

if TYPE_CHECKING:
    import dagster as dg

#: Where deploy/ puts the lake on a worker; its Python is not Airflow's.
COMMAND = "/opt/lake/bin/lake airflow"


@click.group("airflow")
@click.version_option(package_name="airflow-bridge", message="airflow-bridge %(version)s")
def airflow_command() -> None:
    """The graph as DAG files for Airflow 2.2 to 3.x, what their tasks call, and looking after them.

    All but tell take --env; export and graph take --json, and what run prints last is JSON always.

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
    own = [] if module == MODULE else ["-m", module]
    own += ["--attribute", attribute] if attribute != "defs" else []
    own += ["--location", location] if location else []
    own += ["--command", command] if command != COMMAND else []
    wish = Wish(
        folder=folder,
        command=command,
        program=shlex.join(["lake", "airflow", "export", *own]),
        everything=everything,
        prune=prune,
        write=not (check or dry_run),
        skip=skip_unmappable,
        removed=removed(allow_removed, new_version),
        prefix=dag_id_prefix,
        granularity=granularity,
        url=dagster_url,
    )
    with told():
        done = export(Location(module, attribute, location_name(module, location)), wish)
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

    with told():
        where = Location(module, attribute, location_name(module, location))
        found = graph(where, everything, granularity, skip_unmappable)
    click.echo(found.shown(as_json))


@airflow_command.command("tell")
@click.option("--connection", required=True, metavar="NAME")
def tell_command(connection: str) -> None:
    """What a task calls to send a message, which comes on standard input.

    It goes on trying when the task has ended: a room that is away for hours loses nothing.
    """
    from airflow_bridge.messenger import main

    with told():
        raise SystemExit(main(connection))


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

    where = Location(module, attribute, location_name(module, location))
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


for command in (setup_command, doctor_command, sync_command):
    airflow_command.add_command(command)
