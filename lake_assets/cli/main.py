"""The `lake` command: its subcommands, found when called, and how mistakes end it.

Here: the group, options that all commands share, exit codes. Not here: what a command does (its own
module, imported only when it is called, because Dagster takes a second to import).
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import warnings
from typing import Any, NoReturn

import click

from resources.errors import LakeError, UsageError
from resources.settings import environment_files
from resources.yamlfile import Mistakes, nearest

#: Command → its module and the line that `lake --help` shows, known without importing it.
_COMMANDS = {
    "demo": ("demo", "Generate sources, run the main job, say how to look at it."),
    "ui": ("ui", "Start the Dagster UI."),
    "list": ("look", "Pipelines and assets: what there is."),
    "validate": ("look", "All mistakes in the pipeline files, with file and line."),
    "new": ("look", "Write the skeleton of a pipeline that runs."),
    "schema": ("look", "The JSON schema of pipeline.yaml, for editors."),
    "run": ("run", "Materialise what is missing or stale."),
    "lineage": ("lineage", "Which columns a column comes of, and which come of it."),
    "peek": ("peek", "The first rows of an asset or a source table."),
    "doctor": ("doctor", "Look at every connection: what works, what not, what to do."),
    "preps": ("preps", "Prep functions: what there is, how a step of a pipeline file is written."),
    "models": ("models", "Models, their champions and scores."),
    "hive": ("hive", "Tables and partitions in Hive: compare them, bring them in line."),
    "hdfs-upload": ("hdfs_upload", "A large file into HDFS in parts, resumable and verified."),
    "airflow": ("airflow", "DAG files for Airflow, and what their tasks call."),
}

EPILOG = """\b
Exit codes: 0 done, 1 failed, 2 wrong usage, 65 permanent failure (trying again cannot help),
75 not yet (an input is not there), 130 and 143 stopped by a signal."""


class _Lake(click.Group):
    """Imports a command when it is called, and ends on a `LakeError` without a traceback."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"lake_assets.cli.{_COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, f"{cmd_name.replace('-', '_')}_command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"There is no command {args[0]!r}; {nearest(args[0], _COMMANDS)}.")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in _COMMANDS.items()])

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta["json"] = "--json" in args
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            return _end_wrong_usage(ctx, error)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except LakeError as error:
            _say(error, as_json=ctx.meta["json"])
            ctx.exit(error.exit_code)
        except click.UsageError as error:
            _end_wrong_usage(ctx, error)
        except KeyboardInterrupt:
            ctx.exit(130)
        except BrokenPipeError:
            # `lake list | head` has what it wanted; Python would complain again when it closes.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(0)


def _end_wrong_usage(ctx: click.Context, error: click.UsageError) -> NoReturn:
    """Click's own words, with its line of usage, unless a program reads them."""
    # `lake` alone is not wrong, it asks for the help.
    if not ctx.meta["json"] or isinstance(error, click.exceptions.NoArgsIsHelpError):
        raise error
    _say(UsageError(error.format_message()), as_json=True)
    ctx.exit(error.exit_code)


def _say(error: LakeError, as_json: bool) -> None:
    if not as_json:
        click.echo(str(error), err=True)
        return
    told: dict[str, Any] = {"ok": False, "exit_code": error.exit_code, "error": str(error)}
    if isinstance(error, Mistakes):
        told["mistakes"] = [vars(mistake) for mistake in error.mistakes]
    click.echo(json.dumps(told, ensure_ascii=False, indent=2))


def _set_env(ctx: click.Context, _param: click.Parameter, value: str | None) -> None:
    if value:
        files = environment_files()
        if value not in files:
            raise click.BadParameter(f"there is no environment {value!r}; {nearest(value, files)}")
        # A variable, so that the graph this process imports and processes it starts see the same.
        os.environ["LAKE_ENV"] = value


env_option = click.option(
    "--env",
    expose_value=False,
    is_eager=True,
    callback=_set_env,
    help="Environment, else LAKE_ENV, else local.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document instead.")


@click.group(
    cls=_Lake,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@env_option
@click.version_option(package_name="lake", message="lake %(version)s")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """The data lake as one Dagster graph.

    \b
    Examples:
      lake demo                        generated data through the main job
      lake list                        pipelines and assets
      lake run '*' --dry-run           what would run, and why
      lake run group:customer_master   the assets of one pipeline
      lake peek prep/customer_master   the first rows
    """


def main() -> None:
    """The entry point `lake`."""
    # Said once for every use of partitioned checks and backfill policies, at every start.
    warnings.filterwarnings("ignore", message=r"(?s).* is currently in (beta|preview)")
    cli(prog_name="lake")
