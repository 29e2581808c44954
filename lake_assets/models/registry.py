"""MLflow: runs, the registry of models and the alias of the champion.

Here: all that is said to MLflow, embedded (SQLite below LAKE_HOME) or a server, and its failures in
our words. Not here: what is worth saying (`training.py`) and who wins (`scores.py`).
dagster-mlflow is not used: its resource is one MLflow run a Dagster run, set up for a whole job and
ended by a hook, where a partition needs a run of its own that fails with it alone.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from lake_assets.models.scores import Champion
from resources.errors import PermanentError, TransientError
from resources.settings import Settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ALIAS = "champion"

#: Tags of runs and versions. A partition has one live run; the others are superseded or failed.
PARTITION, ASSET, STATE, REASON = "lake.partition", "lake.asset", "lake.state", "lake.reason"
DAGSTER_RUN, CODE, SUPERSEDED_BY = "lake.dagster_run", "lake.code_version", "lake.superseded_by"
TRAINED_UNTIL, WON, FEATURES = "lake.trained_until", "lake.won", "lake.features"

#: MLflow waits 7 × 120 s for a server that is not there; Dagster retries the step anyway. No word
#: of ours leaves for its vendor, and no progress bar or note about git goes into a run's log.
_QUIET = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_RECORD_ENV_VARS_IN_MODEL_LOGGING": "false",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "GIT_PYTHON_REFRESH": "quiet",
}

#: A value longer than this is refused by the server.
_LONGEST = 5000

_RIGHTS = ("UNAUTHENTICATED", "PERMISSION_DENIED", "CUSTOMER_UNAUTHORIZED")


@dataclass(frozen=True)
class Run:
    """One MLflow run. `link` is its page on a server, the command that shows it for an embedded."""

    run_id: str
    experiment: str
    link: str


class Registry:
    """An open MLflow. Everything that fails in it is a LakeError without a credential."""

    def __init__(self, settings: Settings) -> None:
        self._uri = _checked(settings.mlflow_uri, settings.env)
        self._home = settings.home / "mlflow"
        os.environ.update({name: os.environ.get(name, value) for name, value in _QUIET.items()})
        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.ERROR)
        self._home.mkdir(parents=True, exist_ok=True)

    @property
    def is_server(self) -> bool:
        return not self._uri.startswith("sqlite")

    @cached_property
    def _client(self) -> Any:
        import mlflow

        # Two processes that make the tables of a new SQLite file at once break each other.
        with self._said("opened"), locked(self._home / "tables.lock"):
            client = mlflow.MlflowClient(self._uri, self._uri)
            client.search_experiments(max_results=1)
            return client

    def _everywhere(self) -> None:
        """Where MLflow's own functions, which take no client, shall look: here."""
        import mlflow

        mlflow.set_tracking_uri(self._uri)
        mlflow.set_registry_uri(self._uri)

    # -- runs

    def begin(self, asset: str, partition: str, tags: Mapping[str, str]) -> Run:
        """A new run, named after its partition, in the experiment of its asset."""
        client = self._client
        with self._said(f"the experiment {asset}"):
            found = client.get_experiment_by_name(asset)
            if found is None:
                experiment = self._new_experiment(asset)
            elif found.lifecycle_stage != "active":
                raise PermanentError(
                    f"The MLflow experiment {asset!r} was deleted; restore it: "
                    f"mlflow experiments restore -x {found.experiment_id}"
                )
            else:
                experiment = found.experiment_id
            own = {PARTITION: partition, ASSET: asset, STATE: "running", **tags}
            made = client.create_run(experiment, run_name=partition, tags=_short(own))
        return Run(made.info.run_id, experiment, self._link(experiment, made.info.run_id))

    def _new_experiment(self, asset: str) -> str:
        from mlflow.exceptions import MlflowException

        place = None if self.is_server else (self._home / "artifacts" / asset).as_uri()
        try:
            made: str = self._client.create_experiment(asset, artifact_location=place)
        except MlflowException as error:
            # Of two runs that make it the second one finds it.
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            made = self._client.get_experiment_by_name(asset).experiment_id
        return made

    def log(
        self,
        run: Run,
        params: Mapping[str, object],
        metrics: Mapping[str, float],
        steps: Mapping[str, Mapping[str, float]],
        tags: Mapping[str, str],
    ) -> None:
        """Parameters, scores and tags; `steps` are scores by period, whose digits are the step."""
        import time

        from mlflow.entities import Metric, Param, RunTag

        now = int(time.time() * 1000)
        points = [Metric(name, value, now, 0) for name, value in metrics.items()]
        points += [
            Metric(name, value, now, int(re.sub(r"\D", "", period)))
            for name, by_period in steps.items()
            for period, value in by_period.items()
        ]
        with self._said("the run"):
            self._client.log_batch(
                run.run_id,
                metrics=points,
                params=[Param(name, value) for name, value in _short(params).items()],
                tags=[RunTag(name, value) for name, value in _short(tags).items()],
            )

    def log_input(
        self, run: Run, asset: str, digest: str, versions: Mapping[str, str], place: str
    ) -> None:
        """An input of the run as MLflow shows it: the partitions that were read, and their content.

        All data versions are in the run's `inputs.json`.
        """
        from mlflow.entities import Dataset, DatasetInput, InputTag

        source = json.dumps({"store": place, "partitions": sorted(versions)}, ensure_ascii=False)
        dataset = Dataset(asset, digest, "lake", source)
        context = [InputTag("mlflow.data.context", "training")]
        with self._said("the run's inputs"):
            self._client.log_inputs(run.run_id, [DatasetInput(dataset, context)])

    def log_file(self, run: Run, name: str, content: Figure | Mapping[str, Any] | str) -> None:
        with self._said(f"the file {name}"):
            if isinstance(content, str):
                self._client.log_text(run.run_id, content, name)
            elif isinstance(content, Mapping):
                self._client.log_dict(run.run_id, dict(content), name)
            else:
                self._client.log_figure(run.run_id, content, name)

    def finish(self, run: Run, partition: str) -> None:
        """This run is the partition's live one; all others of it are superseded."""
        client = self._client
        with self._said("the run"):
            others = client.search_runs(
                [run.experiment], f"tags.`{PARTITION}` = '{partition}'", max_results=1000
            )
            for one in others:
                if one.info.run_id == run.run_id or one.data.tags.get(STATE) == "superseded":
                    continue
                client.set_tag(one.info.run_id, STATE, "superseded")
                client.set_tag(one.info.run_id, SUPERSEDED_BY, run.run_id)
                if one.info.status == "RUNNING":  # its process was killed
                    client.set_terminated(one.info.run_id, "KILLED")
            client.set_tag(run.run_id, STATE, "live")
            client.set_terminated(run.run_id, "FINISHED")

    def fail(self, run: Run, reason: str, killed: bool = False) -> None:
        """End the run without a result. Never raises: the reason itself is on its way."""
        with suppress(Exception):
            self._client.set_tag(run.run_id, STATE, "failed")
            self._client.set_tag(run.run_id, REASON, reason[:_LONGEST])
            self._client.set_terminated(run.run_id, "KILLED" if killed else "FAILED")

    def _link(self, experiment: str, run_id: str) -> str:
        if self.is_server:
            return f"{self._uri.rstrip('/')}/#/experiments/{experiment}/runs/{run_id}"
        return f"mlflow ui --backend-store-uri {shlex.quote(self._uri)}"

    # -- models

    def log_model(
        self, run: Run, estimator: Any, types: Sequence[str], features: Any, example: bool
    ) -> str:
        """The model with signature, loadable without pickle; its URI. `features` are some rows.

        `example`: these rows may be kept beside it.
        """
        import sklearn
        from mlflow.models import infer_signature
        from mlflow.sklearn import log_model

        with self._said("the model"):
            # By itself it would go to whatever experiment is active, below the working directory.
            made = self._client.create_logged_model(
                run.experiment, name="model", source_run_id=run.run_id
            )
            self._everywhere()
            info = log_model(
                estimator,
                model_id=made.model_id,
                run_id=run.run_id,
                signature=infer_signature(features, estimator.predict_proba(features)),
                input_example=features if example else None,
                # Given, because MLflow would find them out in a process of its own (10 s).
                pip_requirements=[f"scikit-learn=={sklearn.__version__}"],
                serialization_format="skops",
                skops_trusted_types=list(types),
                pyfunc_predict_fn="predict_proba",
            )
        uri: str = info.model_uri
        return uri

    def register(
        self, name: str, title: str, run: Run, uri: str, tags: Mapping[str, str], words: str
    ) -> int:
        """A new version of the model `name`."""
        from mlflow.exceptions import MlflowException

        with self._said(f"the model {name}"):
            try:
                self._client.create_registered_model(name, description=title)
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
            made = self._client.create_model_version(
                name,
                source=uri,
                run_id=run.run_id,
                tags=_short(tags),
                description=words,
                model_id=uri.rpartition("/")[2],
            )
        return int(made.version)

    def unregister(self, name: str, version: int) -> None:
        """Take back a version that came to nothing. Never raises, as `fail`."""
        with suppress(Exception):
            self._client.delete_model_version(name, str(version))

    def present(self, name: str, partition: str) -> Champion | None:
        """The champion of a partition before a challenger comes: the newest up to there.

        That is the one with the alias, unless that one is of a later partition; then the newest
        winner of this partition or an earlier one. What was trained later is never asked, so a
        backfill of the past scores as the past could.
        """
        alias = self.champion(name)
        if alias is not None and alias.partition <= partition:
            return alias
        with self._said(f"the versions of {name}"):
            found = self._client.search_model_versions(f"name = '{name}'")
        winners = [
            _champion(one)
            for one in found
            if one.tags.get(WON) == "true" and one.tags[PARTITION] <= partition
        ]
        return max(winners, key=lambda one: (one.partition, one.version), default=None)

    def champion(self, name: str) -> Champion | None:
        """The version that has the alias now; None where none has."""
        from mlflow.exceptions import MlflowException

        client = self._client
        with self._said(f"the champion of {name}"):
            try:
                return _champion(client.get_model_version_by_alias(name, ALIAS))
            except MlflowException as error:
                if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                    return None
                raise

    def crown(self, name: str, version: int, partition: str) -> bool:
        """Make it the champion of its partition; whether the alias moved to it.

        It stays where it is when it is of a later partition.
        """
        present = self.champion(name)
        moves = present is None or present.partition <= partition
        with self._said(f"the champion of {name}"):
            self._client.set_model_version_tag(name, str(version), WON, "true")
            if moves:
                self._client.set_registered_model_alias(name, ALIAS, str(version))
        return moves

    def load(self, name: str, version: int) -> Any:
        """The estimator of exactly that version."""
        from mlflow.sklearn import load_model

        client = self._client
        with self._said(f"version {version} of the model {name}"):
            client.get_model_version(name, str(version))
            self._everywhere()
            return load_model(f"models:/{name}/{version}")  # type: ignore[no-untyped-call]

    @contextmanager
    def only(self, name: str) -> Iterator[None]:
        """Nobody else on this machine compares and crowns versions of `name` meanwhile."""
        with locked(self._home / f"{name}.lock"):
            yield

    @contextmanager
    def _said(self, what: str) -> Iterator[None]:
        """MLflow's failures as ours: what was tried, where, and what to do."""
        import requests
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except (requests.RequestException, SQLAlchemyError, OSError) as error:
            raise TransientError(
                f"MLflow at {self._uri}: {what}: {type(error).__name__}. {self._cure()}"
            ) from None
        except MlflowException as error:
            words = str(error).split("\n")[0]
            if "Max retries exceeded" in words:  # urllib3's words for it are 300 characters long
                words = "no answer"
            if error.error_code in _RIGHTS or re.search(r"\b40[13]\b", words):
                raise PermanentError(
                    f"MLflow at {self._uri} refuses {what}: {words[:300]}. Set "
                    "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD where the lake runs."
                ) from None
            if error.error_code in ("INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE"):
                raise TransientError(
                    f"MLflow at {self._uri}: {what}: {words[:300]}. {self._cure()}"
                ) from None
            raise PermanentError(f"MLflow at {self._uri}: {what}: {words[:300]}") from None

    def _cure(self) -> str:
        return (
            "Does the server run, and does `mlflow` of the environment name it?"
            if self.is_server
            else "Is the disk full, or the folder not ours?"
        )


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Alone on this machine for as long as it lasts; a killed process leaves no lock."""
    fd = os.open(file, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _checked(uri: str, env: str) -> str:
    """The address, which is SQLite or HTTP and holds no credential."""
    parts = urlsplit(uri)
    if "@" in parts.netloc:
        raise PermanentError(
            f"`mlflow` of the environment {env!r} holds a user or password; write "
            f"{parts.scheme}://{parts.netloc.rpartition('@')[2]} and set "
            "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD where the lake runs."
        )
    if parts.scheme not in ("sqlite", "http", "https"):
        raise PermanentError(
            f"`mlflow` of the environment {env!r} is neither a server nor SQLite; write "
            "http(s)://host:port or sqlite:///{home}/mlflow/mlflow.db."
        )
    return uri


def _champion(version: Any) -> Champion:
    tags = version.tags
    # A version that somebody registered by hand and gave the alias has no tags of ours.
    return Champion(
        version=int(version.version),
        partition=tags.get(PARTITION, ""),
        trained_until=tags.get(TRAINED_UNTIL, ""),
        features=json.loads(tags.get(FEATURES, "[]")),
    )


def _short(values: Mapping[str, object]) -> dict[str, str]:
    return {name: str(value)[:_LONGEST] for name, value in values.items()}
