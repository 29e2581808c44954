"""A model: what it is fitted on, compared by, and what the lake keeps of a partition of it.

Not here: fitting and comparing (`lake_assets/models/`).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    ValidationInfo,
    field_validator,
)

from lake_assets.spec.assets import Earlier, Made, Offset
from lake_assets.spec.columns import Columns, ColumnSpec
from lake_assets.words import (
    ColumnName,
    Match,
    Name,
    Text,
)


class Before(Earlier):
    """An input of a model: partitions before the model's own, which it must not know."""

    to: Offset = Field(description="-1: to the partition before, and no later")

    @field_validator("to")
    @classmethod
    def _before(cls, value: int) -> int:
        if value > -1:
            raise ValueError("a model reads earlier partitions only: -1 is the one before")
        return value


def _with_months(value: Any) -> Any:
    if isinstance(value, str):
        raise ValueError(
            f"say which earlier partitions a model reads: {{asset: {value}, from: -12, to: -1}}"
        )
    return value


class ModelSpec(Made):
    """A model, model/<name>: fitted, scored on held-out partitions, registered in MLflow.

    A partition is trained on examples of earlier partitions only. The last `holdout` of them are
    never fitted on; on them it is compared with the baseline and with the present champion.
    """

    inputs: dict[
        Name, Annotated[Before, BeforeValidator(_with_months, json_schema_input_type=Before)]
    ] = Field(
        min_length=1, description="earlier partitions: {fact: {asset: prep/x, from: -12, to: -1}}"
    )
    examples: Text = Field(
        description="a SELECT over the inputs, one row an example, with the partition it is of "
        "(ym, dt …), the features, the target and the baseline"
    )
    features: list[ColumnName] = Field(
        min_length=1, description="columns of the examples: numbers, text, true or false"
    )
    target: ColumnName = Field(description="what is predicted: true or false, 1 or 0")
    holdout: Annotated[int, Field(ge=1, le=1000)] = Field(
        description="how many of the last partitions are held out to score on"
    )
    fit: Annotated[
        str, Match(r"[a-z_][a-z0-9_]*\.py:[A-Za-z_]\w*", "write it as model.py:function")
    ] = Field(
        description="model.py:function in the pipeline's folder: (features, target, seed, …) to a "
        "fitted scikit-learn classifier"
    )
    metric: Literal["average_precision", "roc_auc"] = Field(description="larger is better")
    baseline: ColumnName = Field(
        description="a column of the examples that is to be beaten, as if it were the score"
    )
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = Field(
        description="of all that is random: equal data give an equal model"
    )
    jobs: Annotated[int, Field(ge=1, le=64)] = Field(
        1, description="cores that fitting takes (joblib's n_jobs, which is pinned to it)"
    )

    @field_validator("features")
    @classmethod
    def _once(cls, value: list[str]) -> list[str]:
        if len(set(value)) < len(value):
            twice = next(name for name in value if value.count(name) > 1)
            raise ValueError(f"{twice} stands here twice")
        return value

    @field_validator("target")
    @classmethod
    def _no_feature(cls, value: str, info: ValidationInfo) -> str:
        if value in info.data.get("features", ()):
            raise ValueError("what is predicted cannot be a feature")
        return value

    @property
    def columns(self) -> Columns:
        """What the lake keeps of each partition, one row."""
        return MODEL_COLUMNS

    @property
    def order_by(self) -> list[str]:
        return []

    @property
    def named_inputs(self) -> dict[str, str]:
        return {alias: one.asset for alias, one in self.inputs.items()}

    @property
    def offsets(self) -> dict[str, tuple[int, int]]:
        return {one.asset: (one.from_, one.to) for one in self.inputs.values()}


def _kept(title: str, type_: str, nullable: bool = False) -> ColumnSpec:
    return ColumnSpec(title=title, type=type_, nullable=nullable)


#: The row of a model's partition. `champion_version` scores that partition: the best of it and of
#: those before, never one that was trained later.
MODEL_COLUMNS: Columns = {
    "version": _kept("모델 버전", "int64"),
    "champion_version": _kept("이 파티션의 챔피언 버전", "int64", nullable=True),
    "promoted": _kept("새 챔피언인지", "boolean"),
    "decision": _kept("판정 이유", "string"),
    "metric": _kept("지표", "string"),
    "score": _kept("점수", "float64"),
    "baseline_score": _kept("기준선 점수", "float64"),
    "champion_score": _kept("이전 챔피언 점수", "float64", nullable=True),
    "trained_from": _kept("학습 시작", "string"),
    "trained_until": _kept("학습 끝", "string"),
    "heldout_from": _kept("평가 시작", "string"),
    "heldout_until": _kept("평가 끝", "string"),
    "trained_examples": _kept("학습 사례 수", "int64"),
    "heldout_examples": _kept("평가 사례 수", "int64"),
    "heldout_positives": _kept("평가 사례 중 해당 수", "int64"),
    "run_id": _kept("MLflow 실행", "string"),
}
