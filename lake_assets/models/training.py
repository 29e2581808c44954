"""One partition of a model: fitted, scored, compared, registered; one MLflow run.

Here: the order of these steps and what each leaves in MLflow, in the lake's row and in the history.
Not here: each step itself (the modules beside this one), reading the examples and publishing the
row (`materialise.py`).
"""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from sklearn.inspection import permutation_importance

from lake_assets.models import plots
from lake_assets.models.examples import Examples, Floats, examples, frame, held_out
from lake_assets.models.fitting import Fitted, fit, pinned, probabilities
from lake_assets.models.registry import (
    CODE,
    DAGSTER_RUN,
    FEATURES,
    PARTITION,
    TRAINED_UNTIL,
    Registry,
    Run,
)
from lake_assets.models.scores import METRICS, Champion, Decision, Score, decide, score
from lake_assets.publish import Link, Markdown, Outcome
from lake_assets.spec.models import ModelSpec
from lake_assets.transform import told
from resources.errors import LakeError

#: Libraries whose version may change a model or its scores.
_LIBRARIES = ("scikit-learn", "numpy", "scipy", "pandas", "joblib", "mlflow")

#: Enough to tell features apart; a shuffle predicts all of them once for each feature.
_IMPORTANCE_ROWS, _SHUFFLES = 2000, 3
_EXAMPLE_ROWS = 5


@dataclass(frozen=True)
class Job:
    """One partition to train. `value` is its key as readers see it in the column `period`.

    `versions` says of each input which partitions were read, and the data version of each;
    `digests` is one short text for that. Values of `personal` columns stand nowhere in MLflow.
    """

    asset: str
    name: str
    spec: ModelSpec
    partition: str
    period: str
    value: str
    table: pa.Table
    function: Callable[..., Any]
    folder: Path
    params: Mapping[str, Any]
    versions: Mapping[str, Mapping[str, str]]
    digests: Mapping[str, str]
    personal: frozenset[str]
    store: str
    code_version: str
    commit: str
    dagster_run: str


@dataclass(frozen=True)
class Compared:
    """What the held-out examples say of the model, the baseline and the present champion."""

    examples: Examples
    values: Mapping[str, Floats]
    scores: Mapping[str, Score]
    present: Champion | None
    decision: Decision


def train(job: Job, registry: Registry, land: Callable[[pa.Table], Outcome]) -> Outcome:
    """Fit, compare, register, publish the row by `land`, and crown.

    Where something fails, or a gate keeps the row out, the MLflow run ends FAILED with the reason
    and no version stays. NotYetError, before there is a run, where examples are too few.
    """
    span = held_out(job.table, job.period, job.value, job.spec.holdout, job.asset)
    run = registry.begin(
        job.asset, job.partition, {DAGSTER_RUN: job.dagster_run, CODE: job.code_version}
    )
    version: int | None = None
    published = False
    try:
        data = examples(job.table, job.spec, job.period, job.asset)
        train_on = data.of(span[0])
        with told(job.asset, job.function, job.folder, personal=bool(job.personal)):
            fitted = fit(job.function, job.spec, train_on, job.params)
        # Two partitions of one model at once: the later one compares with what the other left.
        # Between machines a pool of one does that (`run: {pool: …}`).
        with registry.only(job.name):
            compared = _compare(job, registry, fitted, data.of(span[1]))
            importance = _importance(job.spec, fitted, compared.examples)
            uri = _log(job, registry, run, fitted, compared, span, importance)
            version = registry.register(
                job.name, job.spec.title, run, uri, _tags(job, span), compared.decision.reason
            )
            outcome = land(_row(job, run, version, compared, span))
            published = outcome.published is not None
            if not published:
                registry.unregister(job.name, version)
                registry.fail(run, "; ".join(map(str, outcome.failed_gates)))
                return outcome
            moved = compared.decision.wins and registry.crown(job.name, version, job.partition)
            registry.finish(run, job.partition)
    except BaseException as error:
        if version is not None and not published:
            registry.unregister(job.name, version)
        reason = str(error) if isinstance(error, LakeError) else type(error).__name__
        registry.fail(run, reason, killed=not isinstance(error, Exception))
        raise
    return replace(
        outcome, more=_told(job, registry, run, version, compared, moved, importance, fitted)
    )


def _compare(job: Job, registry: Registry, fitted: Fitted, apart: Examples) -> Compared:
    spec = job.spec
    values = {
        "model": probabilities(fitted.estimator, apart.features),
        "baseline": apart.baseline,
    }
    present = registry.present(job.name, job.partition)
    if present is not None:
        estimator = registry.load(job.name, present.version)
        needed = present.features or list(getattr(estimator, "feature_names_in_", ()))
        if set(needed) <= set(job.table.schema.names):
            features = _features_of(job, apart, needed)
            values["champion"] = probabilities(estimator, features)
    scores = {
        name: score(spec.metric, apart.target, one, apart.periods) for name, one in values.items()
    }
    decision = decide(
        spec.metric,
        scores["model"].overall,
        scores["baseline"].overall,
        present,
        scores["champion"].overall if "champion" in scores else None,
        sorted(apart.periods.unique()),
    )
    return Compared(apart, values, scores, present, decision)


def _features_of(job: Job, apart: Examples, needed: Sequence[str]) -> Any:
    """The same examples with the features that another version was fitted on."""
    if list(needed) == job.spec.features:
        return apart.features
    chosen = np.isin(job.table[job.period].cast(pa.string()).to_pylist(), apart.periods.unique())
    return frame(job.table.filter(pa.array(chosen)), needed, job.asset)


def _importance(spec: ModelSpec, fitted: Fitted, apart: Examples) -> dict[str, float]:
    """How much the score falls when a feature is shuffled, the largest first."""

    def scorer(estimator: Any, features: Any, target: Any) -> float:
        return float(METRICS[spec.metric](target, probabilities(estimator, features)))

    rows = np.arange(len(apart))
    if len(rows) > _IMPORTANCE_ROWS:
        rows = np.sort(np.random.default_rng(spec.seed).choice(rows, _IMPORTANCE_ROWS, False))
    target = apart.target.iloc[rows]
    if target.nunique() < 2:
        return {}
    with pinned(spec):
        found = permutation_importance(
            fitted.estimator,
            apart.features.iloc[rows],
            target,
            scoring=scorer,
            n_repeats=_SHUFFLES,
            random_state=spec.seed,
        )
    drops = zip(spec.features, map(float, found.importances_mean), strict=True)
    return dict(sorted(drops, key=lambda item: -item[1]))


def _log(
    job: Job,
    registry: Registry,
    run: Run,
    fitted: Fitted,
    compared: Compared,
    span: tuple[Sequence[str], Sequence[str]],
    importance: Mapping[str, float],
) -> str:
    """All that the run shall hold; the URI of the model."""
    spec, (trained, apart) = job.spec, span
    for asset, versions in job.versions.items():
        registry.log_input(run, asset, job.digests[asset], versions, job.store)
    registry.log(
        run,
        params={
            "metric": spec.metric,
            "baseline": spec.baseline,
            "target": spec.target,
            "features": ", ".join(spec.features),
            "seed": spec.seed,
            "jobs": spec.jobs,
            "holdout": spec.holdout,
            "trained": f"{trained[0]} to {trained[-1]}",
            "held_out": f"{apart[0]} to {apart[-1]}",
            "fit": spec.fit,
            **{f"param.{name}": value for name, value in job.params.items()},
            **{f"version.{name}": installed(name) for name in _LIBRARIES},
            "version.python": platform.python_version(),
            "git_commit": job.commit,
        },
        metrics={
            **{f"{name}_{spec.metric}": one.overall for name, one in compared.scores.items()},
            "examples_trained": job.table.num_rows - len(compared.examples),
            "examples_held_out": len(compared.examples),
            "positives_held_out": int(compared.examples.target.sum()),
        },
        steps={
            f"{name}_{spec.metric}_by_period": one.by_period
            for name, one in compared.scores.items()
        },
        tags={
            "lake.decision": compared.decision.reason,
            "mlflow.note.content": f"{spec.title} {job.partition}\n\n{compared.decision.reason}",
            **{f"lake.input.{asset}": digest for asset, digest in job.digests.items()},
            **({"lake.warnings": "\n".join(fitted.warnings)} if fitted.warnings else {}),
        },
    )
    registry.log_file(run, "inputs.json", {asset: dict(v) for asset, v in job.versions.items()})
    registry.log_file(run, "estimator.txt", repr(fitted.estimator))
    title = f"{spec.title} {job.partition}"
    target = compared.examples.target
    with plots.drawing():
        pictures = {
            "precision_recall": plots.precision_recall(target, compared.values, title),
            "calibration": plots.calibration(target, compared.values["model"], title),
            **({"importance": plots.importance(importance, title)} if importance else {}),
        }
        for name, figure in pictures.items():
            registry.log_file(run, f"plots/{name}.png", figure)
    rows = compared.examples.features.head(_EXAMPLE_ROWS)
    return registry.log_model(
        run, fitted.estimator, fitted.types, rows, example=not job.personal & set(spec.features)
    )


def _tags(job: Job, span: tuple[Sequence[str], Sequence[str]]) -> dict[str, str]:
    return {
        PARTITION: job.partition,
        TRAINED_UNTIL: span[0][-1],
        FEATURES: json.dumps(job.spec.features),
        CODE: job.code_version,
        DAGSTER_RUN: job.dagster_run,
    }


def _row(
    job: Job,
    run: Run,
    version: int,
    compared: Compared,
    span: tuple[Sequence[str], Sequence[str]],
) -> pa.Table:
    """What the lake keeps, in the columns of `MODEL_COLUMNS`."""
    (trained, apart), scores, present = span, compared.scores, compared.present
    wins = compared.decision.wins
    row = {
        "version": version,
        "champion_version": version if wins else present.version if present else None,
        "promoted": wins,
        "decision": compared.decision.reason,
        "metric": job.spec.metric,
        "score": scores["model"].overall,
        "baseline_score": scores["baseline"].overall,
        "champion_score": scores["champion"].overall if "champion" in scores else None,
        "trained_from": trained[0],
        "trained_until": trained[-1],
        "heldout_from": apart[0],
        "heldout_until": apart[-1],
        "trained_examples": job.table.num_rows - len(compared.examples),
        "heldout_examples": len(compared.examples),
        "heldout_positives": int(compared.examples.target.sum()),
        "run_id": run.run_id,
    }
    schema = pa.schema([(name, kind.parsed.arrow()) for name, kind in job.spec.columns.items()])
    return pa.Table.from_pylist([row], schema=schema)


def _told(
    job: Job,
    registry: Registry,
    run: Run,
    version: int,
    compared: Compared,
    moved: bool,
    importance: Mapping[str, float],
    fitted: Fitted,
) -> dict[str, Any]:
    """What the history shows of the partition besides its row."""
    said = compared.decision.reason
    if compared.decision.wins and not moved:
        said += "; the alias stays with the champion of a later partition"
    command = f"{run.link}  # {job.asset}, run {run.run_id}"
    return {
        "model_version": version,
        "mlflow": Link(run.link) if registry.is_server else command,
        "score": compared.scores["model"].overall,
        "baseline_score": compared.scores["baseline"].overall,
        "decision": said,
        "scores": Markdown(_scores_table(job.spec.metric, compared)),
        "importance": Markdown(_table(("feature", "lost"), importance.items())),
        **({"warnings": "\n".join(fitted.warnings)} if fitted.warnings else {}),
    }


def _scores_table(metric: str, compared: Compared) -> str:
    apart, names = compared.examples, list(compared.scores)
    rows: list[Sequence[object]] = []
    for period in sorted(apart.periods.unique()):
        own = apart.periods == period
        found = [compared.scores[name].by_period.get(period, "") for name in names]
        rows.append((period, int(own.sum()), int(apart.target[own].sum()), *found))
    total = [compared.scores[name].overall for name in names]
    rows.append(("all", len(apart), int(apart.target.sum()), *total))
    return _table((metric, "examples", "1", *names), rows)


def _table(head: Sequence[str], rows: Any) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    for row in rows:
        cells = (f"{cell:.4f}" if isinstance(cell, float) else str(cell) for cell in row)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
