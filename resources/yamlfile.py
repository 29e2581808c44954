"""YAML files read into records, and what is wrong with them told by line.

Here: reading with libyaml, the line of every key, `Mistake` and how pydantic's errors become some.
Not here: what a file must contain, which its own record says.
"""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from resources.errors import UsageError

Place = tuple[str | int, ...]
Record = TypeVar("Record", bound=BaseModel)

#: Keys whose value is never repeated in a message.
SECRET_PLACES = (("password",), ("token",), ("secret",))

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, order=True)
class Mistake:
    """One thing wrong in one place. `line` counts from 1; `cure` says what is allowed or nearest."""

    file: str
    line: int
    what: str
    cure: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.what}" + (f"\n    {self.cure}" if self.cure else "")


class Mistakes(UsageError):
    """All that is wrong, at once, in the order of the files."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = sorted(set(mistakes))
        count = len(self.mistakes)
        head = f"{count} mistake{'s' if count != 1 else ''}:"
        super().__init__("\n".join([head, *map(str, self.mistakes)]))


def nearest(word: str, allowed: Iterable[str]) -> str:
    """`did you mean 'x'? ` where one of `allowed` is near, then the list of them (at most 20)."""
    names = sorted(set(map(str, allowed)))
    near = difflib.get_close_matches(str(word), names, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]!r}? " if near else ""
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return f"{hint}allowed: {', '.join(names[:20])}{more}" if names else "nothing is allowed here"


class _UniqueKeys(_Loader):  # type: ignore[misc, valid-type]
    """libyaml lets the last of two equal keys win in silence; here they are a mistake."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: dict[Any, Any] = {}
        for key_node, _ in node.value:
            key = key_node.value
            if key in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {key!r} stands here twice, first in line "
                    f"{seen[key].line + 1}",
                    problem_mark=key_node.start_mark,
                )
            seen[key] = key_node.start_mark
        return super().construct_mapping(node, deep)


# Dates stay text: `2024-01-01` and `"2024-01-01"` mean the same in a pipeline file, and whether it
# is a real date is told in the file's own words.
_UniqueKeys.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in _Loader.yaml_implicit_resolvers.items()
}


class YamlFile:
    """One file: its data at once, the lines of its keys only when something is wrong."""

    def __init__(self, path: Path, shown: str | None = None) -> None:
        self.path = path
        self.shown = shown or str(path)
        try:
            self.text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise Mistakes([Mistake(self.shown, 1, f"not UTF-8: {error.reason}")]) from None
        except OSError as error:
            raise Mistakes([Mistake(self.shown, 1, f"cannot be read: {error.strerror}")]) from None
        self._lines: dict[Place, int] | None = None
        try:
            self.data: Any = yaml.load(self.text, _UniqueKeys)  # noqa: S506 - a safe loader
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            what = error.problem or error.context or "not YAML"
            line = mark.line + 1 if mark else 1
            raise Mistakes([Mistake(self.shown, line, f"not YAML: {what}")]) from None
        except (yaml.YAMLError, ValueError) as error:
            raise Mistakes([Mistake(self.shown, 1, f"not YAML: {error}")]) from None

    def line(self, place: Place) -> int:
        """The line of the key at `place`, or of its nearest parent that stands in the file."""
        if self._lines is None:
            self._lines = {(): 1}
            node = yaml.compose(self.text, _UniqueKeys)
            if node is not None:
                self._walk(node, ())
        while place not in self._lines:
            place = place[:-1]
        return self._lines[place]

    def _walk(self, node: Any, place: Place) -> None:
        assert self._lines is not None
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                self._lines[(*place, key.value)] = key.start_mark.line + 1
                self._walk(value, (*place, key.value))
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                self._lines[(*place, index)] = value.start_mark.line + 1
                self._walk(value, (*place, index))

    def mistake(self, place: Place, what: str, cure: str = "") -> Mistake:
        return Mistake(self.shown, self.line(place), what, cure)

    def record(self, model: type[Record]) -> Record:
        """The file as `model`; every mistake at once in `Mistakes`."""
        if not isinstance(self.data, dict):
            raise Mistakes([self.mistake((), "the file must be a mapping of keys to values")])
        try:
            return model.model_validate(self.data)
        except ValidationError as error:
            raise Mistakes(self._explain(model, error)) from None

    def _explain(self, model: type[BaseModel], error: ValidationError) -> Iterable[Mistake]:
        for one in error.errors(include_url=False):
            place = self._in_file(one["loc"])
            dotted = ".".join(map(str, place)) or "the file"
            kind, message = one["type"], one["msg"]
            message = message.removeprefix("Value error, ").removeprefix("Assertion failed, ")
            if kind == "extra_forbidden":
                fields = _fields_at(model, one["loc"][:-1])
                yield self.mistake(place, f"{dotted}: unknown key", nearest(str(place[-1]), fields))
            elif kind == "missing":
                name = str(one["loc"][-1])
                where = ".".join(map(str, place)) or "the file"
                yield self.mistake(place, f"{where}: the key {name!r} is missing", "add it here")
            else:
                found = one.get("input")
                # What stands under such a key may be the secret itself.
                hidden = isinstance(found, dict | list) or place[-1:] in SECRET_PLACES
                shown = "" if hidden else f" (found {found!r})"
                yield self.mistake(place, f"{dotted}: {message}{shown}")

    def _in_file(self, loc: Sequence[str | int]) -> Place:
        """Pydantic's location without what is no key of the file (union tags, `[key]`)."""
        data, place = self.data, []
        for step in loc:
            if isinstance(data, dict) and step in data:
                data = data[step]
                place.append(step)
            elif isinstance(data, list) and isinstance(step, int) and step < len(data):
                data = data[step]
                place.append(step)
        return tuple(place)


def _fields_at(model: type[BaseModel], loc: Sequence[str | int]) -> list[str]:
    """The keys allowed at a location: those of the record that stands there."""
    current: Any = model
    for step in loc:
        options = [current, *_inside(current)]
        for option in options:
            if isinstance(option, type) and issubclass(option, BaseModel):
                by_name = {f.alias or n: f.annotation for n, f in option.model_fields.items()}
                if step in by_name:
                    current = by_name[step]
                    break
                if option.__name__ == step:
                    current = option
                    break
        else:
            if isinstance(step, str | int):
                members = [o for o in options if _value_of(o) is not None]
                if members:
                    current = _value_of(members[0])
    for option in [current, *_inside(current)]:
        if isinstance(option, type) and issubclass(option, BaseModel):
            return [f.alias or n for n, f in option.model_fields.items()]
    return []


def _inside(annotation: Any) -> list[Any]:
    """The members of a union or `Annotated`, flattened."""
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        return [o for arg in typing.get_args(annotation) for o in (arg, *_inside(arg))]
    if origin is typing.Annotated:
        first = typing.get_args(annotation)[0]
        return [first, *_inside(first)]
    return []


def _value_of(annotation: Any) -> Any:
    origin = typing.get_origin(annotation)
    if origin in (dict, list, tuple):
        return typing.get_args(annotation)[-1]
    return None
