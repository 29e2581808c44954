"""The prep functions as people read them: a line, a text, a worked example with its step, pages.

Here: docstrings and signatures made into text and Markdown. Not here: printing it (`cli/preps.py`)
and the functions (`preps/`).
"""

from __future__ import annotations

import ast
import doctest
import inspect
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

import lake_assets.preps
from lake_assets import step_params
from lake_assets.preps import Prep, Selector, fit

#: In docs/preps.md what is below it is generated.
MARK = "<!-- below: lake preps --docs -->"


def shown(prep: Prep) -> str:
    """The signature as Python calls it: what stands behind `*` is given by name alone."""
    told = []
    for one in inspect.signature(prep.function).parameters.values():
        if one.kind is one.KEYWORD_ONLY and "*" not in told:
            told.append("*")
        plain = one.default is one.empty or callable(one.default)
        told.append(one.name if plain else f"{one.name}={one.default!r}")
    return f"{prep.name}({', '.join(told)})"


#: What `columns` may be, of each function that takes them.
SELECTOR = (
    "Columns are a name, a list of names, or a selector: {value_type: numeric} (integer, real, "
    "nominal, binominal, date, date_time), {regular_expression: 'amt_.*'} or {subset: [a, b]}, "
    "with `except` and `invert` beside them; in Python a dict of the same, or Selector(...)."
)


def takes_selector(prep: Prep) -> bool:
    return prep.step and any(
        step_params.takes_selector(prep, name) for name in step_params.parameters(prep)
    )


def line(prep: Prep) -> str:
    """What it does, in one sentence."""
    return inspect.cleandoc(prep.function.__doc__ or "").partition("\n\n")[0].replace("\n", " ")


def text(prep: Prep) -> str:
    """The docstring without its examples."""
    parts = doctest.DocTestParser().parse(inspect.cleandoc(prep.function.__doc__ or ""))
    return "".join(part for part in parts if isinstance(part, str)).strip()


def example(prep: Prep) -> str:
    """The worked example as in a Python session, with the imports that it needs."""
    parts = doctest.DocTestParser().parse(inspect.cleandoc(prep.function.__doc__ or ""))
    examples = [part for part in parts if isinstance(part, doctest.Example)]
    lines = [f">>> {one}" for one in _imports(prep, "".join(one.source for one in examples))]
    for part in examples:
        first, *more = part.source.rstrip("\n").split("\n")
        lines += [f">>> {first}", *(f"... {one}" for one in more)]
        lines += part.want.rstrip("\n").split("\n") if part.want else []
    return "\n".join(lines)


def _imports(prep: Prep, source: str) -> Iterator[str]:
    """Imports of the names that an example uses and its docstring's module has."""
    nodes = list(ast.walk(ast.parse(source)))
    used = {one.id for one in nodes if isinstance(one, ast.Name)}
    made = {one.id for one in nodes if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}
    made |= {alias.asname or alias.name for one in nodes for alias in getattr(one, "names", ())}
    module = vars(sys.modules[prep.function.__module__])
    for name in sorted((used - made) & module.keys()):
        value = module[name]
        public = getattr(lake_assets.preps, name, None) is value
        if inspect.ismodule(value):
            yield f"import {value.__name__} as {name}"
        else:
            yield f"from {'lake_assets.preps' if public else value.__module__} import {name}"


def step(prep: Prep) -> str:
    """The worked example as a step of a pipeline file: '' of what is none."""
    params = _called(prep) if prep.step else None
    if params is None:
        return ""
    if not params:
        return f"- {_written(prep.name, flow=True).split()[0]}"  # null stands in quotes
    short = _written(params, flow=True)
    if len(short) + len(prep.name) <= 84:
        return f"- {prep.name}: {short}"
    indented = "\n".join(f"    {one}" for one in _written(params, flow=None).split("\n"))
    return f"- {prep.name}:\n{indented}"


def _written(value: Any, flow: bool | None) -> str:
    """YAML in one line (`flow`), or only what has no lists or mappings in it."""
    written = yaml.safe_dump(
        value, allow_unicode=True, sort_keys=False, default_flow_style=flow, width=1_000
    )
    return written.rstrip("\n")


def _called(prep: Prep) -> Mapping[str, Any] | None:
    """The parameters of the first call in the examples that a file could write.

    A function that learns its columns is fitted on the example's rows, as a file must name them.
    """
    examples = doctest.DocTestParser().get_examples(inspect.cleandoc(prep.function.__doc__ or ""))
    names = dict(vars(sys.modules[prep.function.__module__]))
    for one in examples:
        for node in ast.walk(ast.parse(one.source)):
            if isinstance(node, ast.Call) and getattr(node.func, "id", None) == prep.name:
                try:
                    given = [_value(part) for part in node.args[1:]]
                    named = {str(part.arg): _value(part.value) for part in node.keywords}
                except ValueError:
                    continue
                params = prep.signature.bind(*given, **named).arguments
                if step_params.LEARNED.get(prep.name, prep.name) in (prep.name, *params):
                    return params
                frame = eval(ast.unparse(node.args[0]), names)  # noqa: S307 - our own docstring
                return fit(prep.function, frame, **params).params
        exec(one.source, names)  # noqa: S102
    return None


def _value(node: ast.expr) -> Any:
    """A literal as a file has it: tuples are lists, a selector is a mapping."""
    if isinstance(node, ast.Call) and getattr(node.func, "id", None) == Selector.__name__:
        return {str(one.arg).rstrip("_"): _value(one.value) for one in node.keywords}
    return _plain(ast.literal_eval(node))


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return value


# --- pages ---------------------------------------------------------------------------------------


def pages(preps: Sequence[Prep], index: str) -> dict[str, str]:
    """File → text: one page a family, and `index` (docs/preps.md as it is) with its lists anew."""
    families: dict[str, list[Prep]] = {}
    for prep in sorted(preps, key=lambda one: (one.family, one.number or 99, one.name)):
        families.setdefault(prep.family, []).append(prep)
    head = index.partition(MARK)[0]
    lists = "\n\n".join(_list(family, of) for family, of in families.items())
    found = {"preps.md": f"{head}{MARK}\n\n{lists}\n"}
    for family, of in families.items():
        found[f"preps/{family}.md"] = "\n\n".join(_page(family, of)) + "\n"
    return found


def write(preps: Sequence[Prep], folder: Path) -> list[Path]:
    """Write the pages below `folder`; those that changed."""
    index = folder / "preps.md"
    changed = []
    for name, content in pages(preps, index.read_text(encoding="utf-8")).items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != content:
            path.write_text(content, encoding="utf-8")
            changed.append(path)
    return changed


def _about(family: Sequence[Prep]) -> str:
    """The first sentence of the module that the family's functions are in."""
    module = sys.modules[family[0].function.__module__]
    return inspect.cleandoc(module.__doc__ or "").partition("\n\n")[0].replace("\n", " ")


def _list(family: str, of: Sequence[Prep]) -> str:
    lines = [
        f"### [{family}](preps/{family}.md)",
        "",
        _about(of),
        "",
        "| | | step |",
        "|---|---|---|",
    ]
    for prep in of:
        name = f"[`{prep.name}`](preps/{family}.md#{prep.name})"
        lines.append(f"| {name} | {_cell(line(prep))} | {'✔' if prep.step else ''} |")
    return "\n".join(lines)


def _cell(words: str) -> str:
    return words.replace("|", "\\|")


def _page(family: str, of: Sequence[Prep]) -> Iterator[str]:
    yield f"# {family}"
    yield f"{_about(of)} ([all functions](../preps.md); made by `lake preps --docs docs`)"
    for prep in of:
        yield f"## {prep.name}"
        yield f"`{shown(prep)}`"
        yield text(prep)
        if takes_selector(prep):
            yield SELECTOR
        if example(prep):
            yield f"```python\n{example(prep)}\n```"
        if step(prep):
            yield f"As a step:\n\n```yaml\n{step(prep)}\n```"
        elif not prep.step:
            yield "It is no step of a pipeline file."
