"""Scores, the decision who is champion, and examples as scikit-learn takes them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from lake_assets.models.examples import examples, frame, held_out
from lake_assets.models.scores import Champion, decide, score
from lake_assets.spec.models import ModelSpec
from resources.errors import LakeError, NotYetError, PermanentError

SPEC = ModelSpec.model_validate(
    {
        "title": "연체",
        "inputs": {"a": {"asset": "prep/a", "from": -6, "to": -1}},
        "examples": "SELECT 1",
        "features": ["n", "t"],
        "target": "late",
        "holdout": 2,
        "fit": "model.py:fit",
        "metric": "average_precision",
        "baseline": "usual",
        "seed": 1,
    }
)
HELD_OUT = ["2025-03", "2025-04"]


def champion(trained_until: str, version: int = 3) -> Champion:
    return Champion(version, "2025-04", trained_until, ["n", "t"])


@pytest.mark.parametrize(
    ("challenger", "baseline", "present", "its_score", "wins", "why"),
    [
        (0.7, 0.6, None, None, True, "0.7000 beats the baseline's 0.6000; there was no champion"),
        (0.6, 0.6, None, None, False, "does not beat the baseline's 0.6000"),
        (0.5, 0.6, champion("2025-02"), 0.4, False, "does not beat the baseline"),
        (0.7, 0.6, champion("2025-02"), 0.65, True, "beats version 3 of 2025-04 with 0.6500"),
        (0.7, 0.6, champion("2025-02"), 0.7, False, "equals version 3 of 2025-04 with 0.7000"),
        (0.7, 0.6, champion("2025-02"), 0.75, False, "does not beat version 3 of 2025-04"),
        # It has seen a held-out month, so its score there says nothing, good or bad.
        (0.9, 0.6, champion("2025-03"), 0.1, False, "it was trained until 2025-03 and has seen"),
        (0.7, 0.6, champion("2025-02"), None, True, "needs features that are gone"),
    ],
)
def test_who_is_champion(
    challenger: float,
    baseline: float,
    present: Champion | None,
    its_score: float | None,
    wins: bool,
    why: str,
) -> None:
    found = decide("average_precision", challenger, baseline, present, its_score, HELD_OUT)
    assert found.wins is wins
    assert why in found.reason


def test_scores_worked_by_hand() -> None:
    target = np.array([1, 0, 1, 0, 0])
    values = np.array([0.9, 0.8, 0.7, 0.6, 0.1])
    periods = pd.Series(["a", "a", "b", "b", "c"])
    found = score("average_precision", target, values, periods)
    # Precision at the first hit is 1 of 1, at the second 2 of 3; each is half of the hits.
    assert found.overall == pytest.approx((1 + 2 / 3) / 2)
    assert found.by_period == {"a": 1.0, "b": 1.0}  # c has no late one, so nothing to tell
    # Of the six pairs of a late and another, five are in order.
    assert score("roc_auc", target, values, periods).overall == pytest.approx(5 / 6)
    with pytest.raises(PermanentError, match="none is 1"):
        score("roc_auc", np.zeros(5), values, periods)


def table(**changes: list[Any]) -> pa.Table:
    columns: dict[str, Any] = {
        "ym": ["2025-01", "2025-02", "2025-03", "2025-04"],
        "n": [Decimal("1.50"), None, Decimal("3.25"), Decimal("4.00")],
        "t": ["서울", None, "부산", "서울"],
        "late": [True, False, True, False],
        "usual": [0.1, 0.2, 0.3, 0.4],
    }
    return pa.table({**columns, **changes})


def test_what_a_model_sees() -> None:
    found = examples(table(), SPEC, "ym", "model/x")
    assert found.features["n"].dtype == np.float64
    assert found.features["n"].tolist()[::2] == [1.5, 3.25]
    assert np.isnan(found.features["n"][1])
    assert found.features["t"].tolist() == ["서울", None, "부산", "서울"]
    assert found.target.tolist() == [1, 0, 1, 0]
    assert found.of(["2025-02", "2025-04"]).target.tolist() == [0, 0]
    # A batch without NULL has the same types as one with, so scores do not depend on the batch.
    one = frame(table().slice(0, 1), ["n", "t"], "model/x")
    assert list(one.dtypes) == list(found.features.dtypes)
    assert frame(table().slice(0, 0), ["n", "t"], "model/x").empty


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"late": [True, None, True, False]}, "have no late in 1 of 4 rows"),
        ({"usual": [0.1, None, None, 0.4]}, "have no usual in 2 of 4 rows"),
        ({"late": [1, 2, 0, 1]}, "the target late is not everywhere 0 or 1"),
        ({"n": pa.array([1, 2, 3, 4], pa.date32())}, "the feature n is date32"),
    ],
)
def test_examples_that_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(PermanentError) as caught:
        examples(table(**changes), SPEC, "ym", "model/x")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("before", "count", "error", "words"),
    [
        ("2025-05", 4, NotYetError, "it needs examples of 5; there are 4 (2025-01 to 2025-04)"),
        ("2025-04", 2, PermanentError, "examples of partition 2025-04 have rows of 2025-04"),
        ("2025-02", 2, PermanentError, "have rows of 2025-02, 2025-03, 2025-04"),
    ],
)
def test_partitions_that_cannot_be_cut(
    before: str, count: int, error: type[LakeError], words: str
) -> None:
    with pytest.raises(error) as caught:
        held_out(table(), "ym", before, count, "model/x")
    assert words in str(caught.value)


def test_the_last_partitions_are_held_out() -> None:
    found = held_out(table(), "ym", "2025-05", 1, "model/x")
    assert found == (["2025-01", "2025-02", "2025-03"], ["2025-04"])
