"""`lake airflow setup` and `lake airflow doctor`: what an Airflow needs for the exported DAGs.

Here: options, the lake's own variables, showing what was found. Not here: anything that decides,
which is `airflow_bridge`'s.
"""

from __future__ import annotations

import logging
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lake_assets.cli.airflow_options import (
    all_option,
    attribute_option,
    location_name,
    location_option,
    module_option,
    told,
)
from lake_assets.cli.main import env_option, json_option

if TYPE_CHECKING:
    # Loaded with `lake airflow run` too, whose start is paid for by every task.
    from airflow_bridge.setup import Item, Variable
    from resources.settings import Settings

airflow_option = click.option(
    "--airflow",
    "program",
    default="airflow",
    show_default=True,
    metavar="PATH",
    help="Airflow's own command; its variables are those of this shell.",
)
timeout_option = click.option(
    "--timeout",
    default=60.0,
    show_default=True,
    type=click.FloatRange(min=1, max=600),
    help="Seconds for each question to Airflow.",
)


@click.command("setup")
@airflow_option
@module_option
@attribute_option
@location_option
@all_option
@click.option("--apply", is_flag=True, help="Make the pools that are missing.")
@click.option(
    "--resize", is_flag=True, help="With --apply: pools that are there get Dagster's limits too."
)
@timeout_option
@env_option
@json_option
def setup_command(
    program: str,
    module: str,
    attribute: str,
    location: str | None,
    everything: bool,
    apply: bool,
    resize: bool,
    timeout: float,
    as_json: bool,
) -> None:
    """Say what the DAGs need in Airflow, and make the pools that are missing.

    Without --apply nothing is changed. A pool gets the slots of Dagster's limit of that name, else
    1; one that is there is left as it is. Connections hold secrets, so they are only named, with
    what adds them. Last comes the text of worker.env, without a secret. Exit code 1 where anything
    is missing.

    \b
    Examples:
      lake airflow setup --env prod
      lake airflow setup --env prod --apply
      lake airflow setup --airflow /opt/airflow/bin/airflow --json
    """
    from airflow_bridge.airflow_cli import find_airflow
    from airflow_bridge.graph import read_graph
    from airflow_bridge.location import Location
    from airflow_bridge.setup import env_file, environment, limits_at, needs_of, set_up
    from lake_assets.cli.console import say_json
    from lake_assets.execute import dagster_home
    from resources.settings import load_settings

    settings = load_settings()
    _quiet()
    with told():
        airflow = find_airflow(program, timeout)
        where = Location(module, attribute, location_name(module, location))
        graph, _ = read_graph(where.load(), everything)
        wanted, home = needs_of(graph), dagster_home(settings)
        items = set_up(airflow, wanted, limits_at(home), apply, resize)
        variables = environment(wanted, home, _variables(settings))
    missing = [one for one in items if one.state == "missing"]
    if as_json:
        say_json(
            {
                "ok": not missing,
                "environment": settings.env,
                "items": [asdict(one) for one in items],
                "worker_env": [asdict(one) for one in variables],
            }
        )
    else:
        _show_setup(items, variables, settings.env)
        click.echo(f"\n{env_file(variables)}", nl=False)
    if missing:
        raise SystemExit(1)


def _quiet() -> None:
    """Dagster logs each try of a database that does not answer; what it comes to is told once."""
    logging.getLogger().addHandler(logging.NullHandler())


def _show_setup(items: Sequence[Item], variables: Sequence[Variable], env: str) -> None:
    from lake_assets.cli.console import console, show_table

    rows = [(one.kind, one.name, one.state, one.found, one.command) for one in items]
    if rows:
        show_table(console(), ("", "name", "state", "found", "by hand"), rows)
    counts = Counter(one.state for one in items)
    told = ", ".join(f"{number} {state}" for state, number in counts.items())
    click.echo(f"\nenvironment {env}: {told or 'no pool and no connection is needed'}")


def _variables(settings: Settings) -> list[Variable]:
    """The lake's own: those that are set here, and the names of the secrets of the environment."""
    from airflow_bridge.setup import Variable
    from resources.settings import environment_files

    known = {
        "LAKE_HOME": "where the lake is, and what a run needs for a while",
        "LAKE_ENVIRONMENTS": "the folder of the site's environment files",
        "LAKE_PIPELINES": "the folder of the site's pipelines",
    }
    found = [Variable("LAKE_ENV", settings.env, "the environment")]
    found += [
        Variable(name, os.environ[name], why) for name, why in known.items() if os.environ.get(name)
    ]
    file = environment_files()[settings.env]
    lines = file.read_text(encoding="utf-8").splitlines()
    read = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
    named = sorted(set(re.findall(r"\benv:([A-Za-z_]\w*)", read)))
    return found + [Variable(name, None, f"of {file.name}") for name in named]


@click.command("doctor")
@click.option(
    "--dags",
    "folder",
    required=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="The folder of the exported files.",
)
@airflow_option
@module_option
@location_option
@timeout_option
@env_option
@json_option
def doctor_command(
    folder: Path, program: str, module: str, location: str | None, timeout: float, as_json: bool
) -> None:
    """Look at all that exported DAGs need, on this worker; say what to do.

    Versions, files against the graph, pools, connections, queues with a live worker, the command
    that tasks call, Dagster's instance, clocks. Nothing is changed, no task is started, nothing is
    sent. Call it on each worker, with its variables: it says what that host has. Exit code 1 where
    a check failed.

    \b
    Examples:
      lake airflow doctor --dags /opt/airflow/dags
      docker exec airflow_worker /opt/lake/bin/lake airflow doctor --dags /opt/airflow/dags
    """
    from airflow_bridge.doctor import Asked, examine
    from lake_assets.cli.doctor import report
    from lake_assets.execute import dagster_home
    from resources.settings import load_settings

    settings = load_settings()
    _quiet()
    home = dagster_home(settings)
    asked = Asked(
        folder.absolute(), module, location_name(module, location), program, home, timeout
    )
    report(examine(asked), settings.env, as_json)
