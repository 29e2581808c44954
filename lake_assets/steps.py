"""The steps of a dataset: what a file may say of them, and which columns there are after each.

Here: steps against the signatures of the prep functions, at every process start and without an
engine; and the columns after each, found on empty Polars frames. Not here: the functions
(`preps/`), what a parameter may be (`step_params.py`), whether the columns are those declared
(`step_columns.py`), and running steps over rows (`step_runner.py`).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any
from warnings import catch_warnings, simplefilter

from pydantic import TypeAdapter, ValidationError

from lake_assets.pipeline import Asset
from lake_assets.spec.datasets import StepField, StepSpec
from lake_assets.spec.deliveries import DeliverySpec
from lake_assets.step_names import catalogue, near
from resources.errors import PermanentError
from resources.yamlfile import Mistake, Place, YamlFile, dotted

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

#: A parameter's value by which the rows decide on a column, and what to write instead.
_DECIDED = {
    ("parse_number", "unparsable_value_handling", "skip attribute"): (
        "the rows decide whether a column is one of numbers, and the columns of a dataset are "
        "declared",
        "write fail, or replace with missing values",
    ),
}

_STEP: TypeAdapter[StepSpec] = TypeAdapter(StepField)

#: Keys of a selector that choose columns by what is in the rows.
_BY_ROWS = ("no_missing_values", "numeric_condition")


class StepError(PermanentError):
    """A step that cannot be done: its number (from 1), its name, and why.

    `place` leads to what is wrong in its parameters, as far as that can be told.
    """

    def __init__(self, number: int, step: Step, error: Exception, *, personal: bool = False):
        from lake_assets.preps import PrepError

        self.number, self.step, self.error = number, step, error
        if isinstance(error, PrepError):
            what = error.without_values if personal else str(error)
        else:
            what = f"{step.name}: {type(error).__name__}" + ("" if personal else f": {error}")
        self.what = f"step {number}, {what}"
        self.place: Place = ("steps", number - 1, step.name, *_blamed(step.params, self.what))
        super().__init__(self.what)


# --- against signatures --------------------------------------------------------------------------


def check(asset: Asset, steps: Sequence[StepSpec]) -> Iterator[Mistake]:
    """All that the signatures have against the steps of a file, and what `order_by` undoes."""
    for number, one in _told(steps, _without_time(asset)):
        yield asset.mistake(("steps", number - 1, *one.place), one.what, one.cure)
    yield from _undone(asset, steps)


def check_loose(file: YamlFile, dataset: str, written: object) -> Iterator[Mistake]:
    """The same of a dataset in a file that is no record, as far as its steps are some."""
    for index, one in enumerate(written if isinstance(written, list) else []):
        try:
            step = _STEP.validate_python(one)
        except ValidationError:  # told by the record
            continue
        for _, told in _told([step], "", index + 1):
            place = ("datasets", dataset, "steps", index, *told.place)
            yield file.mistake(place, f"prep/{dataset}: {told.what}", told.cure)


def faulty(asset: Asset, steps: Sequence[StepSpec]) -> dict[int, set[str]]:
    """The numbers of the steps that the signatures have something against; which parameters."""
    found: dict[int, set[str]] = {}
    for number, one in _told(steps, _without_time(asset)):
        found.setdefault(number, set()).update(map(str, one.place[1:2]))
    return found


@dataclass(frozen=True)
class _Told:
    place: Place
    what: str
    cure: str = ""


def _told(
    steps: Sequence[StepSpec], without_time: str, first: int = 1
) -> Iterator[tuple[int, _Told]]:
    """Number of a step and what is wrong with it."""
    for number, step in enumerate(steps, first):
        prep = catalogue().get(step.name)
        told: Sequence[_Told]
        if prep is None:
            told = [_Told((), f"there is no function {step.name!r}", near(step.name))]
        elif not prep.step:
            why, instead = NO_STEP.get(prep.name, _NO_ROWS)
            told = [_Told((), f"{prep.name} is no step: {why}", instead)]
        else:
            told = (*_parameters(prep, step.params), *_templates(without_time, step.params))
        named = f", {step.name}: " if prep and prep.step else ": "
        for one in told:
            what = f"step {number}{named}{one.what}"
            yield number, _Told((step.name, *one.place), what, one.cure)


def _without_time(asset: Asset) -> str:
    """The asset's key where it has no partitions of time, else nothing."""
    return "" if asset.partitions and asset.partitions.cadence else asset.key


def _undone(asset: Asset, steps: Sequence[StepSpec]) -> Iterator[Mistake]:
    """The last order of rows that steps make, which `order_by` undoes before anything asks it."""
    order = [] if isinstance(asset.spec, DeliverySpec) else asset.spec.order_by
    asked = [
        n for n, one in enumerate(steps, 1) if one.name in ("sort", "shuffle") or _orderly(one)
    ]
    step = steps[asked[-1] - 1] if asked else None
    if not order or step is None or _orderly(step):
        return
    by = step.params.get("by") if step.name == "sort" else []
    names = [by] if isinstance(by, str) else by
    if not isinstance(names, list):  # told as no columns
        return
    kept = not step.params.get("descending") and names and names == order[: len(names)]
    if not kept:
        what = f"step {asked[-1]}, {step.name}: order_by, [{', '.join(order)}], orders the rows "
        what += "after the steps, so this order is lost"
        yield asset.mistake(("steps", asked[-1] - 1), what, "take one of the two out")


def _orderly(step: StepSpec) -> bool:
    """Whether what a step does depends on the order of the rows."""
    return step.name == "sample" or step.params.get("method") in ("ffill", "bfill")


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
        unquoted = list(_unquoted(value, (name,)))
        if unquoted:
            yield from unquoted
            continue
        wrong = list(step_params.misfits(known[name].annotation, value))
        if (prep.name, name) == ("filter_examples", "filters"):
            yield from _filters(value)
            continue
        for one in wrong:
            at = dotted((name, *one.place), params)
            found = "it is empty" if one.found is None else f"found {one.found!r}"
            cure = shown
            if one.allowed:  # which `wanted` lists
                close = difflib.get_close_matches(str(one.found), one.allowed, n=1, cutoff=0.6)
                cure = f"did you mean {close[0]!r}?" if close else ""
            yield _Told((name, *one.place), f"{at}: write {one.wanted} ({found})", cure)
        if not wrong:
            yield from _selector(prep, name, value)
        if isinstance(value, str) and (prep.name, name, value) in _DECIDED:
            what, cure = _DECIDED[prep.name, name, value]
            yield _Told((name,), f"{name}: {what}", cure)
    for name in step_params.required(prep):
        if name not in params:
            why = ": it says which columns the step makes, as those of a dataset are declared"
            learned = step_params.LEARNED.get(prep.name) == name
            yield _Told((), f"the parameter {name!r} is missing{why if learned else ''}", shown)


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


def _filters(value: object) -> Iterator[_Told]:
    """What is wrong in the conditions of filter_examples, each at its place."""
    from lake_assets.preps import conditions

    if not isinstance(value, list) or not any(isinstance(one, list) for one in value):
        if value != []:
            yield _Told(("filters",), f"filters: {conditions.WRITTEN} (found {value!r})")
        return
    for index, one in enumerate(value):
        wrong = conditions.mistake_in(one)
        if wrong:
            yield _Told(("filters", index), f"{dotted(('filters', index))}: {wrong}")


def _unquoted(value: object, place: Place) -> Iterator[_Told]:
    """Templates that YAML took for a mapping, as nobody put quotes around them."""
    if isinstance(value, dict) and len(value) == 1 and None in value.values():
        ((text, _),) = value.items()
        if isinstance(text, str) and templates_of(text):
            what = f'{dotted(place)}: put quotes around it: "{{{text}}}"'
            yield _Told(place, what, "without them { } make keys and values of it")
            return
    items = value.items() if isinstance(value, dict) else ()
    for key, one in enumerate(value) if isinstance(value, list) else items:
        yield from _unquoted(one, (*place, key))


def templates_of(text: str) -> bool:
    from lake_assets import templates

    return text.partition(":")[0].removeprefix("clock.") in templates.NAMES


def _templates(without_time: str, params: Mapping[str, Any]) -> Iterator[_Told]:
    """What is wrong in the dates that texts among the parameters have: `{last_day:%Y%m%d}`."""
    from lake_assets import templates

    for place, text in _leaves(params, ()):
        if not isinstance(text, str) or not {*text} & {*"{}"}:
            continue
        at = dotted(place, params)
        yield from (_Told(place, f"{at}: {wrong}") for wrong in templates.mistakes_in(text))
        for one in templates.of_partition(text) if without_time else ():
            what = f"{at}: {one} is of a partition's day, and {without_time} has no partitions of "
            cure = f"for now, in Asia/Seoul, write {one.replace('{', '{clock.', 1)}"
            yield _Told(place, f"{what}time", cure)


# --- against columns -----------------------------------------------------------------------------


def calls(
    asset: Asset, steps: Sequence[StepSpec], key: str, faulty: Collection[int] = ()
) -> list[Step]:
    """The steps as they are called for the partition `key`: dates in their texts are its own.

    Those of `faulty` numbers are as they are written: their dates may be wrong, too.
    """
    from lake_assets import templates
    from lake_assets.preps import Step

    words: Mapping[str, Any] = asset.partitions.words(key, key) if asset.partitions else {}
    # Where there is no time, `check` lets templates of the clock alone pass: the day is not asked.
    words = {"partition_start": date.min, **words}
    return [
        Step(one.name, one.params if number in faulty else templates.filled(one.params, words))
        for number, one in enumerate(steps, 1)
    ]


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
    found = [start]
    for number, step in enumerate(steps, 1):
        found.append(after(number, step, found[-1]))
    return found


def after(number: int, step: Step, before: nw.Schema) -> nw.Schema:
    """The columns after a step; StepError where those before it do not suit."""
    import narwhals.stable.v2 as nw
    import polars as pl

    with catch_warnings():
        simplefilter("ignore")  # they are of rows: a run keeps them
        frame = applied(number, step, pl.DataFrame(schema=before.to_polars()))
    return nw.Schema(nw.from_native(frame).schema)


def rowwise(step: Step) -> bool:
    """Whether a batch of rows may be done for itself."""
    if step.name == "null":  # which looks at all rows for an average, and not for what is given
        method = step.params.get("method", "average")
        learned = method not in ("ffill", "bfill") and "values" in step.params
        return learned or method in ("none", "value", "zero", "drop")
    return step.prep.rowwise


def start_schema(columns: pa.Schema) -> nw.Schema:
    """The columns before the first step, of Arrow's."""
    import narwhals.stable.v2 as nw
    import polars as pl

    return nw.Schema(nw.from_native(pl.DataFrame(columns.empty_table())).schema)


def _blamed(params: Mapping[str, Any], what: str) -> Place:
    """Where among the parameters stands what a message has in quotes, or else names."""
    for word in re.findall(r"'([^']+)'", what):
        for place, value in _leaves(params, ()):
            if str(value) == word:
                return place
            if word in place:
                return place[: place.index(word) + 1]
    return next(((name,) for name in params if re.search(rf"\b{re.escape(name)}\b", what)), ())


def words_in(params: Mapping[str, Any]) -> set[str]:
    """All that stands in parameters: keys and values."""
    return {str(word) for place, one in _leaves(params, ()) for word in (*place, one)}


def _leaves(value: Any, place: Place) -> Iterator[tuple[Place, Any]]:
    """The single values within parameters, each with the keys and places that lead to it."""
    if isinstance(value, Mapping | list):
        items = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, one in items:
            yield from _leaves(one, (*place, key))
    else:
        yield place, value
