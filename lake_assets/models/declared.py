"""What a file may declare of a model and of a prediction, known without reading data.

Here: rules that need the files alone, as in `consistency.py`, which calls them at every process
start: no library of models is imported. Not here: the SQL of the examples (`validate.py`).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from lake_assets.spec.datasets import DatasetSpec
from lake_assets.spec.models import ModelSpec
from resources.yamlfile import Mistake, nearest

if TYPE_CHECKING:
    from lake_assets.pipeline import Asset, Input

#: What `fit` may ask for besides the pipeline's parameters.
FIT_NAMES = ("features", "target", "period", "seed")
_NEEDED = ("features", "target")


def check_model(asset: Asset, spec: ModelSpec) -> Iterator[Mistake]:
    """Its partitions, its names, and whether anything is left to fit on."""
    if asset.partitions is None or asset.partitions.cadence is None or asset.partitions.named:
        cure = "give partitions: {monthly: {start: …}}"
        yield asset.mistake((), "a model has partitions of time: it learns from earlier ones", cure)
    window = max(one.to - one.from_ for one in spec.inputs.values()) + 1
    if spec.holdout >= window:
        what = f"holdout: {spec.holdout} of {window} partitions are held out, none is fitted on"
        yield asset.mistake(("holdout",), what, "hold out fewer, or read more (`from`)")
    for name in asset.pipeline.spec.params:
        if name in FIT_NAMES:
            what = f"params: {name!r} is what fit gets besides parameters"
            yield asset.pipeline.file.mistake(("params", name), what, "give it another name")


def check_fit(asset: Asset, path: str, function: ast.FunctionDef) -> Iterator[Mistake]:
    """Arguments of `fit` are given by name."""
    named = [*function.args.args, *function.args.kwonlyargs]
    known = [*FIT_NAMES, *asset.pipeline.spec.params]
    starred = [function.args.vararg, function.args.kwarg, *function.args.posonlyargs]
    for argument in filter(None, starred):
        what = f"{function.name}: {argument.arg!r} cannot be given by name"
        yield Mistake(path, argument.lineno, what, "write each argument out, without *, ** and /")
    for argument in named:
        if argument.arg not in known:
            what = f"{function.name}: fit gets no {argument.arg!r}"
            yield Mistake(path, argument.lineno, what, nearest(argument.arg, known))
    for name in _NEEDED:
        if name not in [argument.arg for argument in named]:
            what = f"{function.name}: {name!r} is no argument"
            yield Mistake(path, function.lineno, what, "fit(features, target, *, seed)")


def check_predict(
    asset: Asset, spec: DatasetSpec, by_key: Mapping[str, Input]
) -> Iterator[Mistake]:
    """The two inputs of a prediction, the features that the model needs, the columns it gives."""
    predict, inputs = spec.predict, asset.inputs
    assert predict is not None
    for role, alias in (("model", predict.model), ("rows", predict.rows)):
        place = ("predict", role)
        if alias not in inputs:
            what = f"predict.{role}: there is no input {alias!r}"
            yield asset.mistake(place, what, nearest(alias, inputs))
        elif (role == "model") != inputs[alias].startswith("model/"):
            kind = "a model" if role == "model" else "rows to be scored"
            what = f"predict.{role}: {inputs[alias]} is not {kind}"
            yield asset.mistake(place, what, "inputs: {feature: prep/…, model: model/…}")
        elif inputs[alias] in spec.offsets:
            what = f"predict.{role}: {alias} is read of the same partition"
            yield asset.mistake(("inputs", alias), what, f"write {inputs[alias]} alone")
    for alias in inputs:
        if alias not in (predict.model, predict.rows):
            what = f"the input {alias!r} is not read"
            yield asset.mistake(("inputs", alias), what, "take it out, or join it in a dataset")
    if asset.partitions is None:
        yield asset.mistake((), "is scored by a model's partition, so it needs partitions")
    made = {"score": ("float64", "float32"), "version": ("int64", "int32")}
    for role, types in made.items():
        column = getattr(predict, role)
        if column is not None and column not in spec.columns:
            what = f"predict.{role}: there is no column {column!r}"
            yield asset.mistake(("predict", role), what, nearest(column, spec.columns))
        elif column is not None and spec.columns[column].type not in types:
            what = f"{column} is the model's {role}, not {spec.columns[column].type}"
            yield asset.mistake(("columns", column), what, f"allowed: {', '.join(types)}")
    yield from _check_rows(asset, spec, by_key)


def _check_rows(asset: Asset, spec: DatasetSpec, by_key: Mapping[str, Input]) -> Iterator[Mistake]:
    predict = spec.predict
    assert predict is not None
    rows = by_key.get(asset.inputs.get(predict.rows, ""))
    model = by_key.get(asset.inputs.get(predict.model, ""))
    if rows is None:
        return
    for name, column in spec.columns.items():
        if name in (predict.score, predict.version):
            continue
        if name not in rows.columns:
            what = f"{rows.key} has no column {name!r} to keep"
            yield asset.mistake(("columns", name), what, nearest(name, rows.columns))
        elif column.type != rows.columns[name].type:
            what = f"{name} is {rows.columns[name].type} in {rows.key}, declared {column.type}"
            yield asset.mistake(("columns", name), what, f"write {rows.columns[name].type}")
    if model is not None and isinstance(model.spec, ModelSpec):
        for name in model.spec.features:
            if name not in rows.columns:
                what = f"{rows.key} has no {name!r}, a feature of {model.key}"
                cure = "compute it there, so that what is fitted and what is scored are the same"
                yield asset.mistake(("predict", "rows"), what, cure)
