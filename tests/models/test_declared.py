"""Mistakes in the declaration of a model or a prediction, told at their line."""

from __future__ import annotations

from pathlib import Path

import pytest

from lake_assets.validate import validate_folders
from tests.models.lake import MODEL, PIPELINE, write
from tests.pipeline_files import changed, line_of

#: What is changed in the pipeline file → words of the mistake, and words of its line.
MISTAKES = [
    (
        (
            "outcome: {asset: prep/outcome, from: -6, to: -1}",
            "outcome: {asset: prep/outcome, from: -6, to: 0}",
        ),
        "a model reads earlier partitions only: -1 is the one before",
        "outcome: {asset",
    ),
    (
        (
            "outcome: {asset: prep/outcome, from: -6, to: -1}",
            "outcome: {asset: prep/outcome, from: -6}",
        ),
        "the key 'to' is missing",
        "outcome: {asset",
    ),
    (
        ("outcome: {asset: prep/outcome, from: -6, to: -1}", "outcome: prep/outcome"),
        "say which earlier partitions a model reads: {asset: prep/outcome, from: -12, to: -1}",
        "outcome: prep/outcome",
    ),
    (
        ("target: late\n", "target: region\n"),
        "what is predicted cannot be a feature",
        "target: region",
    ),
    (
        ("target: late\n", "target: lat\n"),
        "target: the examples have no column 'lat'",
        "target: lat",
    ),
    (
        ("[region, late_share, worst, amount]", "[region, wurst]"),
        "no column 'wurst'; did you mean 'worst'?",
        "wurst",
    ),
    (
        ("[region, late_share, worst, amount]", "[region, region]"),
        "region stands here twice",
        "region, region",
    ),
    (
        ("holdout: 2", "holdout: 6"),
        "6 of 6 partitions are held out, none is fitted on",
        "holdout: 6",
    ),
    (("fit: model.py:fit", "fit: model.py:train"), "has no function 'train'", "model.py:train"),
    (("fit: model.py:fit", "fit: modle.py:fit"), "did you mean 'model.py'?", "modle.py"),
    (("metric: average_precision", "metric: accuracy"), "average_precision", "metric: accuracy"),
    (
        ("SELECT ym, customer, region,", "SELECT customer, region,"),
        "examples: gives no column 'ym'",
        "examples:",
    ),
    (
        ("baseline: late_share", "baseline: customer"),
        "baseline: customer is string",
        "baseline: customer",
    ),
    (
        ("model: model, rows", "model: feature, rows"),
        "predict.model: prep/feature is not a model",
        "predict:",
    ),
    (("rows: feature,", "rows: features,"), "there is no input 'features'", "predict:"),
    (
        ("model: model/late}", "model: model/late, other: prep/outcome}"),
        "the input 'other' is not read",
        "other:",
    ),
    (
        ("probability: {type: float64", "probability: {type: string"),
        "probability is the model's score, not string",
        "probability: {type",
    ),
    (
        ("predict: {model", "sql: SELECT 1\n    predict: {model"),
        "give either sql or transform or predict",
        "late_score:",
    ),
    (
        ("      worst: int32\n", ""),
        "prep/feature has no 'worst', a feature of model/late",
        "predict:",
    ),
]


@pytest.mark.parametrize(
    ("change", "words", "line"), MISTAKES, ids=[one[1][:40] for one in MISTAKES]
)
def test_a_mistake_is_told_at_its_line(
    tmp_path: Path, change: tuple[str, str], words: str, line: str
) -> None:
    text = changed(change, text=PIPELINE)
    write(tmp_path, text)
    found = validate_folders([tmp_path / "pipelines"])
    told = [f"{one.line}: {one.what} {one.cure}" for one in found]
    right = [one for one in found if words in f"{one.what}; {one.cure}"]
    assert right, told
    if text.count(line) == 1:
        assert line_of(text, line) in [one.line for one in right], told


def test_the_file_as_it_is_has_no_mistake(tmp_path: Path) -> None:
    write(tmp_path)
    assert validate_folders([tmp_path / "pipelines"]) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("seed: int", "sead: int"), "fit gets no 'sead'; did you mean 'seed'?"),
        (("target: pd.Series, *", "*"), "'target' is no argument"),
        (("skill: float", "**skill: float"), "'skill' cannot be given by name"),
    ],
)
def test_arguments_of_fit(tmp_path: Path, change: tuple[str, str], words: str) -> None:
    write(tmp_path, model=changed(change, text=MODEL))
    told = [f"{one.what}; {one.cure}" for one in validate_folders([tmp_path / "pipelines"])]
    assert any(words in one for one in told), told


def test_an_input_without_time_is_refused(tmp_path: Path) -> None:
    text = changed(
        ("  outcome:\n    title: 결과\n", "  outcome:\n    title: 결과\n    partitions: none\n"),
        text=PIPELINE,
    )
    write(tmp_path, text)
    told = [one.what for one in validate_folders([tmp_path / "pipelines"])]
    assert any("prep/outcome has none, so it may know what came later" in one for one in told)
