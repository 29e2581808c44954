"""A pipeline's own Python: `transform.py:function` called with frames, `assets.py` loaded.

Here: loading the files of a pipeline's folder, calling a transform by the names and annotations of
its arguments, and holding its result against the declared columns. Not here: the frames themselves
(`resources/frames.py`), reading and writing the lake.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, get_type_hints

import pyarrow as pa

from resources.errors import LakeError, PermanentError
from resources.frames import kind_of, to_frame, to_table
from resources.yamlfile import Mistake, Mistakes, shown_path


def load_module(file: Path) -> ModuleType:
    """A Python file of a pipeline's folder as a module of its own, read again when it changes.

    Whatever it raises is a mistake of the file, told at its line in `Mistakes`.
    """
    return _module(file, file.stat().st_mtime_ns)


@cache
def _module(file: Path, modified: int) -> ModuleType:
    name = f"lake_pipeline_{file.parent.name}_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        # Not by the loader: its byte code is told apart by whole seconds and size only.
        exec(compile(file.read_bytes(), str(file), "exec"), vars(module))  # noqa: S102
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        where, line = last_line(error, file.parent) or (file, 1)
        what = f"cannot be loaded: {type(error).__name__}: {error}"
        if isinstance(error, SyntaxError) and error.filename == spec.origin:
            # In the words of `signature.py`, so that it is told once.
            line, what = error.lineno or 1, f"not Python: {error.msg}"
        cure = "install it where the lake runs, or take the import out"
        raise Mistakes(
            [Mistake(shown_path(where), line, what, cure if isinstance(error, ImportError) else "")]
        ) from error
    return module


def last_line(error: BaseException, folder: Path) -> tuple[Path, int] | None:
    """The innermost file and line below `folder` that an exception came through."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if Path(f.filename).is_relative_to(folder.absolute())]
    return (Path(own[-1].filename), own[-1].lineno or 1) if own else None


def call(
    function: Callable[..., Any],
    tables: Mapping[str, Callable[[], pa.Table]],
    words: Mapping[str, Any],
    name: str,
) -> pa.Table:
    """Call a transform: arguments named as inputs get frames, others words (partition, params).

    `tables` are read only where the function asks for them. An argument without annotation gets a
    Polars DataFrame. A lazy frame is collected here, as only then its function's mistakes show.
    """
    hints = get_type_hints(function)
    arguments: dict[str, Any] = {}
    for argument in inspect.signature(function).parameters:
        if argument in tables:
            kind = kind_of(hints.get(argument)) or "polars.DataFrame"
            arguments[argument] = to_frame(tables[argument](), kind)
        elif argument in words:
            arguments[argument] = words[argument]
    frame = function(**arguments)
    if frame is None:
        raise PermanentError(
            f"{name}: {function.__name__} in {_begin(function)} returned nothing: is a return "
            "missing?"
        )
    try:
        return to_table(frame)
    except PermanentError as error:
        raise PermanentError(
            f"{name}: what {function.__name__} in {_begin(function)} returned: {error}"
        ) from None


def place(error: Exception, function: Callable[..., Any], folder: Path) -> str:
    """The innermost line below `folder` that an exception came through: `…/transform.py:12`.

    The function's first line where it came through none: of a lazy frame, or a wrong argument.
    """
    found = last_line(error, folder)
    return f"{shown_path(found[0])}:{found[1]}" if found else _begin(function)


@contextmanager
def told(
    name: str, function: Callable[..., Any], folder: Path, *, personal: bool
) -> Iterator[None]:
    """What a pipeline's own function raises, as a PermanentError that says where.

    `personal`: its words may quote a value that nobody is to see, and so may those of its causes.
    """
    try:
        yield
    except LakeError:
        raise
    except Exception as error:
        at = place(error, function, folder)
        what = f"{name}: {function.__name__} raised {type(error).__name__} at {at}"
        if not personal:
            raise PermanentError(f"{what}: {error}") from error
        raise PermanentError(
            f"{what}. What it says is not shown, because columns are personal; call it by hand on "
            "`lake_assets.read(…)`."
        ) from None


def _begin(function: Callable[..., Any]) -> str:
    code = inspect.unwrap(function).__code__
    return f"{shown_path(Path(code.co_filename))}:{code.co_firstlineno}"


def unfit(what: str, problems: Sequence[str]) -> PermanentError:
    """Columns that are not as declared, one a line."""
    return PermanentError(
        "\n".join(
            [
                f"{what} does not fit the declared columns:",
                *(f"    {problem}" for problem in problems),
            ]
        )
    )


def fitted(table: pa.Table, schema: pa.Schema, what: str) -> pa.Table:
    """What a transform or steps gave back, in the declared columns and types.

    Columns may come in any order. What is missing, undeclared, or does not fit its type without
    loss is one PermanentError that names every such column.
    """
    have, want = set(table.schema.names), set(schema.names)
    problems = [f"column {column!r} is missing" for column in schema.names if column not in have]
    problems += [f"column {column!r} is not declared" for column in sorted(have - want)]
    arrays = []
    for field in schema:
        if field.name not in have:
            continue
        column = table.column(field.name)
        try:
            arrays.append(column.cast(field.type))
        except pa.ArrowException:
            # Arrow's own words quote the value, which may be personal.
            problems.append(
                f"column {field.name!r} is {column.type}, declared {field.type}, and not every "
                "value fits"
            )
    if problems:
        raise unfit(what, problems)
    return pa.table(arrays, schema=schema)
