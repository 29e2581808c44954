"""What makes a function a prep function: it takes frames of any engine, and is in the catalogue.

Here: the decorator, its record, the catalogue by name, and a function with its parameters as one
step, fitted or not. Not here: the functions, one module a family, and what stands between an
engine's frame and Narwhals' (`border.py`).
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Concatenate, ParamSpec, TypeAlias, TypeVar

import narwhals.stable.v2 as nw

from lake_assets.edge import Effect
from lake_assets.preps.border import entered, left
from lake_assets.preps.errors import PrepError as PrepError

Frame: TypeAlias = "nw.DataFrame[Any] | nw.LazyFrame[Any]"
P = ParamSpec("P")
R = TypeVar("R")

#: Parameters as they are given, the frame's schema before; → the parameters with what was learned.
Learn = Callable[[Frame, Mapping[str, Any]], Mapping[str, Any]]
#: Parameters with the defaults filled in, columns before, columns after.
EffectOf = Callable[[Mapping[str, Any], nw.Schema, nw.Schema], Effect]


@dataclass(frozen=True)
class Prep:
    """One function of the catalogue.

    `number` is its place in the old module (0: none). `rowwise`: a row of the result depends on
    one row of the frame alone, so a stream can be done batch by batch. `step`: may stand in a
    pipeline file. `learn` completes parameters that need the data before the columns are known.
    `framed`: its first parameter is the frame. `version` is of its results, not of its code: it is
    raised by who changes what comes out of the same rows, so that the lake makes the partitions of
    steps again; a partition is not made again because a module was written more nicely.
    """

    name: str
    number: int
    family: str
    function: Callable[..., Any]
    rowwise: bool
    step: bool
    learn: Learn | None
    effect: EffectOf | None
    framed: bool = True
    version: int = 1

    @property
    def signature(self) -> inspect.Signature:
        """Of what a step may set: without the frame."""
        whole = inspect.signature(self.function)
        if not self.framed:
            return whole
        return whole.replace(parameters=list(whole.parameters.values())[1:])


#: Name → function. Filled when a family's module is imported; `lake_assets.preps` imports all.
CATALOGUE: dict[str, Prep] = {}


def prep(
    number: int = 0,
    *,
    rowwise: bool = True,
    step: bool = True,
    learn: Learn | None = None,
    effect: EffectOf | None = None,
    version: int = 1,
    values: bool = True,
) -> Callable[[Callable[Concatenate[Frame, P], R]], Callable[Concatenate[Any, P], Any]]:
    """Make `function(frame, …)` over a Narwhals frame one that takes and gives an engine's frame.

    The function gets Polars (eager, lazy), pandas, PyArrow, DuckDB and PySpark frames as Narwhals
    ones; a frame that it returns, or each of a list of them, goes back as the kind that came.
    `values=False`: it moves columns or rows without looking at values, and so gets NumPy-backed
    columns of pandas as they are.
    """

    def decorated(function: Callable[Concatenate[Frame, P], R]) -> Callable[..., Any]:
        name = function.__name__

        @functools.wraps(function)
        def called(df: Any, *args: P.args, **kwargs: P.kwargs) -> Any:
            given = (args, kwargs)
            frame = entered(name, df, given if values else None)
            if learn is not None:
                known = inspect.signature(function).bind(frame, *args, **kwargs).arguments
                _, *names = known
                learned = learn(frame, {name: known[name] for name in names})
                result = function(frame, **learned)  # type: ignore[call-arg]
            else:
                result = function(frame, *args, **kwargs)
            if isinstance(result, list):
                return [left(one, df, given) for one in result]
            return left(result, df, given)

        family = function.__module__.rpartition(".")[2]
        CATALOGUE[name] = Prep(
            name, number, family, called, rowwise, step, learn, effect, version=version
        )
        return called

    return decorated


def listed(number: int, family: str = "") -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Put a function that takes no frame, and so is no step, into the catalogue as it is."""

    def decorated(function: Callable[P, R]) -> Callable[P, R]:
        name = function.__name__
        own = family or function.__module__.rpartition(".")[2]
        CATALOGUE[name] = Prep(name, number, own, function, False, False, None, None, framed=False)
        return function

    return decorated


@dataclass(frozen=True)
class Step:
    """A prep function with its parameters: callable on frames, and plain data (`params`).

    A fitted step is a step whose parameters hold what was learned, so it can be kept as YAML or
    JSON and makes the same columns of new data.
    """

    name: str
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def prep(self) -> Prep:
        return CATALOGUE[self.name]

    def __call__(self, df: Any) -> Any:
        return self.prep.function(df, **self.params)


def fit(function: Callable[..., Any], df: Any, **params: Any) -> Step:
    """The step that does to other data what `function(df, **params)` does to this.

    Of a function that learns nothing it is the function with its parameters.

    >>> import polars as pl
    >>> from lake_assets.preps import fit, nominal_to_numeric
    >>> step = fit(nominal_to_numeric, pl.DataFrame({"등급": ["B", "A"]}), columns="등급")
    >>> step(pl.DataFrame({"등급": ["A"]})).columns
    ['등급 = A', '등급 = B']
    """
    found = CATALOGUE[function.__name__]
    if found.learn is None:
        return Step(found.name, params)
    return Step(found.name, dict(found.learn(entered(found.name, df, ((), params)), params)))
