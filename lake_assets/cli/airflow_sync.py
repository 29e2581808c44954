"""`lake airflow sync`: Airflow's own failures into the one history, without Dagster's daemon.

Here: options and showing what was found. Not here: what is looked for (`airflow_bridge.lost_runs`),
and the sensor that does the same each minute (`sensors/airflow.py`).
"""

from __future__ import annotations

import click

from airflow_bridge.metadata import GRANULARITIES
from lake_assets.cli.airflow_options import told
from lake_assets.cli.main import env_option, json_option


# The variables are those of the sensor, `sensors/airflow.py`, which is too heavy to import here.
@click.command("sync")
@click.option(
    "--dag-id-prefix",
    default="",
    envvar="LAKE_AIRFLOW_DAG_ID_PREFIX",
    show_envvar=True,
    metavar="TEXT",
    help="Of the exported DAGs' ids.",
)
@click.option(
    "--granularity",
    type=click.Choice(GRANULARITIES),
    default="asset",
    show_default=True,
    envvar="LAKE_AIRFLOW_GRANULARITY",
    show_envvar=True,
    help="What they were exported with.",
)
@click.option("--since", metavar="TIME", help="What the last look said in `until`; else a day ago.")
@env_option
@json_option
def sync_command(dag_id_prefix: str, granularity: str, since: str | None, as_json: bool) -> None:
    """Record tasks that never reached Dagster, and end runs whose task is gone.

    Airflow is asked by the connection `airflow` of the environment. Twice does no more than once.
    Where Dagster's daemon runs, its sensor does this each minute, with the variables named below.
    Exit code 1 where something could not be asked or recorded.

    \b
    Examples:
      lake airflow sync --env prod
      lake airflow sync --env prod --json | jq '.recorded[].why'
    """
    from airflow_bridge.graph import read_graph
    from airflow_bridge.lost_runs import sync
    from lake_assets.cli.console import say_json
    from lake_assets.execute import open_instance
    from resources.settings import load_settings
    from sensors.airflow import CONNECTION, LAKE, airflow_api

    settings = load_settings()
    settings.connection(CONNECTION)
    graph, _ = read_graph(LAKE.load(), everything=True, granularity=granularity)
    with told(), open_instance(settings) as instance:
        found = sync(instance, LAKE, airflow_api(settings), graph, dag_id_prefix, since)
    if as_json:
        say_json({"ok": not found.problems, **found.document()})
    else:
        for one in found.recorded:
            click.echo(f"recorded  {one.why}")
        for one in found.ended:
            click.echo(f"ended     {one.why}")
        for problem in found.problems:
            click.echo(f"problem   {problem}")
        click.echo(f"{len(found.recorded)} recorded, {len(found.ended)} ended, until {found.until}")
    if found.problems:
        raise SystemExit(1)
