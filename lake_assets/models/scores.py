"""How good a model is on held-out examples, and who becomes champion by that.

Here: pure functions from numbers to scores and to a decision with its reason. Not here: where the
present champion is kept (`registry.py`) and what is drawn (`plots.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score, roc_auc_score

from lake_assets.models.examples import Floats
from resources.errors import PermanentError

METRICS = {"average_precision": average_precision_score, "roc_auc": roc_auc_score}


@dataclass(frozen=True)
class Score:
    """One number for all held-out examples, and one for each partition that has both classes."""

    overall: float
    by_period: Mapping[str, float]


def score(metric: str, target: Any, values: Floats, periods: pd.Series) -> Score:
    """How well `values` rank the examples that are 1 before those that are 0."""
    truth = np.asarray(target)
    if len(set(truth.tolist())) < 2:
        only = "none is" if not truth.any() else "all are"
        raise PermanentError(
            f"No score can be told on {periods.min()} to {periods.max()}: of {len(truth):,} "
            f"held-out examples {only} 1. Hold out more partitions (`holdout`), or correct the "
            "target."
        )
    by_period = {}
    for period in sorted(periods.unique()):
        own = (periods == period).to_numpy()
        if len(set(truth[own].tolist())) == 2:
            by_period[period] = float(METRICS[metric](truth[own], values[own]))
    return Score(float(METRICS[metric](truth, values)), by_period)


@dataclass(frozen=True)
class Champion:
    """A version of the registry that won in its partition, and what it was fitted on."""

    version: int
    partition: str
    trained_until: str
    features: Sequence[str]


@dataclass(frozen=True)
class Decision:
    """Whether the challenger is the champion of its partition, and why."""

    wins: bool
    reason: str


def decide(
    metric: str,
    challenger: float,
    baseline: float,
    present: Champion | None,
    present_score: float | None,
    held_out: Sequence[str],
) -> Decision:
    """Better than the baseline and than the present champion, or nothing changes.

    `present` is the champion of this partition or the newest one before it; `present_score` is its
    own on the same examples, None where it cannot be scored on them any more.
    """
    mine, span = f"{metric} {challenger:.4f}", f"{held_out[0]} to {held_out[-1]}"
    if not challenger > baseline:
        return Decision(False, f"{mine} does not beat the baseline's {baseline:.4f} on {span}")
    if present is None:
        return Decision(True, f"{mine} beats the baseline's {baseline:.4f}; there was no champion")
    name = f"version {present.version} of {present.partition}"
    if present.trained_until >= held_out[0]:
        return Decision(
            False,
            f"{name} stays: it was trained until {present.trained_until} and has seen examples of "
            f"{span}, so they cannot be compared",
        )
    if present_score is None:
        return Decision(True, f"{mine} beats the baseline; {name} needs features that are gone")
    if challenger > present_score:
        return Decision(True, f"{mine} beats {name} with {present_score:.4f} on {span}")
    word = "equals" if challenger == present_score else "does not beat"
    return Decision(False, f"{mine} {word} {name} with {present_score:.4f} on {span}")
