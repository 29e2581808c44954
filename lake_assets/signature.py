"""The Python functions that pipeline files name, read but never imported.

Here: finding a function in its file, and whether it takes what it will be given by name. Not here:
calling it (`transform.py`).
"""

from __future__ import annotations

import ast
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass

from lake_assets.pipeline import Asset
from resources.yamlfile import Mistake, Place, nearest, shown_path

#: How a transform says which engine its inputs are of.
FRAMES = {
    "polars.DataFrame": "polars",
    "polars.LazyFrame": "polars",
    "pandas.DataFrame": "pandas",
    "pyarrow.Table": "pyarrow",
}

_SCALARS = ("str", "int", "float", "bool", "datetime.date", "None")


@dataclass(frozen=True)
class Function:
    """A function of a pipeline's file: the file as it is shown, its text, what it imports."""

    path: str
    node: ast.FunctionDef
    imported: Mapping[str, str]


def function_of(
    asset: Asset, place: Place, reference: str
) -> Generator[Mistake, None, Function | None]:
    file, _, function = reference.partition(":")
    path = asset.pipeline.folder / file
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    except OSError:
        there = [p.name for p in sorted(asset.pipeline.folder.glob("*.py"))]
        cure = f"there is no such file in {shown_path(path.parent)}: write it"
        cure = nearest(file, there) if there else cure
        yield asset.mistake(place, f"there is no file {shown_path(path)}", cure)
        return None
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        yield Mistake(shown_path(path), line, f"not Python: {getattr(error, 'msg', error)}")
        return None
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    found = functions.get(function)
    if found is None:
        what = f"{shown_path(path)} has no function {function!r}"
        yield asset.mistake(place, what, nearest(function, functions))
        return None
    return Function(shown_path(path), found, _imported(tree))


def check_signature(asset: Asset, transform: Function) -> Iterator[Mistake]:
    """Arguments are given by name: inputs, parameters and what is said of the partition."""
    path, function, imported = transform.path, transform.node, transform.imported
    inputs = asset.inputs
    of = asset.partitions
    params = [*asset.pipeline.spec.params, *(of.words(of.first, of.first) if of else ())]
    named = [*function.args.args, *function.args.kwonlyargs]
    starred = [function.args.vararg, function.args.kwarg, *function.args.posonlyargs]
    for argument in filter(None, starred):
        what = f"{function.name}: {argument.arg!r} cannot be given by name"
        yield Mistake(path, argument.lineno, what, "write each argument out, without *, ** and /")
    for argument in named:
        note = _annotation(argument.annotation, imported)
        what = cure = ""
        if argument.arg not in inputs and argument.arg not in params:
            what = f"{asset.key} has no input or parameter {argument.arg!r}"
            cure = nearest(argument.arg, [*inputs, *params])
        elif argument.arg in inputs and note not in FRAMES:
            what = f"the input {argument.arg!r} needs the annotation of a frame"
            cure = nearest(note or "", FRAMES)
        elif argument.arg in params and note is not None and note not in _SCALARS:
            what = f"{note} is no annotation of a parameter"
            cure = nearest(note, _SCALARS)
        if what:
            yield Mistake(path, argument.lineno, f"{function.name}: {what}", cure)
    for alias in inputs:
        if alias not in [argument.arg for argument in named]:
            what = f"{function.name}: the input {alias!r} is no argument"
            cure = (
                f"add it, or take {inputs[alias]} out of the inputs in {asset.pipeline.file.shown}"
            )
            yield Mistake(path, function.lineno, what, cure)
    note = _annotation(function.returns, imported)
    if note not in FRAMES:
        what = f"{function.name}: it must be annotated with the frame it returns"
        yield Mistake(path, function.lineno, what, nearest(note or "", FRAMES))


def _imported(tree: ast.Module) -> dict[str, str]:
    """Name in the module → full name: `{'pl': 'polars', 'date': 'datetime.date'}`."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update({a.asname or a.name: a.name for a in node.names})
        elif isinstance(node, ast.ImportFrom):
            found.update({a.asname or a.name: f"{node.module}.{a.name}" for a in node.names})
    return found


def _annotation(node: ast.expr | None, imported: Mapping[str, str]) -> str | None:
    if node is None:
        return None
    text = node.value if isinstance(node, ast.Constant) else ast.unparse(node)
    head, dot, rest = str(text).strip().partition(".")
    return imported.get(head, head) + dot + rest
