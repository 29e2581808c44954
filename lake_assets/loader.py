"""Pipeline folders read into records.

Here: finding the folders and reading their files, at every process start. Not here: the records
(`pipeline.py`) and the rules they are held against (`consistency.py`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path

from lake_assets.consistency import check
from lake_assets.pipeline import ZONE, Pipeline, with_delivered
from lake_assets.spec.pipeline import PipelineSpec
from resources.yamlfile import Mistake, Mistakes, YamlFile, shown_path

SHIPPED = Path(__file__).parent / "pipelines"

FILE = "pipeline.yaml"

_FOLDER = re.compile(r"[a-z][a-z0-9_]*")


def pipeline_folders(environ: Mapping[str, str] = os.environ) -> list[Path]:
    """The shipped folder of pipelines, then those that LAKE_PIPELINES lists."""
    further = filter(None, environ.get("LAKE_PIPELINES", "").split(os.pathsep))
    return [SHIPPED, *(Path(folder).expanduser() for folder in further)]


def load_pipelines(folders: Sequence[Path], today: date | None = None) -> list[Pipeline]:
    """Every pipeline of `folders`, sorted by folder then name; `Mistakes` where one is wrong."""
    pipelines, mistakes = read_pipelines(folders, today)
    if mistakes:
        raise Mistakes(mistakes)
    return pipelines


def read_pipelines(
    folders: Sequence[Path], today: date | None = None
) -> tuple[list[Pipeline], list[Mistake]]:
    """The pipelines whose records can be read, and all that is wrong in any of them."""
    mistakes: list[Mistake] = []
    pipelines: list[Pipeline] = []
    broken: list[YamlFile | None] = []
    for path in _files(folders, mistakes):
        file = None
        try:
            file = YamlFile(path, shown=shown_path(path))
            spec = file.record(PipelineSpec)
            pipelines.append(Pipeline(path.parent.name, path.parent, file, spec))
        except Mistakes as error:
            mistakes.extend(error.mistakes)
            broken.append(file)
    pipelines = with_delivered(pipelines)
    mistakes.extend(check(pipelines, broken, today or datetime.now(ZONE).date()))
    return pipelines, sorted(set(mistakes))


def _files(folders: Sequence[Path], mistakes: list[Mistake]) -> Iterator[Path]:
    first: dict[str, Path] = {}
    for folder in folders:
        if not folder.is_dir():
            cure = "make it, or take it out of LAKE_PIPELINES"
            mistakes.append(Mistake(shown_path(folder), 1, "there is no such folder", cure))
            continue
        if (folder / FILE).is_file():
            what = "is a pipeline itself, where LAKE_PIPELINES lists folders of pipelines"
            cure = f"write the folder that it lies in: {folder.absolute().parent}"
            mistakes.append(Mistake(shown_path(folder / FILE), 1, what, cure))
            continue
        for path in sorted(folder.glob(f"*/{FILE}")):
            name = path.parent.name
            if name.startswith((".", "_")):
                continue
            if not _FOLDER.fullmatch(name):
                what = f"the folder {name!r} is no name of a pipeline"
                mistakes.append(Mistake(shown_path(path), 1, what, "names match [a-z][a-z0-9_]*"))
            elif name in first:
                what = f"there are two pipelines {name!r}, the other in {shown_path(first[name])}"
                mistakes.append(Mistake(shown_path(path), 1, what, "rename one of the folders"))
            else:
                first[name] = path
                yield path
