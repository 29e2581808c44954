"""`lake doctor`: whether this machine reaches what an environment names, and what to do if not.

Here: what pipelines read of each connection, the selection, showing the checks. Not here: the
checks (`resources/doctor*.py`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import TYPE_CHECKING, Any, get_args

import click

from lake_assets.cli.console import console, say_json, show_table
from lake_assets.cli.main import env_option, json_option
from resources.errors import UsageError
from resources.settings import Settings, load_settings
from resources.yamlfile import Mistakes, nearest

if TYPE_CHECKING:
    from airflow_bridge.doctor_checks import Check as BridgeCheck
    from resources.doctor import Check, Declared, Subject


@click.command("doctor")
@click.argument("connections", nargs=-1, metavar="[CONNECTION]...")
@click.option(
    "--timeout",
    default=15.0,
    show_default=True,
    type=click.FloatRange(min=1, max=600),
    help="Seconds for each connection; all are looked at side by side.",
)
@env_option
@json_option
def doctor_command(connections: tuple[str, ...], timeout: float, as_json: bool) -> None:
    """Look at every connection of the environment, the store and MLflow; say what to do.

    Name resolved, port open, certificate, login, a trivial query, the server's version and clock,
    and whether the tables that pipelines read are there and may be read. No row is read, nothing
    is sent to a webhook, nothing stays behind. Exit code 1 where a check failed; a warning (of TLS
    that is not verified) is none.

    \b
    Examples:
      lake doctor
      lake doctor --env prod
      lake doctor hana_bw hdfs store --env prod --json
    """
    from resources.doctor import examine, secrets_of

    settings = load_settings()
    subjects = _subjects(settings, connections)
    report(examine(subjects, timeout, secrets_of(settings)), settings.env, as_json, "connection")


def report(
    checks: Sequence[Check] | Sequence[BridgeCheck], env: str, as_json: bool, subject: str = ""
) -> None:
    """Show what was found and how much of each result; exit code 1 where a check failed.

    `subject` is the head of the column of what was looked at.
    """
    from resources.doctor import Result

    counts = Counter(check.result for check in checks)
    if as_json:
        say_json(
            {
                "ok": not counts["failed"],
                "environment": env,
                "checks": [asdict(check) for check in checks],
            }
        )
    else:
        _show(checks, subject)
        shown = [one for one in get_args(Result) if one != "warning" or counts[one]]
        told = ", ".join(f"{counts[one]} {one}" for one in shown)
        click.echo(f"\nenvironment {env}: {told}")
    if counts["failed"]:
        raise SystemExit(1)


def _subjects(settings: Settings, asked: Sequence[str]) -> Mapping[str, Subject]:
    from resources import doctor_checks, doctor_services

    own: dict[str, Callable[[Settings], Any]] = {
        "store": doctor_services.of_store,
        "mlflow": doctor_services.of_mlflow,
    }
    known = [*settings.connections, *(name for name in own if name not in settings.connections)]
    for name in asked:
        if name not in known:
            raise UsageError(
                f"The environment {settings.env!r} has no connection {name!r}; "
                f"{nearest(name, known)}."
            )
    declared, targets = _declared(settings)
    # What is generated is what is read: the other connections of such an environment lead nowhere.
    generated = settings.sample is not None and not asked and declared is not None
    needed = {settings.store.connection, settings.store.hive, *(declared or ())}
    subjects: dict[str, Subject] = {}
    for name in dict.fromkeys(asked or known):
        if generated and name in settings.connections and name not in needed:
            subjects[name] = partial(_unused, name)
        elif name in settings.connections:
            doctor_checks.prepare(settings, name)
            read = None if declared is None else declared.get(name, [])
            looked = partial(doctor_checks.of_connection, settings, name, read)
            subjects[name] = partial(_and_targets, looked, name, targets.get(name, []))
        else:
            subjects[name] = partial(own[name], settings)
    return subjects


def _unused(name: str) -> Iterator[Check]:
    from resources.doctor import not_tried

    why = (
        f"nothing reads it, and here sources are generated; to try all the same: lake doctor {name}"
    )
    yield not_tried(name, "all", why)


def _and_targets(looked: Subject, name: str, deliveries: Sequence[str]) -> Iterator[Check]:
    from resources.doctor import not_tried

    yield from looked()
    if deliveries:
        why = "whether they are there and may be written is not looked at: the first run shows it"
        yield not_tried(name, "targets", f"of {', '.join(deliveries)}: {why}")


def _declared(settings: Settings) -> tuple[dict[str, list[Declared]] | None, dict[str, list[str]]]:
    """Connection → what pipelines read of it, and the deliveries to it.

    The former is None where their files have mistakes.
    """
    from lake_assets.cli.peek import last_key
    from lake_assets.loader import load_pipelines, pipeline_folders
    from lake_assets.pipeline import Delivered, assets
    from lake_assets.source_reading import described_for, source_table
    from lake_assets.spec.sources import SourceSpec
    from resources.doctor import Declared

    try:
        pipelines = load_pipelines(pipeline_folders())
    except Mistakes:
        return None, {}
    found: dict[str, list[Declared]] = {}
    targets: dict[str, list[str]] = {}
    for pipeline in pipelines:
        params = {name: param.default for name, param in pipeline.spec.params.items()}
        for asset in assets(pipeline):
            spec = asset.spec
            if isinstance(asset, Delivered):
                targets.setdefault(asset.spec.connection, []).append(asset.key)
            if isinstance(spec, SourceSpec) and spec.connection in settings.connections:
                table = source_table(asset, spec, params, settings)
                table = replace(table, of=described_for(asset, spec, last_key(asset)))
                found.setdefault(spec.connection, []).append(Declared(asset.key, table))
    return found, targets


def _show(checks: Sequence[Check] | Sequence[BridgeCheck], head: str) -> None:
    """One line a check; a subject is named once, and what to do stands beside what failed."""
    rows, before = [], ""
    for check in checks:
        subject = "" if check.subject == before else check.subject
        before = check.subject
        rows.append((subject, check.name, check.result, check.found, check.cure))
    show_table(console(), (head, "check", "result", "found", "what to do"), rows)
