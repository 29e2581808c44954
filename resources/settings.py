"""Settings of one environment: where the store is, how each connection is reached, who fires what.

Here: the record, reading `environments/<name>.yaml`, references to secrets. Not here: opening a
connection (`source.py` and the modules of the systems) and anything about a particular pipeline.
The files and `LAKE_*` variables are all that is read, never the network.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from resources import options
from resources.errors import PermanentError, UsageError
from resources.limits import Limits
from resources.yamlfile import YamlFile, nearest, shown_path

SHIPPED = Path(__file__).parent / "environments"

#: Every environment gives each of these an address. The names are the old platform's adaptors'.
CONNECTIONS = (
    "hive",
    "hana_db",
    "hana_bw",
    "sqlserver",
    "tibero",
    "postgres",
    "mariadb",
    "openapi_kma",
    "sftp",
    "es",
    "hdfs",
    "webex",
    "slack",
)


def no_connection(name: str) -> tuple[str, str]:
    """What a pipeline file that names no connection is told, and what to do."""
    cure = (
        f"{nearest(name, CONNECTIONS)}. These names are the same in every environment; a further "
        "system takes the name of one that there is not, with its own `kind` (docs/environments.md)"
    )
    return f"there is no connection {name!r}", cure


_SECRET = re.compile(r"(env|file|airflow_conn):(.+)")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class SecretRef(str):
    """Where a secret is: `env:NAME` or `file:/path`. The secret itself is never kept.

    Only `reveal` reads it, at the moment a connection is opened, so no `repr`, log line or pickle
    of settings can hold one.
    """

    def reveal(self) -> str:
        found = self._found()
        if not found:
            raise PermanentError(f"The secret {self!s} is empty: put it there, or leave it out.")
        return found

    def _found(self) -> str:
        kind, _, name = self.partition(":")
        if kind == "env":
            value = os.environ.get(name)
            if value is None:
                raise PermanentError(
                    f"The secret {self!s} is not set: export {name}=… (and for the Dagster "
                    "services, where they are started)."
                )
            return value
        if kind == "file":
            try:
                return Path(name).read_text(encoding="utf-8").strip()
            except OSError as error:
                raise PermanentError(f"The secret {self!s} cannot be read: {error.strerror}.")  # noqa: B904
            except UnicodeDecodeError:  # it holds the secret: not even the context of what is told
                unread = PermanentError(
                    f"The secret {self!s} is no text of UTF-8: save it as such."
                )
            raise unread
        raise PermanentError(f"The secret {self!s} is only known inside an Airflow task.")


def _secret(value: Any) -> SecretRef:
    if not isinstance(value, str) or not _SECRET.fullmatch(value):
        # The value is not repeated: it may be the password itself.
        raise ValueError(
            "write a reference, never the secret: env:NAME, file:/path or airflow_conn:ID"
        )
    return SecretRef(value)


def _only_home(value: str) -> str:
    unknown = [found for found in re.findall(r"\{[^{}]*\}", value) if found != "{home}"]
    if unknown:
        raise ValueError(f"nothing is known of {', '.join(unknown)}; allowed: {{home}}, LAKE_HOME")
    return value


PathText = Annotated[str, AfterValidator(_only_home)]


class StoreSettings(_Strict):
    """Where the lake is kept. `{home}` in `root` stands for LAKE_HOME.

    `connection` is the HDFS connection on which `root` is a folder; None: `root` is a folder of
    this machine. `hive` is the connection through which tables and partitions are registered;
    None: they are not.
    """

    root: PathText
    connection: str | None
    parquet: Literal["modern", "hive1"]
    hive: str | None

    @model_validator(mode="after")
    def _hive_reads_hdfs(self) -> StoreSettings:
        if self.hive is not None and self.connection is None:
            raise ValueError("hive reads the lake from HDFS: give store.connection, or hive: null")
        return self


_DATABASE = (("host", "database", "user"), ("port", "password", "options"))
#: Kind → the keys it needs, the keys it may have.
_KEYS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "duckdb": (("path",), ()),
    "postgres": _DATABASE,
    "mariadb": _DATABASE,
    "sqlserver": _DATABASE,
    "tibero": _DATABASE,
    "hana": (("host", "user"), ("port", "database", "password", "options")),
    "hive": (("host",), ("port", "database", "user", "password", "options")),
    "http": (("url",), ("user", "password", "options")),
    "sftp": (("host", "user"), ("port", "path", "password", "options")),
    "elasticsearch": (("url",), ("user", "password", "options")),
    "hdfs": (("url",), ("user", "password", "options")),
    "storage": (("path",), ("user", "password", "options")),
    "webhook": (("url",), ("password", "options")),
}

_HTTP = re.compile(r"https?://[^/]")


def _leads(url: str) -> bool:
    """Whether it is the address of a host, and of a port that there can be."""
    try:
        return bool(_HTTP.match(url)) and urlsplit(url).port != 0
    except ValueError:
        return False


class Connection(_Strict):
    """How one system is reached. Only the keys that its `kind` knows may be given."""

    kind: Literal[
        "duckdb",
        "postgres",
        "mariadb",
        "hive",
        "hana",
        "sqlserver",
        "tibero",
        "http",
        "sftp",
        "elasticsearch",
        "hdfs",
        "storage",
        "webhook",
    ]
    path: PathText | None = None
    host: str | None = None
    port: Annotated[int, Field(ge=1, le=65535)] | None = None
    database: str | None = None
    user: str | None = None
    password: Any = None
    url: str | None = None
    options: dict[str, str | int | bool] = {}
    limits: Limits = Limits()

    @field_validator("password", mode="plain")
    @classmethod
    def _password(cls, value: Any) -> SecretRef | None:
        return None if value is None else _secret(value)

    @model_validator(mode="after")
    def _of_its_kind(self) -> Connection:
        needed, further = _KEYS[self.kind]
        missing = [key for key in needed if getattr(self, key) is None]
        unknown = sorted(self.model_fields_set - {"kind", "limits", *needed, *further})
        problems = [f"needs {', '.join(missing)}"] * bool(missing)
        problems += [f"does not know {', '.join(unknown)}"] * bool(unknown)
        if problems:
            allowed = ", ".join((*needed, *further))
            raise ValueError(f"the kind {self.kind} {' and '.join(problems)}; its keys: {allowed}")
        urls = [url.strip() for url in (self.url or "").split(";") if url.strip()]
        if self.url is not None and not (urls and all(map(_leads, urls))):
            raise ValueError(
                "url is written http://host:port, or https://"
                + "; hdfs wants that of WebHDFS (port 9870, in Hadoop 2 50070)"
                * (self.kind == "hdfs")
            )
        return self


class Sample(_Strict):
    """The generated sources of an environment that has no real ones.

    `until` is the last day that has data: an ISO date, or `yesterday` in Asia/Seoul.
    """

    days: Annotated[int, Field(ge=1, le=3660)]
    until: str
    scale: Annotated[float, Field(gt=0, le=1000)]

    @field_validator("until")
    @classmethod
    def _until(cls, value: str) -> str:
        if value != "yesterday":
            try:
                date.fromisoformat(value)
            except ValueError:
                raise ValueError("write a day as YYYY-MM-DD, or yesterday") from None
        return value


class Fires(_Strict):
    """Who fires schedules: `default`, and exceptions by schedule (job) name."""

    default: Literal["dagster", "airflow", "nobody"]
    exceptions: dict[str, Literal["dagster", "airflow", "nobody"]] = {}

    def by(self, schedule: str) -> str:
        return self.exceptions.get(schedule, self.default)


def _known_options(value: Connection) -> Connection:
    problems = options.unknown(value.kind, value.options)
    if problems:
        raise ValueError("; ".join(problems))
    return value


class Environment(_Strict):
    """What one file of `environments/` must hold; all have the same keys."""

    store: StoreSettings
    mlflow: PathText
    connections: dict[str, Annotated[Connection, AfterValidator(_known_options)]]
    fires: Fires
    sample: Sample | None

    @field_validator("connections")
    @classmethod
    def _total(cls, value: dict[str, Connection]) -> dict[str, Connection]:
        missing = [name for name in CONNECTIONS if name not in value]
        if missing:
            raise ValueError(f"every environment names every connection; missing: {missing}")
        return value

    @model_validator(mode="after")
    def _store_reaches(self) -> Environment:
        for key, kind in (("connection", "hdfs"), ("hive", "hive")):
            name = getattr(self.store, key)
            found = self.connections.get(name) if name is not None else None
            if name is not None and (found is None or found.kind != kind):
                of_kind = [one for one, its in self.connections.items() if its.kind == kind]
                raise ValueError(
                    f"store.{key} {name!r} is no connection of kind {kind}; "
                    f"there {'are' if of_kind else 'is'}: {', '.join(of_kind) or 'none'}"
                )
        return self


@dataclass(frozen=True)
class Settings:
    """One environment, read. `home` is where the local environment writes."""

    env: str
    home: Path
    environment: Environment

    @property
    def store(self) -> StoreSettings:
        return self.environment.store

    @property
    def fires(self) -> Fires:
        return self.environment.fires

    @property
    def sample(self) -> Sample | None:
        return self.environment.sample

    @property
    def store_root(self) -> str:
        return self.expand(self.store.root)

    @property
    def mlflow_uri(self) -> str:
        """Where MLflow keeps runs and models: a server's URL, or `sqlite:///…` embedded."""
        return self.expand(self.environment.mlflow)

    @cached_property
    def connections(self) -> Mapping[str, Connection]:
        return self.environment.connections

    def connection(self, name: str) -> Connection:
        """The connection of that name, its path expanded; unknown: `UsageError`."""
        try:
            found = self.connections[name]
        except KeyError:
            raise UsageError(
                f"The environment {self.env!r} has no connection {name!r}; "
                f"{nearest(name, self.connections)}."
            ) from None
        if found.path is None:
            return found
        return found.model_copy(update={"path": self.expand(found.path)})

    def expand(self, text: str) -> str:
        return text.replace("{home}", str(self.home))


def lake_home(environ: Mapping[str, str] = os.environ) -> Path:
    """`LAKE_HOME`, else `.lake` in the checkout this runs from, else `~/.lake`."""
    if environ.get("LAKE_HOME"):
        return Path(environ["LAKE_HOME"]).expanduser().absolute()
    checkout = Path(__file__).parents[1]
    return checkout / ".lake" if (checkout / "workspace.yaml").exists() else Path.home() / ".lake"


def writable(folder: Path) -> Path:
    """`folder`, of LAKE_HOME, made where there is none; PermanentError where it cannot be used."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise PermanentError(
            f"The lake cannot write to {folder}: {error.strerror}. Set LAKE_HOME (and DAGSTER_HOME "
            "where it is set) to a folder that can be made and written to, for example: "
            "export LAKE_HOME=~/.lake"
        ) from None


def environment_files(environ: Mapping[str, str] = os.environ) -> dict[str, Path]:
    """Name → file: the shipped ones, then those of the folders in `LAKE_ENVIRONMENTS`."""
    further = filter(None, environ.get("LAKE_ENVIRONMENTS", "").split(os.pathsep))
    folders = [SHIPPED, *(Path(folder).expanduser() for folder in further)]
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(
                f"LAKE_ENVIRONMENTS names {folder}, and there is no such folder; make it, or take "
                "it out. It lists folders with <name>.yaml files, separated by "
                f"{os.pathsep!r}."
            )
    return {file.stem: file for folder in folders for file in sorted(folder.glob("*.yaml"))}


def load_settings(env: str | None = None, environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings of `env` (else `LAKE_ENV`, else `local`); an unknown name is refused."""
    name = env or environ.get("LAKE_ENV") or "local"
    files = environment_files(environ)
    if name not in files:
        raise UsageError(f"There is no environment {name!r} (LAKE_ENV); {nearest(name, files)}.")
    record = YamlFile(files[name], shown=shown_path(files[name])).record(Environment)
    return Settings(env=name, home=lake_home(environ), environment=record)
