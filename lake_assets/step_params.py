"""The parameters of a prep function as a pipeline file writes them.

Here: what a value may be by the function's annotations, told in the words of YAML, and the same for
the JSON schema. Not here: the rules of a step (`steps.py`) and the functions (`preps/`).
"""

from __future__ import annotations

import inspect
import json
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from lake_assets.preps.prep import Prep
from lake_assets.preps.selectors import Selector

#: Function → the parameter that says which columns it makes. By itself it would learn them of the
#: rows, and those of a dataset are declared.
LEARNED = {
    "nominal_to_binominal": "values",
    "nominal_to_numeric": "values",
    "split_columns": "parts",
}

_Place = tuple[str | int, ...]

#: Annotation → what a file writes for it, in words and as JSON schema calls it.
_SCALARS: dict[Any, tuple[str, str]] = {
    bool: ("true or false", "boolean"),
    int: ("a whole number", "integer"),
    float: ("a number", "number"),
    str: ("text", "string"),
}


@dataclass(frozen=True)
class Misfit:
    """A value that cannot be one of a parameter; `place` leads to it within the parameter."""

    place: _Place
    wanted: str
    found: object
    allowed: Sequence[str] = ()


@cache
def parameters(prep: Prep) -> dict[str, inspect.Parameter]:
    """What a file may set, by name, with annotations that are types. A clock is nothing for it."""
    whole = inspect.signature(prep.function, eval_str=True).parameters.values()
    return {one.name: one for one in list(whole)[prep.framed :] if _writable(one)}


def _writable(one: inspect.Parameter) -> bool:
    named = one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)
    return named and not _is_callable(one.annotation)


def _is_callable(annotation: Any) -> bool:
    import collections.abc

    members = [typing.get_origin(one) or one for one in _members(annotation)]
    return collections.abc.Callable in members


def required(prep: Prep) -> list[str]:
    """What a file must set: what has no default, and what would be learned of the rows."""
    learned = LEARNED.get(prep.name)
    empty = inspect.Parameter.empty
    return [n for n, one in parameters(prep).items() if one.default is empty or n == learned]


def takes_selector(prep: Prep, name: str) -> bool:
    return Selector in _members(parameters(prep)[name].annotation)


def signature(prep: Prep) -> str:
    """`sort(by, descending=false, nulls_last=true)`, the defaults as YAML has them."""
    told = [
        n if one.default is inspect.Parameter.empty else f"{n}={in_yaml(one.default)}"
        for n, one in parameters(prep).items()
    ]
    return f"{prep.name}({', '.join(told)})"


def in_yaml(value: Any) -> str:
    """A value in one line of YAML (which JSON is); blanks that nobody sees are escaped."""
    plain = json.dumps(value, ensure_ascii=False, default=list)
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in plain)


def misfits(annotation: Any, value: Any) -> Iterator[Misfit]:
    """Where `value` is not of `annotation`; nothing where it is."""
    members = list(_members(annotation))
    if any(_fits(member, value) for member in members):
        return
    # One kind of list or mapping is meant: what is wrong in it is told at its place.
    inner = [member for member in members if _same_shape(member, value)]
    if len(inner) == 1:
        found = list(_within(inner[0], value))
        if found:
            yield from found
            return
    if Selector in members:
        yield Misfit((), "a column, a list of columns, or a selector {value_type: numeric}", value)
        return
    literals = [str(x) for m in members if typing.get_origin(m) is Literal for x in m.__args__]
    wanted = ", or ".join(dict.fromkeys(filter(None, map(_words, members))))
    yield Misfit((), wanted, value, literals)


def _members(annotation: Any) -> Iterator[Any]:
    """What a union holds, flattened."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        for one in typing.get_args(annotation):
            yield from _members(one)
    elif typing.get_origin(annotation) is typing.Annotated:
        yield from _members(typing.get_args(annotation)[0])
    else:
        yield annotation


def _fits(annotation: Any, value: Any) -> bool:
    origin = typing.get_origin(annotation) or annotation
    if annotation is Any or annotation is object or annotation is inspect.Parameter.empty:
        return True
    if annotation in (None, type(None)):
        return value is None
    if origin is Literal:
        return any(type(value) is type(one) and value == one for one in annotation.__args__)
    if origin is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if origin in _SCALARS:
        return type(value) is origin
    if _same_shape(annotation, value):
        return not list(_within(annotation, value))
    return False


def _same_shape(annotation: Any, value: Any) -> bool:
    origin = typing.get_origin(annotation) or annotation
    if not isinstance(origin, type) or isinstance(value, str):
        return False
    if isinstance(value, list):
        return issubclass(list, origin) or origin is tuple
    return isinstance(value, dict) and issubclass(dict, origin)


def _within(annotation: Any, value: Any) -> Iterator[Misfit]:
    """What is wrong in the items of a list or a mapping."""
    arguments = typing.get_args(annotation)
    if isinstance(value, dict):
        of_key, of_value = arguments or (Any, Any)
        for key, one in value.items():
            for wrong in misfits(of_key, key):
                yield Misfit((key,), f"as a key {wrong.wanted}", key, wrong.allowed)
            yield from (_deeper(key, wrong) for wrong in misfits(of_value, one))
        return
    fixed = typing.get_origin(annotation) is tuple and Ellipsis not in arguments
    if fixed and len(arguments) != len(value):
        yield Misfit((), f"a list of {len(arguments)}", value)
        return
    for index, one in enumerate(value):
        of_item = arguments[index] if fixed else arguments[0] if arguments else Any
        yield from (_deeper(index, wrong) for wrong in misfits(of_item, one))


def _deeper(step: str | int, wrong: Misfit) -> Misfit:
    return Misfit((step, *wrong.place), wrong.wanted, wrong.found, wrong.allowed)


def _words(annotation: Any) -> str:
    """What is allowed, in words; '' of what a file cannot write."""
    origin = typing.get_origin(annotation) or annotation
    if origin is Literal:
        *most, last = map(in_yaml, annotation.__args__)
        return f"{', '.join(most)} or {last}" if most else last
    if origin in _SCALARS:
        return _SCALARS[origin][0]
    if annotation in (None, type(None), Selector) or not isinstance(origin, type):
        return ""
    if issubclass(dict, origin) and origin is not object and issubclass(origin, Mapping):
        return "keys and values: {key: value}"
    if issubclass(list, origin) or origin is tuple:
        arguments = typing.get_args(annotation)
        fixed = origin is tuple and Ellipsis not in arguments
        return f"a list of {len(arguments)}" if fixed else "a list: [one, another]"
    return ""


# --- the JSON schema -----------------------------------------------------------------------------


def json_schema(prep: Prep) -> dict[str, Any]:
    """The parameters of a step as JSON schema has them, with which editors complete them."""
    found: dict[str, Any] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {name: _json_type(one.annotation) for name, one in parameters(prep).items()},
    }
    needed = required(prep)
    return found | ({"required": needed} if needed else {})


def steps_schema() -> dict[str, Any]:
    """A step as a file writes it: a name alone, or one key with its parameters."""
    from lake_assets.preps.catalogue import CATALOGUE

    steps = {name: prep for name, prep in sorted(CATALOGUE.items()) if prep.step}
    alone = [name for name, prep in steps.items() if not required(prep)]
    return {
        "anyOf": [
            {"enum": alone},
            {
                "type": "object",
                "additionalProperties": False,
                "minProperties": 1,
                "maxProperties": 1,
                "properties": {name: json_schema(prep) for name, prep in steps.items()},
            },
        ]
    }


def _json_type(annotation: Any) -> dict[str, Any]:
    found = [one for member in _members(annotation) if (one := _json_member(member)) is not None]
    if not found or {} in found:
        return {}
    return found[0] if len(found) == 1 else {"anyOf": found}


def _json_member(annotation: Any) -> dict[str, Any] | None:
    origin = typing.get_origin(annotation) or annotation
    if annotation is Any or annotation is object:
        return {}
    if origin is Literal:
        return {"enum": list(annotation.__args__)}
    if origin in _SCALARS:
        return {"type": _SCALARS[origin][1]}
    if annotation in (None, type(None)):
        return {"type": "null"}
    words = _words(annotation)
    if words.startswith("keys"):
        return {"type": "object"}
    if words.startswith("a list"):
        arguments = typing.get_args(annotation)
        fixed = words != "a list: [one, another]"
        items = {} if fixed or not arguments else _json_type(arguments[0])
        return {"type": "array"} | ({"items": items} if items else {})
    return None
