"""`lake ui`: the Dagster UI over this lake, with its sources and history in place.

Here: what must be there before `dagster dev` starts. Not here: anything that runs in it.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path

import click

from lake_assets.cli.console import console
from lake_assets.cli.demo import generate, seoul_today
from lake_assets.cli.main import env_option, json_option
from lake_assets.loader import load_pipelines, pipeline_folders
from resources.errors import UsageError
from resources.settings import load_settings


@click.command("ui")
@click.option("--port", default=3000, show_default=True, type=click.IntRange(1, 65535))
@click.option("--host", default="127.0.0.1", show_default=True)
@env_option
@json_option
def ui_command(port: int, host: str, as_json: bool) -> None:
    """Start the Dagster UI, with the daemon that fires schedules and sensors.

    Where the environment has generated sources and none are there yet, they are generated first.

    \b
    Examples:
      lake ui
      lake ui --port 3001
      LAKE_PIPELINES=~/my/pipelines lake ui
    """
    settings = load_settings()
    # Mistakes in the files are told here, not as a code location that does not load.
    load_pipelines(pipeline_folders())
    _check_free(host, port)
    screen = console()
    screen.quiet = as_json
    if settings.sample is not None and not (settings.home / "sources").exists():
        generate(settings, settings.sample, seoul_today(), screen)

    from lake_assets.execute import open_instance

    open_instance(settings).dispose()  # makes the folder, its dagster.yaml, and sets DAGSTER_HOME
    os.environ["LAKE_HOME"] = str(settings.home)
    screen.print(f"The UI comes up at http://{host}:{port} (stop it with Ctrl-C)")
    sys.stdout.flush()
    # A script's background job ignores SIGINT, and Dagster then SIGTERM as well: it would not end.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.execv(sys.executable, command(host, port))  # noqa: S606 - our own interpreter


def command(host: str, port: int) -> list[str]:
    """`dagster dev` over the checkout's workspace, or over this module where there is none."""
    workspace = Path(__file__).parents[2] / "workspace.yaml"
    target = ["-w", str(workspace)] if workspace.exists() else ["-m", "lake_assets.definitions"]
    address = ["--host", host, "--port", str(port)]
    # `dg dev`, which it advises instead, wants a project's folder; an installed lake has none.
    quiet = ["-W", "ignore:Function `dev_command` is superseded"]
    return [sys.executable, *quiet, "-m", "dagster", "dev", *target, *address]


def _check_free(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise UsageError(
                f"{host}:{port} cannot be used ({error.strerror}); choose another: lake ui --port "
                f"{port + 1 if port < 65535 else 3000}"
            ) from None
