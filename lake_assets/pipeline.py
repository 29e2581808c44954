"""A pipeline file's records, with what the file's own defaults make of them.

Here: pipelines, their assets and what is read from elsewhere, and which assets a schedule runs. Not
here: finding and reading files (`loader.py`) and what may stand in them (`consistency.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from lake_assets.partition_spec import Partitions
from lake_assets.spec.assets import Run
from lake_assets.spec.columns import Columns, ColumnSpec
from lake_assets.spec.datasets import DatasetSpec
from lake_assets.spec.deliveries import DeliverySpec
from lake_assets.spec.models import ModelSpec
from lake_assets.spec.pipeline import ElsewhereSpec, PipelineSpec
from lake_assets.spec.sources import SourceSpec
from resources.types import ColumnType
from resources.yamlfile import Mistake, Place, YamlFile

ZONE = ZoneInfo("Asia/Seoul")

#: Names that SQL and transforms know beside the parameters.
PARTITION_NAMES = ("partition", "partition_start", "partition_end", "partition_name")

#: Names that a query of a source knows beside the parameters.
QUERY_NAMES = ("start", "end")


@dataclass(frozen=True)
class Pipeline:
    """One folder with its file, read. `delivered`: what its deliveries deliver, of any file."""

    name: str
    folder: Path
    file: YamlFile
    spec: PipelineSpec
    delivered: Mapping[str, Input] = field(default_factory=dict)


@dataclass(frozen=True)
class Input:
    """What a dataset can read, whoever makes it: `Asset` or `Elsewhere`.

    `place` leads to it in the file: `("sources", "bw_sales")`.
    """

    pipeline: Pipeline
    layer: str
    name: str
    key: str
    spec: SourceSpec | DatasetSpec | ModelSpec | DeliverySpec | ElsewhereSpec
    partitions: Partitions | None
    place: Place

    @property
    def columns(self) -> Columns:
        return self.spec.columns

    @cached_property
    def types(self) -> dict[str, ColumnType]:
        return {name: column.parsed for name, column in self.columns.items()}

    @property
    def partition_columns(self) -> list[str]:
        """The columns that readers add, and SQL sees beside the declared ones."""
        return list(self.partitions.columns) if self.partitions else []

    def mistake(self, place: Place, what: str, cure: str = "") -> Mistake:
        """A mistake at `place` below it."""
        return self.pipeline.file.mistake((*self.place, *place), f"{self.key}: {what}", cure)


@dataclass(frozen=True)
class Elsewhere(Input):
    """What a file reads and no file of this location makes; the file says how it looks."""

    spec: ElsewhereSpec


@dataclass(frozen=True)
class Asset(Input):
    """One asset of a file with what the file's own defaults make of it."""

    spec: SourceSpec | DatasetSpec | ModelSpec | DeliverySpec
    owner: str
    run: Run

    @property
    def kind(self) -> Literal["source", "dataset", "model", "delivery"]:
        if isinstance(self.spec, SourceSpec):
            return "source"
        if isinstance(self.spec, DeliverySpec):
            return "delivery"
        return "model" if isinstance(self.spec, ModelSpec) else "dataset"

    @property
    def inputs(self) -> dict[str, str]:
        """Alias → key; a source has none."""
        return {} if isinstance(self.spec, SourceSpec) else self.spec.named_inputs

    @property
    def task_id(self) -> str:
        return self.spec.task_id or self.key.replace("/", "__")


@dataclass(frozen=True)
class Delivered(Asset):
    """A delivery, with the columns and partitions of `source`; None: there is no such asset."""

    spec: DeliverySpec
    source: Input | None = None

    @cached_property
    def taken(self) -> dict[str, tuple[str, ColumnSpec]]:
        """Column of the lake → its name in the target, and what it is; a partition's are last."""
        if self.source is None:
            return {}
        known = dict(self.source.columns)
        if self.source.partitions:
            kinds = {"DATE": "date", "VARCHAR": "string"}
            known |= {
                name: ColumnSpec(type=kinds[kind], nullable=False)
                for name, kind in self.source.partitions.columns.items()
            }
        names = self.spec.names or {name: name for name in known}
        return {name: (there, known[name]) for name, there in names.items() if name in known}

    @property
    def columns(self) -> Columns:
        """By their names in the target."""
        return dict(self.taken.values())


def assets(pipeline: Pipeline) -> list[Asset]:
    """The assets of a file in its order, sources first, deliveries last."""
    spec = pipeline.spec
    found: list[Asset] = []
    sections: Iterable[tuple[str, str, Mapping[str, SourceSpec | DatasetSpec | ModelSpec]]]
    sections = (
        ("raw", "sources", spec.sources),
        ("prep", "datasets", spec.datasets),
        ("model", "models", spec.models),
    )
    for layer, section, specs in sections:
        for name, one in specs.items():
            chosen = one.partitions or spec.partitions
            found.append(
                Asset(
                    pipeline=pipeline,
                    layer=layer,
                    name=name,
                    key=f"{layer}/{name}",
                    spec=one,
                    partitions=chosen if isinstance(chosen, Partitions) else None,
                    owner=one.owner or spec.owner,
                    run=_run(spec.run, one.run),
                    place=(section, name),
                )
            )
    return [*found, *(_delivered(pipeline, name, one) for name, one in spec.deliveries.items())]


def _delivered(pipeline: Pipeline, name: str, spec: DeliverySpec) -> Delivered:
    source = pipeline.delivered.get(spec.from_)
    return Delivered(
        pipeline=pipeline,
        layer="out",
        name=name,
        key=f"out/{spec.connection}/{name}",
        spec=spec,
        partitions=source.partitions if source else None,
        owner=spec.owner or pipeline.spec.owner,
        run=_run(pipeline.spec.run, spec.run),
        place=("deliveries", name),
        source=source,
    )


def with_delivered(pipelines: Sequence[Pipeline]) -> list[Pipeline]:
    """The same pipelines, each with what its deliveries deliver, whichever file makes it."""
    if not any(pipeline.spec.deliveries for pipeline in pipelines):
        return list(pipelines)
    every = catalogue(pipelines)
    return [
        replace(
            pipeline,
            delivered={
                one.from_: every[one.from_]
                for one in pipeline.spec.deliveries.values()
                if one.from_ in every
            },
        )
        for pipeline in pipelines
    ]


def elsewhere(pipeline: Pipeline) -> list[Elsewhere]:
    """What a file declares of assets that it reads and no file of this location makes."""
    return [
        Elsewhere(
            pipeline=pipeline,
            layer=key.split("/")[0],
            name=key.split("/")[1],
            key=key,
            spec=one,
            partitions=one.partitions if isinstance(one.partitions, Partitions) else None,
            place=("elsewhere", key),
        )
        for key, one in pipeline.spec.elsewhere.items()
    ]


def catalogue(pipelines: Iterable[Pipeline]) -> dict[str, Input]:
    """All that the datasets of `pipelines` can read, by key; what two files declare, once."""
    found: dict[str, Input] = {}
    of_each: tuple[Callable[[Pipeline], Sequence[Input]], ...] = (assets, elsewhere)
    for of_one in of_each:
        for pipeline in pipelines:
            for one in of_one(pipeline):
                found.setdefault(one.key, one)
    return found


def _run(of_file: Run, of_asset: Run | None) -> Run:
    """The asset's keys where it gives them, else the file's."""
    if of_asset is None:
        return of_file
    given = {name: getattr(of_asset, name) for name in of_asset.model_fields_set}
    return of_file.model_copy(update=given)


WINDOW_TYPES = {
    "date": ("date",),
    "timestamp": ("timestamp", "timestamptz"),
    "yyyymmdd": ("string", "int32", "int64", "decimal(8,0)"),
}


def window_kind(spec: SourceSpec) -> Literal["date", "timestamp", "yyyymmdd"] | None:
    """How the window column holds days; None without a window or where its type holds none."""
    if spec.window is None or spec.window.column is None:
        return None
    if spec.window.column not in spec.columns:
        return None
    of_type = spec.columns[spec.window.column].type
    kinds: tuple[Literal["date", "timestamp", "yyyymmdd"], ...] = ("date", "timestamp", "yyyymmdd")
    fitting = next((kind for kind in kinds if of_type in WINDOW_TYPES[kind]), None)
    return spec.window.kind or fitting


def job_name(pipeline: Pipeline, schedule: str) -> str:
    """The name of a schedule's job, which is also that of its DAG."""
    return f"{pipeline.name}__{schedule}" if schedule else pipeline.name


def scheduled(pipeline: Pipeline, schedule: str) -> list[Asset]:
    """The assets of one schedule of the file ('' for a single one), unpartitioned feeders included.

    Those it names, with the unpartitioned ones they are made of; all of the file by default.
    """
    every = {asset.key: asset for asset in assets(pipeline)}
    named = pipeline.spec.named_schedules[schedule].assets
    if named is None:
        return list(every.values())
    chosen = {key for key in named if key in every}
    waiting = list(chosen)
    while waiting:
        for key in every[waiting.pop()].inputs.values():
            if key in every and key not in chosen and every[key].partitions is None:
                chosen.add(key)
                waiting.append(key)
    return [asset for key, asset in every.items() if key in chosen]


def described(partitions: Partitions) -> str:
    """In words: `daily from 2024-01-01, 3 names of plant_code`."""
    told = []
    if partitions.span:
        end = f" to {partitions.span.end}" if partitions.span.end else ""
        ahead = ", ahead" if partitions.span.ahead else ""
        told.append(f"{partitions.cadence} from {partitions.span.start}{end}{ahead}")
    if partitions.named:
        told.append(f"{len(partitions.names)} names of {partitions.named.column}")
    return ", ".join(told)
