"""A pipeline's own `fit` function, called so that equal data give an equal model.

Here: its arguments by name, the seed, the pinned number of cores, and what it must give back. Not
here: what it is fitted on (`examples.py`) and how good it is (`scores.py`).
"""

from __future__ import annotations

import inspect
import random
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import joblib
import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from lake_assets.models.examples import Examples, Floats
from lake_assets.spec.models import ModelSpec
from resources.errors import PermanentError

#: What a model may be made of, so that any process can load it: nothing of a pipeline's folder.
_HOMES = ("sklearn.", "numpy.", "scipy.")


@dataclass(frozen=True)
class Fitted:
    """A fitted classifier, the types that its loader must trust, and what was warned of."""

    estimator: Any
    types: list[str]
    warnings: list[str]


def fit(
    function: Callable[..., Any], spec: ModelSpec, train: Examples, params: Mapping[str, Any]
) -> Fitted:
    """Call `function` on examples that it may see.

    It gets `features` (a pandas frame), `target` (0 or 1), and those of `seed`, `period` (the
    partition of each example, for cross-validation in time) and the pipeline's parameters that it
    names. joblib's n_jobs, where the function leaves it out, and the threads of BLAS and OpenMP are
    pinned to `jobs` of the file: a worker's other tasks keep their cores.
    """
    known = {
        "features": train.features.copy(),
        "target": train.target.copy(),
        "period": train.periods.copy(),
        "seed": spec.seed,
        **params,
    }
    asked = inspect.signature(function).parameters
    with pinned(spec), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        estimator = function(**{name: known[name] for name in asked})
    said = [f"{one.category.__name__}: {one.message}" for one in caught]
    return Fitted(estimator, _types(estimator, function.__name__), list(dict.fromkeys(said)))


@contextmanager
def pinned(spec: ModelSpec) -> Iterator[None]:
    """The seed where nobody passed one on, and the number of cores; as before afterwards."""
    state, python_state = np.random.get_state(), random.getstate()
    np.random.seed(spec.seed)
    random.seed(spec.seed)
    try:
        with (
            threadpool_limits(limits=spec.jobs),
            joblib.parallel_config("threading", n_jobs=spec.jobs),
        ):
            yield
    finally:
        np.random.set_state(state)
        random.setstate(python_state)


def probabilities(estimator: Any, features: pd.DataFrame) -> Floats:
    """The probability of 1 for each row, in the order of the rows."""
    if features.empty:
        return np.empty(0)
    column = list(estimator.classes_).index(1)
    try:
        found: Floats = np.asarray(estimator.predict_proba(features), dtype=np.float64)[:, column]
    except Exception as error:
        # Its words may quote a value, such as a category that was not there before.
        raise PermanentError(
            f"The model cannot score {len(features):,} rows: {type(error).__name__}. Other months "
            "have NULL and new categories: fill and ignore them in `fit` (SimpleImputer, "
            "OneHotEncoder(handle_unknown='ignore'))."
        ) from error
    return found


def _types(estimator: Any, name: str) -> list[str]:
    """What stands in the model besides what skops trusts by itself."""
    import skops.io

    if not hasattr(estimator, "predict_proba") or 1 not in getattr(estimator, "classes_", ()):
        raise PermanentError(
            f"{name} must return a fitted scikit-learn classifier with predict_proba that has seen "
            f"0 and 1; it returned {type(estimator).__name__}."
        )
    types: list[str] = skops.io.get_untrusted_types(data=skops.io.dumps(estimator))
    own = [one for one in types if not one.startswith(_HOMES)]
    if own:
        raise PermanentError(
            f"{name} returns a model with parts that only this pipeline's folder has: "
            f"{', '.join(own)}. It is loaded elsewhere too: use scikit-learn's own parts, and "
            "compute columns in the SQL of a dataset that the model reads."
        )
    return types
