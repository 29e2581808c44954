"""Which columns the columns of an asset come of, one step back.

Here: an asset's lineage from its SQL, its steps, what its file declares, or what can be guessed.
Not here: reading SQL (`lineage_sql.py`), what a prep function does to columns (beside the
function), all assets together (`lineage_graph.py`), and how lineage is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlglot.errors import SqlglotError

from lake_assets.edge import ROWS, Confidence, Origin, Origins, along
from lake_assets.lineage_sql import SelectLineage, Unreadable, select_lineage
from lake_assets.pipeline import Asset, Delivered, Input
from lake_assets.spec.datasets import DatasetSpec, Predict, StepSpec
from lake_assets.spec.models import ModelSpec
from lake_assets.spec.sources import SourceSpec
from resources.errors import LakeError
from resources.sql import DIALECTS
from resources.types import ColumnType

_NOTHING: Origins = frozenset()


@dataclass(frozen=True)
class Made:
    """What one column comes of; `expression` is the SQL that makes it, where SQL does."""

    origins: Origins
    confidence: Confidence
    expression: str = ""


@dataclass(frozen=True)
class Lineage:
    """What the columns of an asset come of, one step back.

    `rows` are the columns that decide which rows there are; `star` the assets whose rows they are
    made of. `why` says what could not be read, '' where all could.
    """

    columns: Mapping[str, Made]
    rows: Origins = _NOTHING
    star: Origins = _NOTHING
    why: str = ""

    @property
    def confidence(self) -> Confidence:
        """The least of its columns'."""
        order: tuple[Confidence, ...] = ("guessed", "parsed", "declared")
        return min((one.confidence for one in self.columns.values()), key=order.index)

    def origins(self, column: str) -> Origins:
        """Of a column, or of `*`; nothing of one that is not there (a partition column)."""
        if column == ROWS:
            return self.star
        made = self.columns.get(column)
        return made.origins if made else _NOTHING


def source_key(asset: Input, spec: SourceSpec) -> str:
    """The asset that stands for the table itself, as the graph names it."""
    return f"src/{spec.connection}/{asset.name}"


def source_tables(catalogue: Iterable[Input]) -> dict[str, str]:
    """src/<connection>/<the table's own name> → the key for it, where one asset reads it."""
    found: dict[str, list[str]] = {}
    for asset in catalogue:
        if isinstance(asset.spec, SourceSpec) and asset.spec.table:
            table = f"src/{asset.spec.connection}/{asset.spec.table}"
            found.setdefault(table, []).append(source_key(asset, asset.spec))
    return {table: keys[0] for table, keys in found.items() if len(set(keys)) == 1}


def lineage_of(asset: Input, catalogue: Mapping[str, Input]) -> Lineage:
    """The lineage of an asset; `catalogue` has its inputs. What a file declares wins."""
    spec = asset.spec
    if isinstance(spec, SourceSpec):
        return _of_source(asset, spec)
    if isinstance(asset, Delivered):
        return _of_delivery(asset)
    if isinstance(spec, ModelSpec):
        return _of_model(asset, spec, catalogue)
    if not isinstance(spec, DatasetSpec):
        return Lineage({name: Made(_NOTHING, "declared") for name in asset.columns})
    if spec.predict is not None:
        found = _of_predict(spec, spec.predict, catalogue)
    elif spec.transform is not None:
        found = _guessed(asset, catalogue, "")
    else:
        found = _of_sql_and_steps(asset, spec, catalogue)
    declared = {
        name: Made(frozenset(map(_declared, column.from_)), "declared")
        for name, column in asset.columns.items()
        if column.from_ is not None
    }
    return replace(found, columns={**found.columns, **declared})


def _of_delivery(asset: Delivered) -> Lineage:
    """Each column as it is; a partition's own comes of nothing that has a name."""
    key, known = asset.spec.from_, asset.source.columns if asset.source else {}
    columns = {
        there: Made(
            frozenset([Origin(key, name, "identity")]) if name in known else _NOTHING, "declared"
        )
        for name, (there, _) in asset.taken.items()
    }
    return Lineage(columns, _NOTHING, frozenset([Origin(key, ROWS, "identity")]))


def _declared(text: str) -> Origin:
    key, _, column = text.partition(".")
    return Origin(key, column, "transformation")


# --- datasets ------------------------------------------------------------------------------------


def _of_sql_and_steps(asset: Input, spec: DatasetSpec, catalogue: Mapping[str, Input]) -> Lineage:
    inputs = spec.named_inputs
    try:
        if spec.sql is None:
            (key,) = inputs.values()
            found = _as_it_is(catalogue[key])
        else:
            tables = {alias: readable(catalogue[key]) for alias, key in inputs.items()}
            dialect = "hive" if spec.engine == "hive" else "duckdb"
            found = _renamed(select_lineage(spec.sql, tables, dialect), inputs)
        if spec.steps:
            found = _after_steps(asset, spec, spec.steps, found, catalogue)
    except (SqlglotError, Unreadable, LakeError) as error:
        return _guessed(asset, catalogue, _reason(error))
    guesses = _guessed(asset, catalogue, "").columns
    own = asset.partition_columns if spec.range else []
    columns = {}
    for name in [*asset.columns, *own]:
        origins = found.columns.get(name)
        expression = found.expressions.get(name, "")
        columns[name] = (
            guesses.get(name, Made(_NOTHING, "guessed"))
            if origins is None
            else Made(origins, "parsed", expression)
        )
    unread = [name for name in columns if found.columns.get(name) is None]
    why = f"not understood: {', '.join(unread)}" if unread else ""
    return Lineage(columns, found.rows, found.star, why)


def _after_steps(
    asset: Input,
    spec: DatasetSpec,
    given: Sequence[StepSpec],
    found: SelectLineage,
    catalogue: Mapping[str, Input],
) -> SelectLineage:
    # Only here: Narwhals and the functions take 0.1 s to import.
    from lake_assets import steps
    from lake_assets.lineage_steps import steps_lineage
    from lake_assets.validate import sql_types

    assert isinstance(asset, Asset)
    if spec.sql is None:
        (key,) = spec.named_inputs.values()
        start: Mapping[str, ColumnType] = catalogue[key].types
    else:
        start = sql_types(asset, spec.sql, catalogue)
    first = asset.partitions.first if asset.partitions else ""
    return steps_lineage(steps.calls(asset, given, first), found, start)


def readable(asset: Input) -> list[str]:
    """The columns of an input as SQL sees them, the partition column included."""
    return list(dict.fromkeys([*asset.columns, *asset.partition_columns]))


def _as_it_is(asset: Input) -> SelectLineage:
    columns: dict[str, Origins | None] = {
        name: frozenset([Origin(asset.key, name, "identity")]) for name in asset.columns
    }
    return SelectLineage(columns, _NOTHING, frozenset([Origin(asset.key, ROWS, "identity")]), {})


def _renamed(found: SelectLineage, keys: Mapping[str, str]) -> SelectLineage:
    """Assets in place of the names that the SQL has for them."""

    def renamed(origins: Origins) -> Origins:
        return frozenset(replace(one, asset=keys[one.asset]) for one in origins)

    return SelectLineage(
        {name: None if one is None else renamed(one) for name, one in found.columns.items()},
        renamed(found.rows),
        renamed(found.star),
        found.expressions,
    )


def _guessed(asset: Input, catalogue: Mapping[str, Input], why: str) -> Lineage:
    """Nothing is known: a column may come of those of its name, else of anything that is read."""
    keys = list(dict.fromkeys(getattr(asset.spec, "named_inputs", {}).values()))
    every = frozenset(Origin(key, ROWS, "transformation") for key in keys)

    def guess(name: str) -> Made:
        equal = frozenset(
            Origin(key, name, "identity") for key in keys if name in catalogue[key].columns
        )
        return Made(equal or every, "guessed")

    return Lineage({name: guess(name) for name in asset.columns}, _NOTHING, every, why)


def _reason(error: Exception) -> str:
    return str(error).split("\n")[0].split(". Line ")[0]


def _of_predict(spec: DatasetSpec, predict: Predict, catalogue: Mapping[str, Input]) -> Lineage:
    """Columns of the scored rows are kept; a score comes of the model and its features."""
    rows, model = spec.named_inputs[predict.rows], spec.named_inputs[predict.model]
    learned = catalogue[model].spec
    features = learned.features if isinstance(learned, ModelSpec) else []
    champion = Origin(model, "champion_version", "transformation")
    made = {
        predict.score: frozenset(
            [champion, *(Origin(rows, name, "transformation") for name in features)]
        ),
        predict.version: frozenset([replace(champion, kind="identity")]),
    }
    columns = {
        name: Made(made.get(name, frozenset([Origin(rows, name, "identity")])), "declared")
        for name in spec.columns
    }
    return Lineage(columns, star=frozenset([Origin(rows, ROWS, "identity")]))


# --- models --------------------------------------------------------------------------------------

#: What a column of a model's row is counted or computed of; those not here are its own words.
_OF_A_MODEL = {
    "champion_version": ("features", "target"),
    "promoted": ("features", "target", "baseline"),
    "decision": ("features", "target", "baseline"),
    "score": ("features", "target"),
    "champion_score": ("features", "target"),
    "baseline_score": ("baseline", "target"),
    "heldout_positives": ("target",),
    "trained_examples": (ROWS,),
    "heldout_examples": (ROWS,),
}


def _of_model(asset: Input, spec: ModelSpec, catalogue: Mapping[str, Input]) -> Lineage:
    """A model's row is an aggregate of its examples."""
    tables = {alias: readable(catalogue[key]) for alias, key in spec.named_inputs.items()}
    try:
        found = _renamed(select_lineage(spec.examples, tables, "duckdb"), spec.named_inputs)
    except (SqlglotError, Unreadable) as error:
        return _guessed(asset, catalogue, _reason(error))
    used = {
        "features": spec.features,
        "target": [spec.target],
        "baseline": [spec.baseline],
        ROWS: [],
    }

    def made(column: str) -> Made:
        words = _OF_A_MODEL.get(column, ())
        names = [name for word in words for name in used[word]]
        origins = {one for name in names for one in found.columns.get(name) or ()}
        if ROWS in words:
            origins |= found.star
        return Made(along("aggregation", origins), "declared")

    star = along("aggregation", found.star)
    return Lineage({name: made(name) for name in asset.columns}, found.rows, star)


# --- sources -------------------------------------------------------------------------------------


def _of_source(asset: Input, spec: SourceSpec) -> Lineage:
    key = source_key(asset, spec)
    if spec.query is not None:
        return _of_query(asset, spec, spec.query, key)
    own = {name: column.source or name for name, column in spec.columns.items()}
    columns = {
        name: Made(frozenset([Origin(key, own[name], "identity")]), "declared") for name in own
    }
    deciding = {own[name] for name in _window(spec) if name in own}
    return Lineage(
        columns,
        frozenset(Origin(key, name, "filter") for name in deciding),
        frozenset([Origin(key, ROWS, "identity")]),
    )


def _window(spec: SourceSpec) -> set[str]:
    """The declared columns by which rows of a source are read."""
    window = spec.window
    found = {window.column, window.name} if window else set()
    if spec.filter is not None:
        condition = f"SELECT 1 AS one FROM source WHERE {spec.filter}"
        try:
            read = select_lineage(condition, {"source": list(spec.columns)}, "duckdb")
        except (SqlglotError, Unreadable):
            read = None
        found |= {one.column for one in read.rows} if read else set(spec.columns)
    return {name for name in found if name is not None}


def _of_query(asset: Input, spec: SourceSpec, query: str, key: str) -> Lineage:
    """A free query in the connection's dialect. A column there is `TABLE.COLUMN`."""
    star = frozenset([Origin(key, ROWS, "identity")])
    own = {name: column.source or name for name, column in spec.columns.items()}
    guesses = {
        name: Made(frozenset([Origin(key, own[name], "identity")]), "guessed") for name in own
    }
    try:
        found = select_lineage(query, None, DIALECTS.get(spec.connection, ""))
    except (SqlglotError, Unreadable) as error:
        return Lineage(guesses, _NOTHING, star, _reason(error))
    by_name = {name.casefold(): one for name, one in found.columns.items()}
    texts = {name.casefold(): one for name, one in found.expressions.items()}

    def here(origins: Iterable[Origin]) -> Origins:
        return frozenset(
            Origin(key, f"{one.asset}.{one.column}" if one.asset else one.column, one.kind)
            for one in origins
        )

    columns = {}
    for name in own:
        read = by_name.get(own[name].casefold())
        text = texts.get(own[name].casefold(), "")
        columns[name] = guesses[name] if read is None else Made(here(read), "parsed", text)
    decided = [by_name.get(own[name].casefold()) or () for name in _window(spec) if name in own]
    rows = here(found.rows) | here(one for origins in decided for one in along("filter", origins))
    return Lineage(columns, rows, here(found.star) or star)
