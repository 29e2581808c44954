"""What exported DAGs need in an Airflow: what of it is there, what is missing, making the pools.

Here: pools with as many slots as Dagster has, connections that are told of failures (named, never
made: they hold secrets), and the variables that the workers of both command lines need. Not here:
whether it all works (`doctor.py`).
"""

from __future__ import annotations

import json
import os
import shlex
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import yaml

from airflow_bridge.airflow_cli import Airflow, reason
from airflow_bridge.errors import BridgeError
from airflow_bridge.record import Graph

if TYPE_CHECKING:
    import dagster as dg

#: Slots of a pool for which Dagster has no limit: a pool protects a source, so one at a time.
SLOTS = 1

#: Seconds after which Airflow takes a silent task for lost, so that its run is ended within 300.
LOST = 180
_LOST = ("SCHEDULER_ZOMBIE_TASK_THRESHOLD", "TASK_INSTANCE_HEARTBEAT_TIMEOUT")

#: Airflow makes it itself.
DEFAULT_POOL = "default_pool"

State = Literal["there", "missing", "made", "changed"]


@dataclass(frozen=True)
class Needs:
    """Names, sorted, of what DAGs want of an Airflow. A queue that is None is its default one.

    `dockers` are the hosts of containers, as Docker's clients write them, each with an image.
    """

    pools: tuple[str, ...]
    queues: tuple[str | None, ...]
    connections: tuple[str, ...]
    dockers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Limits:
    """How many may be in a pool of Dagster at a time, by name and for those without a limit."""

    own: Mapping[str, int] = field(default_factory=dict)
    default: int | None = None

    def slots(self, pool: str) -> tuple[int, str]:
        """How many slots, and why."""
        if pool in self.own:
            return self.own[pool], "the limit in Dagster"
        if self.default is not None:
            return self.default, "the limit of every pool in Dagster"
        return SLOTS, "Dagster has no limit for it"


@dataclass(frozen=True)
class Item:
    """Something that is needed: what was found of it, and what makes it, for a shell."""

    kind: Literal["pool", "connection"]
    name: str
    state: State
    found: str
    command: str = ""


@dataclass(frozen=True)
class Variable:
    """A variable of the workers; `value` is None where it is a secret, or is not set here."""

    name: str
    value: str | None
    why: str


def needs_of(graph: Graph) -> Needs:
    """What the tasks of a graph name."""
    tasks = [task for dag in graph.dags for task in dag.tasks]
    return needs(
        [task.pool for task in tasks],
        [task.queue for task in tasks],
        [dag.messages for dag in graph.dags],
        [(one.docker_url or "", one.image or "") for one in tasks if one.runner == "docker"],
    )


def needs(
    pools: Iterable[str | None],
    queues: Iterable[str | None],
    messages: Iterable[Sequence[str]],
    dockers: Iterable[tuple[str, str]] = (),
) -> Needs:
    """The same of names as they come; without any of its own, those told are a variable's."""
    own = os.environ.get("AIRFLOW_BRIDGE_MESSAGES", "").split()
    return Needs(
        tuple(sorted({one for one in pools if one} - {DEFAULT_POOL})),
        tuple(sorted(set(queues), key=lambda one: one or "")),
        tuple(sorted({name for one in messages for name in one or own})),
        tuple(sorted(set(dockers))),
    )


def limits_of(instance: dg.DagsterInstance) -> Limits:
    """The limits of an instance; those it took from its default count as the default."""
    found = instance.event_log_storage.get_pool_limits()
    return Limits(
        {one.name: one.limit for one in found if not one.from_default},
        instance.get_concurrency_config().pool_config.default_pool_limit,
    )


def limits_at(home: Path | None) -> Limits:
    """The same of the instance in a folder; none where there is none, and none is made."""
    if home is None or not (home / "dagster.yaml").exists():
        return Limits()
    import dagster as dg

    try:
        with dg.DagsterInstance.from_config(str(home)) as instance:
            return limits_of(instance)
    except Exception as error:
        raise BridgeError(
            f"The instance of {home / 'dagster.yaml'} does not open, so the limits of its pools "
            f"are not known: {reason(error)}. Correct that file, or the variables that it names."
        ) from None


def set_up(
    airflow: Airflow, needs: Needs, limits: Limits, apply: bool = False, resize: bool = False
) -> list[Item]:
    """What is needed and whether it is there; with `apply` the pools that are missing are made.

    A pool that is there keeps its slots, unless `resize` is given and Dagster has a limit for it.
    All are made by one call, and are looked at again afterwards. A second call finds nothing to do.
    """
    before = airflow.ask("database", *needs.connections)
    wanted = dict(_wanted(needs, limits, before["pools"], resize))
    if not apply or not wanted:
        return _items(needs, limits, before, wanted)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pools.json"
        file.write_text(json.dumps(wanted), encoding="utf-8")
        airflow.call("pools", "import", str(file))
    after = airflow.ask("database", *needs.connections)
    still = dict(_wanted(needs, limits, after["pools"], resize))
    return _items(needs, limits, after, still, before["pools"])


def environment(needs: Needs, home: Path | None, more: Sequence[Variable] = ()) -> list[Variable]:
    """The variables that a worker needs for tasks of exported DAGs, and for the doctor.

    `home` is DAGSTER_HOME; `more` are those of the project, which are told first. Containers get
    no variable by themselves: all of these are named to them.
    """
    found = [
        *more,
        Variable(
            "DAGSTER_HOME",
            None if home is None else str(home),
            "the folder of dagster.yaml: the one history, also of the Dagster UI",
        ),
        Variable(
            "AIRFLOW_BRIDGE_MESSAGES",
            os.environ.get("AIRFLOW_BRIDGE_MESSAGES") or None,
            "connections told of failures where a pipeline names none; several with blanks",
        ),
    ]
    if home and (home / "dagster.yaml").exists():
        text = (home / "dagster.yaml").read_text(encoding="utf-8")
        names = sorted(set(_references(yaml.safe_load(text))) - {one.name for one in found})
        found += [Variable(name, None, f"of {home / 'dagster.yaml'}") for name in names]
    if needs.dockers:
        names = [one.name for one in found]
        why = "what tasks in containers get of the variables of their worker"
        found.append(Variable("AIRFLOW_BRIDGE_DOCKER_ENV", " ".join(names), why))
        mounts = os.environ.get("AIRFLOW_BRIDGE_DOCKER_MOUNTS") or None
        why = "folders that tasks in containers get: FROM:TO, or FROM:TO:ro; several with blanks"
        found.append(Variable("AIRFLOW_BRIDGE_DOCKER_MOUNTS", mounts, why))
    why = "for the scheduler: seconds until a silent task is lost (the first of 2.x, then of 3.x)"
    return found + [Variable(f"AIRFLOW__SCHEDULER__{name}", str(LOST), why) for name in _LOST]


def env_file(variables: Sequence[Variable]) -> str:
    """The text of a file for `docker run --env-file`, or EnvironmentFile of a unit."""
    lines = [
        "# For every worker, as both command lines need it: airflow, and what its tasks call. The",
        "# scheduler takes it too.",
        "# Readable by its owner only (chmod 600). What is set here is filled in; of a secret, or",
        "# of what is not set, only the name.",
    ]
    why = ""
    for one in variables:
        lines += [f"# {one.why}"] * (one.why != why)
        why = one.why
        lines.append(f"#{one.name}=" if one.value is None else f"{one.name}={one.value}")
    return "\n".join(lines) + "\n"


def connection_command(name: str) -> str:
    """What adds a connection, its secret typed in: in no history, no argument, no file that stays.

    The type is guessed from the name. `airflow connections add` will not do: from 2.11 it makes
    any type generic that no provider brought, and webex comes with none.
    """
    kind = next((one for one in ("slack", "webex") if one in name.lower()), "http")
    asks = "token of the bot" if kind == "webex" else "address of the hook"
    extra = {"extra_dejson": {"room": "ROOM"}} if kind == "webex" else {}
    told = json.dumps({name: {"conn_type": kind, **extra, "password": ""}}, ensure_ascii=False)
    before, after = told[: -len('"}}')], told[-len('"}}') :]
    return (
        f"read -rsp '{asks}: ' SECRET && F=$(mktemp --suffix .json) && "
        f'printf %s {shlex.quote(before)} "$SECRET" {shlex.quote(after)} >"$F" && '
        'airflow connections import "$F"; rm -f "$F"'
    )


def _wanted(
    needs: Needs, limits: Limits, pools: Mapping[str, Any], resize: bool
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Pool → how Airflow imports it; of one that is there all but the slots stays as it is."""
    for name in needs.pools:
        slots, why = limits.slots(name)
        if name not in pools:
            yield name, {"slots": slots, "description": why}
        elif resize and _differs(name, limits, pools):
            yield name, {**pools[name], "slots": slots}


def _differs(name: str, limits: Limits, pools: Mapping[str, Any]) -> bool:
    limited = name in limits.own or limits.default is not None
    return bool(limited and limits.slots(name)[0] != pools[name]["slots"])


def _items(
    needs: Needs,
    limits: Limits,
    found: Mapping[str, Any],
    wanted: Mapping[str, Any],
    before: Mapping[str, Any] | None = None,
) -> list[Item]:
    """`before` are the pools before they were made."""
    pools = [_pool(name, limits, found["pools"], wanted, before) for name in needs.pools]
    return [*pools, *(_connection(name, found["connections"][name]) for name in needs.connections)]


def _pool(
    name: str,
    limits: Limits,
    pools: Mapping[str, Any],
    wanted: Mapping[str, Any],
    before: Mapping[str, Any] | None,
) -> Item:
    slots, why = limits.slots(name)
    words = ["airflow", "pools", "set", name, str(slots)]
    if name not in pools:
        command = shlex.join([*words, wanted[name]["description"]])
        return Item("pool", name, "missing", f"to be {_slots(slots)}: {why}", command)
    has = pools[name]["slots"]
    state: State = "there"
    if before is not None and name not in before:
        state = "made"
    elif before is not None and before[name]["slots"] != has:
        state = "changed"
    if not _differs(name, limits, pools):
        return Item("pool", name, state, _slots(has))
    return Item(
        "pool",
        name,
        state,
        f"{_slots(has)}, and {slots} are {why}; "
        + ("--apply changes it" if name in wanted else "it stays so without --resize"),
        shlex.join([*words, pools[name]["description"] or ""]),
    )


def _slots(number: int) -> str:
    return "1 slot" if number == 1 else f"{number} slots"


def _connection(name: str, found: Mapping[str, Any] | None) -> Item:
    if found is None:
        why = "nobody hears of failures there"
        return Item("connection", name, "missing", why, connection_command(name))
    return Item("connection", name, "there", found["type"] or "without a type")


def _references(value: Any) -> Iterator[str]:
    """The variables that a dagster.yaml refers to by `{env: NAME}`."""
    if isinstance(value, dict):
        if list(value) == ["env"] and isinstance(value["env"], str):
            yield value["env"]
        for one in value.values():
            yield from _references(one)
    elif isinstance(value, list):
        for one in value:
            yield from _references(one)
