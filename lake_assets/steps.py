"""The steps of a dataset: what a file may say of them, and which columns there are after each.

Here: steps against the signatures of the prep functions, at every process start and without an
engine; and against columns, on empty Polars frames. Not here: the functions (`preps/`), what a
parameter may be (`step_params.py`), and running steps over rows (`step_runner.py`).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lake_assets.pipeline import Asset
from lake_assets.spec import StepSpec
from resources.errors import PermanentError
from resources.types import SIMPLE, ColumnType, parse_type
from resources.yamlfile import Mistake, Place, nearest

if TYPE_CHECKING:
    # Narwhals takes 50 ms to import: a graph without steps starts without it.
    import narwhals.stable.v2 as nw
    import pyarrow as pa

    from lake_assets.preps import Prep, Step

#: Functions of the catalogue that are no steps: why, and what to do instead.
NO_STEP = {
    "hive_partitioning": (
        "it gives a path, not rows",
        "the lake makes its paths of `partitions`; call it in Python",
    ),
    "split_rows": (
        "it gives several frames, and a dataset is one",
        "write one dataset for each part, with filter_examples or sample",
    ),
    "split_rows_at": (
        "it gives several frames, and a dataset is one",
        "write one dataset for each part, with filter_examples",
    ),
}
_NO_ROWS = ("it does not make rows of rows", "call it in Python, in a transform or a notebook")

#: Function → the parameter that says which columns it makes. By itself it would learn them of the
#: rows, and those of a dataset are declared.
LEARNED = {
    "nominal_to_binominal": "values",
    "nominal_to_numeric": "values",
    "split_columns": "parts",
}

#: Parameters by which a function that does row for row looks at all rows first.
_WHOLE = {("parse_number", "unparsable_value_handling"): "skip attribute"}

#: Keys of a selector that choose columns by what is in the rows.
_BY_ROWS = ("no_missing_values", "numeric_condition")


class StepError(PermanentError):
    """A step that cannot be done: its number (from 1), its name, and why.

    `place` leads to what is wrong in its parameters, as far as that can be told.
    """

    def __init__(self, number: int, step: Step, error: Exception, *, personal: bool = False):
        from lake_assets.preps import PrepError

        self.number, self.step = number, step
        if isinstance(error, PrepError):
            what = error.without_values if personal else str(error)
        else:
            what = f"{step.name}: {type(error).__name__}" + ("" if personal else f": {error}")
        self.what = f"step {number}, {what}"
        self.place: Place = ("steps", number - 1, step.name, *_blamed(step.params, self.what))
        super().__init__(self.what)


def catalogue() -> Mapping[str, Prep]:
    """All prep functions by name."""
    from lake_assets.preps import CATALOGUE

    return CATALOGUE


# --- against signatures --------------------------------------------------------------------------


def check(asset: Asset, steps: Sequence[StepSpec]) -> Iterator[Mistake]:
    """All that the signatures have against the steps of a file."""
    for number, step in enumerate(steps, 1):
        prep = catalogue().get(step.name)
        told: Iterator[_Told]
        if prep is None:
            told = iter([_Told((), f"there is no function {step.name!r}", _near(step.name))])
        elif not prep.step:
            why, instead = NO_STEP.get(prep.name, _NO_ROWS)
            told = iter([_Told((), f"{prep.name} is no step: {why}", instead)])
        else:
            told = _parameters(prep, step.params)
        for one in told:
            place = ("steps", number - 1, step.name, *one.place)
            named = f", {step.name}: " if prep and prep.step else ": "
            yield asset.mistake(place, f"step {number}{named}{one.what}", one.cure)


@dataclass(frozen=True)
class _Told:
    place: Place
    what: str
    cure: str = ""


def _near(name: str) -> str:
    """The step that is meant; RapidMiner's own spelling, `Filter Examples`, is near too."""
    steps = [one.name for one in catalogue().values() if one.step]
    plain = re.sub(r"\W+", "_", name.lower())
    near = difflib.get_close_matches(plain, steps, n=1, cutoff=0.6)
    return (f"did you mean {near[0]!r}? " if near else "") + "`lake preps` lists all"


def _parameters(prep: Prep, params: Mapping[str, Any]) -> Iterator[_Told]:
    from lake_assets import step_params

    known = step_params.parameters(prep)
    shown = step_params.signature(prep)
    for name, value in params.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
            cure = (f"did you mean {near[0]!r}? " if near else "") + shown
            yield _Told((name,), f"there is no parameter {name!r}", cure)
            continue
        wrong = list(step_params.misfits(known[name].annotation, value))
        for one in wrong:
            at = ".".join(map(str, (name, *one.place)))
            found = "it is empty" if one.found is None else f"found {one.found!r}"
            cure = nearest(str(one.found), one.allowed) if one.allowed else shown
            yield _Told((name, *one.place), f"{at}: write {one.wanted} ({found})", cure)
        if not wrong:
            yield from _selector(prep, name, value)
    for name in step_params.required(prep):
        if name not in params:
            yield _Told((), f"the parameter {name!r} is missing", shown)
    learned = LEARNED.get(prep.name)
    if learned and learned not in params:
        what = f"the parameter {learned!r} is missing: it says which columns the step makes, as "
        yield _Told((), what + "the columns of a dataset are declared", shown)


def _selector(prep: Prep, name: str, value: Any) -> Iterator[_Told]:
    """Whether a mapping that chooses columns is a selector that needs no rows."""
    from lake_assets import step_params
    from lake_assets.preps import PrepError
    from lake_assets.preps.selectors import selector_of

    if not isinstance(value, dict) or not step_params.takes_selector(prep, name):
        return
    try:
        selector_of(prep.name, value)
    except PrepError as error:
        yield _Told((name,), f"{name}: {str(error).removeprefix(f'{prep.name}: ')}")
        return
    for key in _BY_ROWS:
        if value.get(key):
            what = f"{name}: {key} chooses by the rows, and the columns of a dataset are declared"
            yield _Told((name, key), what, "name the columns, or choose by value_type")


# --- against columns -----------------------------------------------------------------------------


def calls(asset: Asset, steps: Sequence[StepSpec], key: str) -> list[Step]:
    """The steps as they are called for the partition `key`."""
    from lake_assets.preps import Step

    return [Step(one.name, one.params) for one in steps]


def applied(number: int, step: Step, frame: Any, *, personal: bool = False) -> Any:
    """The frame after a step; whatever the step raises is a StepError."""
    try:
        return step(frame)
    except Exception as error:
        # Its own words may quote values, and so may those of its causes.
        raise StepError(number, step, error, personal=personal) from (None if personal else error)


def schemas(steps: Sequence[Step], start: nw.Schema) -> list[nw.Schema]:
    """The columns before the first step and after each, found on empty Polars frames.

    StepError at the first step that the columns before it do not suit.

    >>> import narwhals.stable.v2 as nw
    >>> from lake_assets.preps import Step
    >>> found = schemas([Step("trim", {"columns": "name"})], nw.Schema({"name": nw.String()}))
    >>> [dict(one) for one in found]
    [{'name': String}, {'name': String}]
    """
    import narwhals.stable.v2 as nw
    import polars as pl

    frame = pl.DataFrame(schema=start.to_polars())
    found = [start]
    for number, step in enumerate(steps, 1):
        frame = applied(number, step, frame)
        found.append(nw.Schema(nw.from_native(frame).schema))
    return found


def rowwise(step: Step) -> bool:
    """Whether a batch of rows may be done for itself."""
    whole = any(_WHOLE.get((step.name, name)) == value for name, value in step.params.items())
    return step.prep.rowwise and not whole


def start_schema(columns: pa.Schema) -> nw.Schema:
    """The columns before the first step, of Arrow's."""
    import narwhals.stable.v2 as nw
    import polars as pl

    return nw.Schema(nw.from_native(pl.DataFrame(columns.empty_table())).schema)


def against_columns(asset: Asset, steps: Sequence[Step], start: pa.Schema) -> Iterator[Mistake]:
    """What columns have against the steps: those before each of them, those declared at the end."""
    try:
        found = schemas(steps, start_schema(start))
    except StepError as error:
        yield asset.mistake(error.place, error.what)
        return
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
    out = f"take it out: `- remove_attributes: {{attributes: [{name}]}}`"
    # The last step before which it was not there.
    made = next((n for n in range(len(steps), 0, -1) if name not in found[n - 1]), 0)
    if not made:
        what = f"the column {name!r} is there after the steps, and not declared"
        return asset.mistake(("steps",), what, f"declare it under `columns`, or {out}")
    step = steps[made - 1]
    what = f"step {made}, {step.name}: makes the undeclared column {name!r}"
    place: Place = ("steps", made - 1, step.name)
    return asset.mistake(place, what, f"declare it under `columns`, or {out}")


def _arrow(schema: nw.Schema) -> dict[str, pa.DataType | None]:
    from resources.frames import lake_type

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
    if have.is_decimal:
        whole = have.precision - have.scale <= want.precision - want.scale
        return whole and have.scale <= want.scale
    return have.name.startswith("int")


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


def _blamed(params: Mapping[str, Any], what: str) -> Place:
    """Where among the parameters stands what a message has in quotes, or else names."""
    places = dict(_leaves(params, ()))
    for word in re.findall(r"'([^']+)'", what):
        for place, value in places.items():
            if str(value) == word or str(place[-1]) == word:
                return place
    return next(((name,) for name in params if re.search(rf"\b{re.escape(name)}\b", what)), ())


def _leaves(value: Any, place: Place) -> Iterator[tuple[Place, Any]]:
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield (*place, key), key
            yield from _leaves(one, (*place, key))
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from _leaves(one, (*place, index))
    elif place:
        yield place, value
