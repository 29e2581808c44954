"""Rows of a partition with the score of a model, batch by batch.

Here: the exact version that a model's partition names as its champion, loaded and asked. Not here:
which rows, and publishing them (`materialise.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from lake_assets.models.examples import frame
from lake_assets.models.fitting import probabilities
from lake_assets.models.registry import Registry
from lake_assets.spec.datasets import Predict
from resources.errors import NotYetError, PermanentError


@dataclass(frozen=True)
class Scorer:
    """One version of a model, ready to score rows."""

    asset: str
    model: str
    version: int
    estimator: object
    features: list[str]

    def batches(
        self, batches: Iterable[pa.RecordBatch], predict: Predict, schema: pa.Schema
    ) -> Iterator[pa.RecordBatch]:
        """The rows in the columns of `schema`: what they have, their score, the version."""
        for batch in batches:
            scores = probabilities(self.estimator, frame(batch, self.features, self.asset))
            made = {
                predict.score: pa.array(scores),
                predict.version: pa.array(np.full(batch.num_rows, self.version)),
            }
            columns = [
                made[field.name].cast(field.type)
                if field.name in made
                else batch.column(field.name)
                for field in schema
            ]
            yield pa.RecordBatch.from_arrays(columns, schema=schema)


def champion_of(asset: str, model: str, row: pa.Table, key: str, registry: Registry) -> Scorer:
    """The champion that the partition `key` of `model` names in its `row`."""
    found = row["champion_version"].to_pylist()
    version = found[0] if found else None
    if version is None:
        raise NotYetError(
            f"{asset}: {model} has no champion in {key}: {row['decision'][0].as_py()}. "
            "`lake models` shows the others."
        )
    estimator = registry.load(model.split("/")[1], version)
    features = list(getattr(estimator, "feature_names_in_", ()))
    if not features:
        raise PermanentError(
            f"{asset}: version {version} of {model} does not say which columns it was fitted on; "
            "fit it on the frame that `fit` gets."
        )
    return Scorer(asset, model, version, estimator, features)
