"""Prep functions that choose, part and order rows: filter, sample, split, sort, shuffle.

Here: functions 33 to 37. Not here: the operators of filters (`conditions.py`) and what rows'
places are on each engine (`order.py`).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, Literal, TypeAlias

import narwhals.stable.v2 as nw

from lake_assets.edge import Edge, Effect
from lake_assets.preps import conditions, order
from lake_assets.preps.fences import missing
from lake_assets.preps.prep import Frame, PrepError, prep
from lake_assets.preps.selectors import chosen, is_nominal, known
from lake_assets.preps.typed import real
from lake_assets.preps.values import one_of

ConditionClass: TypeAlias = Literal[
    "custom_filters", "all", "no_missing_attributes", "missing_attributes", "expression"
]
SampleKind: TypeAlias = Literal["absolute", "relative", "probability"]
SamplingType: TypeAlias = Literal["automatic", "linear", "shuffled", "stratified"]

_CLASSES = ("custom_filters", "all", "no_missing_attributes", "missing_attributes", "expression")
_TYPES = ("automatic", "linear", "shuffled", "stratified")

#: What RapidMiner seeds a process with, and so the seed of what has none of its own.
PROCESS_SEED = 2001


def seed_of(function: str, use_local_random_seed: bool, local_random_seed: int) -> int:
    """The seed: the process' own, which is the same in every run, or a local one."""
    if use_local_random_seed:
        return local_random_seed
    if local_random_seed != 1992:
        raise PrepError(
            f"{function}: local_random_seed is {local_random_seed}, but is not used. Set "
            "use_local_random_seed to true as well, or leave it out."
        )
    return PROCESS_SEED


# -- filter


def _deciding(params: Mapping[str, Any], before: nw.Schema, after: nw.Schema) -> Effect:
    kind = params["condition_class"]
    if kind == "custom_filters":
        names = [str(one[0]) for one in params["filters"]]
    elif kind == "expression":
        parsed = conditions.parsed("filter_examples", before, params["expression"])
        names = [one.column for one in parsed[1]]
    else:
        names = [] if kind == "all" else list(before)
    return Effect(rows=tuple(Edge(name, "filter") for name in dict.fromkeys(names)))


@prep(33, effect=_deciding)
def filter_examples(
    df: Frame,
    filters: Sequence[Sequence[Any]] = (),
    *,
    logic: Literal["and", "or"] = "and",
    invert: bool = False,
    condition_class: ConditionClass = "custom_filters",
    expression: str = "",
) -> Frame:
    """Keep the rows that conditions are true of.

    `filters`: conditions as `[column, operator, value]`. Operators of numbers, dates and times: eq,
    ne, lt, le, gt, ge; of texts and categories: equals, does_not_equal, is_in, is_not_in (with a
    list), contains, does_not_contain, starts_with, ends_with, matches (a regular expression of the
    whole value); equals to is_not_in also of true and false; of all: is_missing, is_not_missing,
    without a value. A missing value (null or NaN) satisfies none but `ne` and `is_missing`.
    Integers and decimals are compared exactly; dates may be text ('2025-07-01'), and wall times
    are Seoul's where the column has instants. `logic`: whether all must be true, or one (`or`).
    `invert`: the other rows, all of them. `condition_class`: also `all` rows, those with
    `no_missing_attributes` or with `missing_attributes` in any column, or an `expression` such as
    `금액 >= 100 && 등급 == "A"` or `missing(금액) || [할인 율] < 0.1`.

    An operator that is none of the column's type, and a value that is none, is a PrepError.
    Source: RapidMiner's *Filter Examples* (blending/examples/filter/filter_examples).

    >>> import polars as pl
    >>> df = pl.DataFrame({"금액": [100, 99, None]})
    >>> filter_examples(df, [("금액", "ge", 100)])["금액"].to_list()
    [100]
    >>> filter_examples(df, [("금액", "is_missing")])["금액"].to_list()
    [None]
    """
    name = "filter_examples"
    one_of(name, "condition_class", condition_class, _CLASSES)
    one_of(name, "logic", logic, ("and", "or"))
    for parameter, value, of in (
        ("filters", filters, "custom_filters"),
        ("expression", expression, "expression"),
    ):
        if bool(value) != (condition_class == of):
            if expression and not filters and condition_class == "custom_filters":
                raise PrepError(f"{name}: for an expression set condition_class: expression.")
            wants = f"is not used: it belongs to {of!r}" if value else "is missing"
            raise PrepError(
                f"{name}: condition_class is {condition_class!r}, and {parameter} {wants}."
            )
    if condition_class == "custom_filters":
        given = conditions.given(name, filters)
        return df.filter(conditions.holds(name, df, given, logic, invert=invert))
    if condition_class == "expression":
        joined, given = conditions.parsed(name, df.collect_schema(), expression)
        return df.filter(conditions.holds(name, df, given, joined, invert=invert))
    if condition_class == "all":
        return df.head(0) if invert else df
    lacking = [missing(one, dtype) for one, dtype in df.collect_schema().items()]
    some = nw.any_horizontal(*lacking, ignore_nulls=False)
    return df.filter(some if (condition_class == "missing_attributes") != invert else ~some)


# -- sort, shuffle


def _sorting(params: Mapping[str, Any], before: nw.Schema, after: nw.Schema) -> Effect:
    by = [params["by"]] if isinstance(params["by"], str) else params["by"]
    return Effect(rows=tuple(Edge(name, "sort") for name in by))


@prep(36, rowwise=False, effect=_sorting)
def sort(
    df: Frame,
    by: str | Sequence[str],
    *,
    descending: bool | Sequence[bool] = False,
    nulls_last: bool = True,
) -> Frame:
    """Order the rows by columns; rows that are equal in them keep their order.

    `by`: the columns, the first deciding first. `descending`: for all of them, or a list of one for
    each. `nulls_last`: missing values (null and NaN) stand last, else first, whatever the
    direction. Texts and categories go by code point: 가 before 나, B before a.

    Source: RapidMiner's *Sort* (blending/examples/sort/sort).

    >>> import polars as pl
    >>> sort(pl.DataFrame({"a": [3, None, 1]}), "a")["a"].to_list()
    [1, 3, None]
    >>> sort(pl.DataFrame({"a": ["a", "b"]}), "a", descending=True)["a"].to_list()
    ['b', 'a']
    """
    names = [by] if isinstance(by, str) else list(by)
    if not names:
        raise PrepError("sort: by is empty. Name the columns to sort by.")
    schema = df.collect_schema()
    known("sort", schema, names)
    ways = [descending] * len(names) if isinstance(descending, bool) else list(descending)
    if len(ways) != len(names):
        raise PrepError(
            f"sort: descending has {len(ways)} values, and by {len(names)} columns. Give one for "
            "each, or one for all."
        )
    return order.sorted_rows(df, names, ways, nulls_last=nulls_last)


@prep(37, rowwise=False, values=False)
def shuffle(
    df: Frame, *, use_local_random_seed: bool = False, local_random_seed: int = 1992
) -> Frame:
    """Put the rows into an order drawn at random, the same for the same seed and rows.

    `use_local_random_seed`: draw by `local_random_seed`, else by 2001. Polars, pandas and PyArrow
    draw alike; DuckDB and Spark each in their own way, from the order in which they read the rows.

    Source: RapidMiner's *Shuffle* (blending/examples/sort/shuffle).

    >>> import polars as pl
    >>> sorted(shuffle(pl.DataFrame({"a": [1, 2, 3]}))["a"])
    [1, 2, 3]
    """
    return order.shuffled(df, seed_of("shuffle", use_local_random_seed, local_random_seed))


# -- sample

#: Kind of sample → the parameter that says how much.
_AMOUNTS = {
    "absolute": "sample_size",
    "relative": "sample_ratio",
    "probability": "sample_probability",
}


def _sampling(params: Mapping[str, Any], before: nw.Schema, after: nw.Schema) -> Effect:
    label = params["label"] if params["balance_data"] else None
    return Effect(rows=(Edge(label, "filter"),) if label else ())


@prep(34, rowwise=False, values=False, effect=_sampling)
def sample(
    df: Frame,
    sample: SampleKind = "absolute",
    *,
    sample_size: int | None = None,
    sample_ratio: float | None = None,
    sample_probability: float | None = None,
    balance_data: bool = False,
    label: str | None = None,
    sample_size_per_class: Mapping[Any, int] | None = None,
    sample_ratio_per_class: Mapping[Any, float] | None = None,
    sample_probability_per_class: Mapping[Any, float] | None = None,
    use_local_random_seed: bool = False,
    local_random_seed: int = 1992,
) -> Frame:
    """Draw rows at random, none twice, in their order; the same for the same seed and rows.

    `sample`: `absolute` draws `sample_size` rows (100), `relative` the share `sample_ratio` (0.1)
    of them rounded down, `probability` each row with `sample_probability` (0.1). With
    `balance_data` each class of the nominal column `label` is drawn by itself, as many as
    `sample_size_per_class` (or the like) says; classes that it does not list give no rows.
    `use_local_random_seed`: draw by `local_random_seed`, else by 2001. Of an empty frame nothing is
    drawn.

    More rows than there are, a share beyond 0 to 1, and a parameter of another kind of sample is a
    PrepError.
    Source: RapidMiner's *Sample* (blending/examples/sampling/sample).

    >>> import polars as pl
    >>> len(sample(pl.DataFrame({"a": [1, 2, 3, 4, 5]}), sample_size=2))
    2
    """
    one_of("sample", "sample", sample, ("absolute", "relative", "probability"))
    seed = seed_of("sample", use_local_random_seed, local_random_seed)
    shares: dict[str, tuple[float | None, float, Mapping[Any, float] | None]] = {
        "absolute": (sample_size, 100, sample_size_per_class),
        "relative": (sample_ratio, 0.1, sample_ratio_per_class),
        "probability": (sample_probability, 0.1, sample_probability_per_class),
    }
    for kind, (given, _, by_class) in shares.items():
        _used(_AMOUNTS[kind], given, sample, kind, balance_data, of_classes=False)
        _used(f"{_AMOUNTS[kind]}_per_class", by_class, sample, kind, balance_data, of_classes=True)
    _used("label", label, sample, sample, balance_data, of_classes=True)
    parameter, (given, default, per_class) = _AMOUNTS[sample], shares[sample]
    if not balance_data:
        there = order.count(df)
        size = _size(
            sample, parameter, default if given is None else given, there, seed, "there are"
        )
        return order.drawn(df, [{None: (0, size)}], seed)[0]
    if label is None or per_class is None:
        lacks = "label" if label is None else f"{parameter}_per_class"
        raise PrepError(f"sample: balance_data needs {lacks}.")
    _nominal("sample", df, label)
    classes = order.counts(df, label)
    cut = {
        one: (0, _size(sample, parameter, per_class[one], there, seed, f"class {one!r} has"))
        for one, there in classes.items()
        if one in per_class
    }
    return order.drawn(df, [cut], seed, label)[0]


def _used(
    parameter: str, value: object, sample: str, kind: str, balanced: bool, *, of_classes: bool
) -> None:
    """PrepError where a parameter is given that the kind of sample does not look at."""
    if value is None or (kind == sample and balanced == of_classes):
        return
    if kind != sample:
        why = f"sample is {sample!r}, and {parameter} is not used: it belongs to {kind!r}."
    elif of_classes:
        why = f"{parameter} is not used: it belongs to balance_data, set to true."
    else:
        why = f"{parameter} is not used with balance_data: write {parameter}_per_class."
    raise PrepError(f"sample: {why}")


def _size(kind: SampleKind, parameter: str, wanted: float, there: int, seed: int, told: str) -> int:
    if kind == "absolute":
        if wanted < 0 or wanted != int(wanted):
            raise PrepError(f"sample: {parameter} is {wanted}. It is a number of rows.")
        if wanted > there > 0:
            raise PrepError(
                f"sample: {parameter} is {wanted}, and {told} {there} rows. Ask for fewer, or draw "
                "a share (relative)."
            )
        return min(int(wanted), there)
    if not 0 <= wanted <= 1:
        raise PrepError(f"sample: {parameter} is {wanted}. It is a share, from 0 to 1.")
    if kind == "relative":
        return math.floor(Fraction(str(wanted)) * there)
    # To draw each row with a probability is to draw how many, and then which.
    return int(order.generator(seed).binomial(there, wanted))


def _nominal(function: str, frame: Frame, label: str) -> None:
    chosen(function, frame, label, only=("nominal", "binominal"))


# -- split


@prep(35, rowwise=False, step=False, values=False)
def split_rows(
    df: Frame,
    partitions: Sequence[float] = (0.7, 0.3),
    *,
    sampling_type: SamplingType = "automatic",
    label: str | None = None,
    use_local_random_seed: bool = False,
    local_random_seed: int = 1992,
) -> list[Frame]:
    """Part the rows by shares: a list of frames, each row in one of them, in their order.

    `partitions`: the shares; they are divided by their sum. The borders are the cumulative shares
    of the number of rows, rounded half up. `sampling_type`: `linear` parts the rows as they stand,
    `shuffled` at random, `stratified` each class of the nominal column `label` at random by itself
    (a missing one is a class); `automatic` is stratified with a nominal label, else shuffled.
    `use_local_random_seed`: draw by `local_random_seed`, else by 2001.

    On lazy frames each part is a query of its own over the frame: they part the rows as long as it
    gives them in one order.
    Source: RapidMiner's *Split Data* (blending/examples/sampling/split_data).

    >>> import polars as pl
    >>> df = pl.DataFrame({"a": [1, 2, 3, 4]})
    >>> [part["a"].to_list() for part in split_rows(df, [0.25, 0.75], sampling_type="linear")]
    [[1], [2, 3, 4]]
    """
    one_of("split_rows", "sampling_type", sampling_type, _TYPES)
    shares = [Fraction(str(real("split_rows: partitions", one))) for one in partitions]
    wrong = [one for one, share in zip(partitions, shares, strict=True) if not 0 <= share <= 1]
    if wrong or not sum(shares):
        told = f"{wrong[0]} is no share" if wrong else "they are nothing in all"
        raise PrepError(f"split_rows: partitions: {told}. Give shares from 0 to 1: [0.7, 0.3].")
    seed = seed_of("split_rows", use_local_random_seed, local_random_seed)
    by = _stratified_by(df, sampling_type, label)
    if by is not None:
        each = {one: _borders(shares, there) for one, there in order.counts(df, by).items()}
        cuts = [{one: ranges[at] for one, ranges in each.items()} for at in range(len(shares))]
        return order.drawn(df, cuts, seed, by)
    ranges = _borders(shares, order.count(df))
    if sampling_type == "linear":
        return order.ranged(df, ranges)
    return order.drawn(df, [{None: one} for one in ranges], seed)


def _stratified_by(frame: Frame, sampling_type: SamplingType, label: str | None) -> str | None:
    if sampling_type == "stratified":
        if label is None:
            raise PrepError("split_rows: sampling_type 'stratified' needs a label.")
        _nominal("split_rows", frame, label)
        return label
    if label is None or sampling_type != "automatic":
        return None
    schema = frame.collect_schema()
    known("split_rows", schema, [label])
    return label if is_nominal(schema[label]) or schema[label] == nw.Boolean else None


def _borders(shares: Sequence[Fraction], there: int) -> list[order.Range]:
    total, ends = sum(shares), [0]
    for at in range(1, len(shares) + 1):
        ends.append(math.floor(there * sum(shares[:at]) / total + Fraction(1, 2)))
    return list(itertools.pairwise(ends))


@prep(rowwise=False, step=False, values=False)
def split_rows_at(df: Frame, ranges: Sequence[Sequence[int | None]]) -> list[Frame]:
    """The rows of each range: a list of frames.

    `ranges`: first and last row, counted from 1, both included; a last one of `None` is the end, as
    is one beyond it. On DuckDB and Spark the rows count in the order in which they are read.

    Source: RapidMiner's *Filter Example Range*.

    >>> import polars as pl
    >>> df = pl.DataFrame({"a": ["가", "나", "다"]})
    >>> [part["a"].to_list() for part in split_rows_at(df, [(1, 2), (3, None)])]
    [['가', '나'], ['다']]
    """
    if not ranges:
        raise PrepError("split_rows_at: ranges is empty. Give first and last rows: [[1, 100]].")
    found = []
    for first, last in ranges:
        if first is None or first < 1 or (last is not None and last < first):
            raise PrepError(
                f"split_rows_at: there is no range from {first} to {last}. Rows count from 1, and "
                "the last is not before the first."
            )
        found.append((first - 1, _END if last is None else last))
    return order.ranged(df, found)


#: Beyond the rows of any frame.
_END = 2**62
