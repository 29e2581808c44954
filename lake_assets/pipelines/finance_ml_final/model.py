"""입금 지연 예측 모델: 범주를 나누고, 부스팅 트리의 크기를 시간 순서의 교차 검증으로 고릅니다.

Here: `fit`, a pure function from examples to a fitted scikit-learn pipeline. Not here: which
examples, what is held out, scoring and MLflow; that is the same for every model.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

CATEGORIES = ["segment", "region"]
GRID = {
    "boosting__learning_rate": [0.03, 0.06],
    "boosting__max_leaf_nodes": [7, 15],
}
#: 마지막 몇 달을 차례로, 그 앞의 달들로 맞춘 모델로 평가합니다.
FOLDS = 3


def fit(
    features: pd.DataFrame, target: pd.Series, *, period: pd.Series, seed: int, rounds: int
) -> Pipeline:
    """사례로 맞춘 파이프라인. 숫자의 빈 값은 트리가 그대로 다룹니다."""
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", min_frequency=20, sparse_output=False), CATEGORIES),
        remainder="passthrough",
    )
    boosting = HistGradientBoostingClassifier(
        max_iter=rounds, l2_regularization=1.0, min_samples_leaf=30, random_state=seed
    )
    model = Pipeline([("columns", columns), ("boosting", boosting)])
    folds = list(by_time(period))
    if not folds:  # 첫 달들: 나누어 볼 만큼의 달이 없습니다.
        return model.fit(features, target)
    search = GridSearchCV(model, GRID, scoring="average_precision", cv=folds)
    best: Pipeline = search.fit(features, target).best_estimator_
    return best


def by_time(period: pd.Series) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """앞의 달들과 그다음 한 달: 나중 것을 아는 모델은 없습니다. 적어도 세 달로 맞춥니다."""
    months = sorted(period.unique())
    for month in months[max(3, len(months) - FOLDS) :]:
        yield np.flatnonzero(period < month), np.flatnonzero(period == month)
