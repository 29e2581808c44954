"""The columns of a dataset's steps against those that it declares, told at the line of the step.

Here: what `lake validate`, and a run before it reads rows, find on empty frames. Not here: the
columns after each step (`steps.schemas`), and rows that do not fit (`transform.fitted`).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import narwhals.stable.v2 as nw
import pyarrow as pa

from lake_assets.pipeline import Asset
from lake_assets.preps import Step
from lake_assets.preps.selectors import NoColumn
from lake_assets.step_names import catalogue
from lake_assets.step_names import meant as steps_near
from lake_assets.step_params import in_yaml, required
from lake_assets.steps import StepError, after, start_schema, words_in
from resources.frames import lake_type
from resources.types import SIMPLE, ColumnType, parse_type
from resources.yamlfile import Mistake, Place, nearest

#: What a declared column may be called (`words.ColumnName`).
_COLUMN = r"[a-z_][a-z0-9_]*"

#: Digits of the largest whole number of a type.
_DIGITS = {"int8": 3, "int16": 5, "int32": 10, "int64": 19}

#: What there is and what is declared → the step that makes one of the other.
_BETWEEN = {
    ("int", "float"): "integer_to_real",
    ("float", "int"): "real_to_integer",
    ("decimal", "int"): "real_to_integer",
    ("string", "float"): "parse_number",
    ("string", "date"): "nominal_to_date",
    ("string", "timestamp"): "nominal_to_date",
    ("date", "string"): "date_to_nominal",
    ("timestamp", "string"): "date_to_nominal",
    ("date", "int"): "date_to_numeric",
    ("timestamp", "int"): "date_to_numeric",
    ("int", "string"): "numeric_to_polynominal",
    ("float", "string"): "numeric_to_polynominal",
    ("decimal", "string"): "numeric_to_polynominal",
    ("int", "timestamptz"): "numeric_to_date",
    ("int", "boolean"): "numeric_to_binominal",
}


#: Steps that leave the columns as they are, whatever is wrong with their parameters.
_KEEP = {*("filter_examples", "sample", "sort", "shuffle", "trim", "substring", "merge", "null")}


def check(
    asset: Asset,
    steps: Sequence[Step],
    start: pa.Schema,
    faulty: Mapping[int, Collection[str]] = {},
) -> Iterator[Mistake]:
    """What columns have against the steps: those before each of them, those declared at the end.

    `faulty` are the numbers of steps that are wrong already, with the parameters that are. After a
    step that is wrong the columns are those that it would have if what is most likely meant stood
    there. Only columns that are not there are told then, unless the wrong step names them; where
    nothing is meant, nothing is told.
    """
    found, certain = [start_schema(start)], True
    unsure: set[str] = set()
    for number, step in enumerate(steps, 1):
        right = {n: one for n, one in step.params.items() if n not in faulty.get(number, ())}
        meant: Step | None = Step(step.name, right)
        if number not in faulty:
            try:
                found.append(after(number, step, found[-1]))
                continue
            except StepError as error:
                absent = error.error.near.keys() if isinstance(error.error, NoColumn) else set()
                if certain or (absent and not absent & unsure):
                    yield asset.mistake(error.place, _told(error, steps, found))
                meant = _corrected(step, error.error)
        elif step.name not in catalogue() or not step.prep.step:
            name = steps_near(step.name, _SURELY)
            meant = Step(name, step.params) if name else None
        if step.name in _KEEP:
            found.append(found[-1])
            continue
        certain = False
        unsure.update(words_in(step.params))
        if meant is None or any(name not in meant.params for name in required(meant.prep)):
            return
        try:
            found.append(after(number, meant, found[-1]))
        except StepError:
            return
    if certain:
        yield from _declared(asset, steps, found)


#: How near a name must be to be taken for the one that is meant.
_SURELY = 0.85


def _corrected(step: Step, error: Exception) -> Step | None:
    """The step with the columns that are meant; None where that cannot be told."""
    if not isinstance(error, NoColumn) or None in error.near.values():
        return None

    def right(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {right(key): right(one) for key, one in value.items()}
        if isinstance(value, list):
            return [right(one) for one in value]
        return error.near.get(value, value) if isinstance(value, str) else value

    return Step(step.name, right(step.params))


def _told(error: StepError, steps: Sequence[Step], found: Sequence[nw.Schema]) -> str:
    """The error's words; of a column that was there, until which step."""
    if not isinstance(error.error, NoColumn):
        return error.what
    gone = {}
    for name in error.error.near:
        number = max((n for n, schema in enumerate(found, 1) if name in schema), default=None)
        if number is not None:
            gone[name] = f"step {number}, {steps[number - 1].name}, took it out"
    return f"step {error.number}, {error.error.told(gone)}"


def _declared(asset: Asset, steps: Sequence[Step], found: Sequence[nw.Schema]) -> Iterator[Mistake]:
    """The columns after the last step against those that are declared."""
    given = {name: _type_name(type_) for name, type_ in _arrow(found[-1]).items()}
    for name, type_ in given.items():
        if name not in asset.types:
            yield _undeclared(asset, steps, found, name)
        elif type_ is None:
            what = f"the lake has no type for {name!r} as the steps give it, {found[-1][name]}"
            yield asset.mistake(("columns", name), what, f"declared is {asset.types[name].name}")
        elif not _keeps(parse_type(type_), asset.types[name]):
            what = f"the steps give {name!r} as {type_}, declared is {asset.types[name].name}"
            between = _BETWEEN.get((_kind(parse_type(type_)), _kind(asset.types[name])))
            cure = f"declare {type_}" + (f", or add the step {between}" if between else "")
            yield asset.mistake(("columns", name, "type"), what, cure)
    for name in asset.types:
        if name not in given:
            what = f"the steps give no column {name!r}"
            yield asset.mistake(("columns", name), what, nearest(name, given))


def _undeclared(
    asset: Asset, steps: Sequence[Step], found: Sequence[nw.Schema], name: str
) -> Mistake:
    if re.fullmatch(_COLUMN, name):
        out = f"`- remove_attributes: {{columns: [{name}]}}`"
        cure = f"declare it under `columns`, or take it out: {out}"
    else:
        new = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "new_name"
        cure = f"name it in lower-case letters: `- rename: {{mapping: {{{in_yaml(name)}: {new}}}}}`"
    # The last step before which it was not there.
    made = next((n for n in range(len(steps), 0, -1) if name not in found[n - 1]), 0)
    if not made:
        what = f"the column {name!r} is there after the steps, and not declared"
        return asset.mistake(("steps",), what, cure)
    step = steps[made - 1]
    what = f"step {made}, {step.name}: makes the undeclared column {name!r}"
    place: Place = ("steps", made - 1, step.name)
    return asset.mistake(place, what, cure)


def _arrow(schema: nw.Schema) -> dict[str, pa.DataType | None]:
    return {field.name: lake_type(field.type) for field in schema.to_arrow()}


def _type_name(type_: pa.DataType | None) -> str | None:
    """The lake's word for one of its types in Arrow."""
    if type_ is None:
        return None
    names = {ColumnType(name).arrow(): name for name in SIMPLE}
    return names.get(type_) or f"decimal({type_.precision},{type_.scale})"


def _kind(type_: ColumnType) -> str:
    if type_.is_decimal:
        return "decimal"
    return type_.name.rstrip("0123456789")


def _keeps(have: ColumnType, want: ColumnType) -> bool:
    """Whether values of one type may be ones of another; that each fits is seen row by row."""
    kinds = (_kind(have), _kind(want))
    return have == want or kinds[0] == kinds[1] != "decimal" or _widens(have, want)


def _widens(have: ColumnType, want: ColumnType) -> bool:
    """Numbers in a decimal that has room for them."""
    if not want.is_decimal:
        return False
    room = want.precision - want.scale
    if have.is_decimal:
        return have.precision - have.scale <= room and have.scale <= want.scale
    return _DIGITS.get(have.name, 39) <= room
