"""YAML files read into records, and what is wrong with them told by line.

Here: reading with libyaml, the line of every key, `Mistake` and how pydantic's errors become some.
Not here: what a file must contain, which its own record says.
"""

from __future__ import annotations

import difflib
import re
import types
import typing
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from resources.errors import UsageError
from resources.yaml_words import told

Place = tuple[str | int, ...]
Record = TypeVar("Record", bound=BaseModel)

#: Keys whose value is never repeated in a message.
SECRET_PLACES = (("password",), ("token",), ("secret",))


@dataclass(frozen=True, order=True)
class Mistake:
    """One thing wrong in one place. `line` counts from 1; `cure`: what is allowed, the nearest."""

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


def shown_path(path: Path) -> str:
    """Relative to the current folder where it lies in it."""
    try:
        return str(path.absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def dotted(place: Place, data: Any = None) -> str:
    """A place as messages name it, what is in a list counted from 1: `steps.#2.trim`.

    `data` tells keys that are numbers from places in a list.
    """
    names = []
    for step in place:
        counted = isinstance(step, int) and not isinstance(data, dict)
        names.append(f"#{int(step) + 1}" if counted else str(step))
        known = isinstance(data, dict) and step in data
        data = data[step] if known or (isinstance(data, list) and counted) else None
    return ".".join(names)


def _near(word: str, names: Sequence[str]) -> str | None:
    """The name that is near, whatever its case; of a path its last part has to be near too."""
    there = {name.lower(): name for name in names}
    last = word.lower().rpartition("/")[2]
    for found in difflib.get_close_matches(word.lower(), there, n=20, cutoff=0.6):
        if difflib.get_close_matches(last, [found.rpartition("/")[2]], cutoff=0.6):
            return there[found]
    return None


def nearest(word: str, allowed: Iterable[str]) -> str:
    """`did you mean 'x'? ` where one of `allowed` is near, then the list of them (at most 20)."""
    names = sorted(set(map(str, allowed)))
    near = _near(str(word), names)
    hint = f"did you mean {near!r}? " if near else ""
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return f"{hint}allowed: {', '.join(names[:20])}{more}" if names else "nothing is allowed here"


def _scalar(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"^(?:{pattern})$")


# YAML 1.2's plain scalars instead of 1.1's: `no` is text (the code of Norway), `12:30` is no number
# in base 60, and a code such as 0100 keeps its zero. Dates stay text too: `2024-01-01` and
# `"2024-01-01"` mean the same, and whether one is a real date is told in the file's own words.
_E = "[eE][-+]?[0-9]+"
_PLAIN = (
    ("null", _scalar(r"~|null|Null|NULL|"), ["~", "n", "N", ""]),
    ("bool", _scalar(r"true|True|TRUE|false|False|FALSE"), list("tTfF")),
    ("int", _scalar(r"[-+]?(?:0|[1-9][0-9]*)"), list("-+0123456789")),
    ("float",
     _scalar(rf"[-+]?(?:(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:{_E})?|[0-9]+{_E})"),
     list(".-+0123456789")),
    ("merge", _scalar("<<"), ["<"]),
)  # fmt: skip
_TAG = "tag:yaml.org,2002:"
_BOOL, _INT, _FLOAT, _NULL = (_TAG + name for name in ("bool", "int", "float", "null"))


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own name and shape
        first: [(_TAG + name, regexp) for name, regexp, firsts in _PLAIN if first in firsts]
        for first in {first for _, _, firsts in _PLAIN for first in firsts}
    }


#: The rest of `decimal(18,2)` behind its comma.
_TORN = re.compile(r"[0-9]+ *\)")


class _Data:
    """Composed nodes made into data, with all keys that stand twice.

    PyYAML's own constructor lets the last of two equal keys win in silence, and is slower.
    """

    def __init__(self, loader: Any) -> None:
        self.loader = loader
        self.wrong: list[tuple[int, str, str]] = []
        self.made: dict[int, Any] = {}

    def of(self, node: Any) -> Any:
        if isinstance(node, yaml.ScalarNode):
            tag, text = node.tag, node.value
            if tag == _BOOL:
                return text[0] in "tT"
            if tag == _INT:
                return int(text)
            if tag == _FLOAT:
                return float(text)
            return None if tag == _NULL else text
        if id(node) in self.made:  # an alias
            return self.made[id(node)]
        if isinstance(node, yaml.SequenceNode):
            items: list[Any] = []
            self.made[id(node)] = items
            items.extend(self.of(value) for value in node.value)
            return items
        return self._mapping(node)

    def _mapping(self, node: Any) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        self.made[id(node)] = found
        first: dict[Any, Any] = {}
        merged, before = False, ""
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._note(key_node, "a key must be one word, not a list or mapping")
                continue
            merged = merged or key_node.tag == _TAG + "merge"
            key = _key(key_node)
            if _TORN.fullmatch(key_node.value) and value_node.value == "" and before:
                # `{type: decimal(18,2)}`: in braces a comma ends the text.
                whole = f"{before}, {key_node.value}".replace(", ", ",")
                cure = f'put it in quotes: "{whole}"'
                self._note(key_node, f"in braces the comma of {whole} ends the text", cure)
            before = value_node.value if isinstance(value_node, yaml.ScalarNode) else ""
            if key in first:
                line = first[key].start_mark.line + 1
                self._note(key_node, f"the key {key!r} stands here twice, first in line {line}")
            first[key] = key_node
            found[key] = self.of(value_node)
        if merged:
            self.loader.flatten_mapping(node)
            found.clear()
            found.update((_key(key), self.of(value)) for key, value in node.value)
        return found

    def _note(self, node: Any, what: str, cure: str = "") -> None:
        self.wrong.append((node.start_mark.line + 1, what, cure))


def _key(node: Any) -> Any:
    """A key as data. `null` is the word itself: there is a prep function of the name."""
    return node.value if node.tag == _NULL and node.value else _Data(None).of(node)


#: Pydantic's kinds of errors in the words of a file; its own speak of Python.
_WORDS = {
    "string_type": "write one text, in quotes where it looks like something else",
    "list_type": "write a list: [one, another]",
    "dict_type": "write keys and values: {{key: value}}",
    "model_type": "write keys and values: {{key: value}}",
    "model_attributes_type": "write keys and values: {{key: value}}",
    "bool_type": "write true or false",
    "bool_parsing": "write true or false",
    "int_type": "write a whole number",
    "int_parsing": "write a whole number",
    "int_from_float": "write a whole number",
    "float_type": "write a number",
    "float_parsing": "write a number",
    "literal_error": "write {expected}",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "too_short": "needs at least {min_length}",
    "too_long": "takes at most {max_length}",
}


class YamlFile:
    """One file: its data at once, the lines of its keys only when something is wrong."""

    def __init__(self, path: Path, shown: str | None = None) -> None:
        self.path = path
        self.shown = shown or str(path)
        try:
            self.text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            line = error.object[: error.start].count(b"\n") + 1
            what, cure = f"not UTF-8: {error.reason}", "save the file as UTF-8"
            raise Mistakes([Mistake(self.shown, line, what, cure)]) from None
        except OSError as error:
            raise Mistakes([Mistake(self.shown, 1, f"cannot be read: {error.strerror}")]) from None
        self._lines: dict[Place, int] | None = None
        loader = _Loader(self.text)
        try:
            data = _Data(loader)
            self.data: Any = data.of(node) if (node := loader.get_single_node()) else None
        except yaml.MarkedYAMLError as error:
            line, what, cure = told(error, self.text, _Loader)
            raise Mistakes([Mistake(self.shown, line, what, cure)]) from None
        except yaml.reader.ReaderError as error:
            line = self.text.encode()[: error.position].count(b"\n") + 1
            raise Mistakes([Mistake(self.shown, line, f"not YAML: {error.reason}")]) from None
        except ValueError as error:  # `!!int abc`, or a number of more than 4,300 digits
            raise Mistakes([Mistake(self.shown, 1, f"not YAML: {error}")]) from None
        finally:
            loader.dispose()
        if data.wrong:
            raise Mistakes(Mistake(self.shown, *wrong) for wrong in data.wrong)

    def line(self, place: Place) -> int:
        """The line of the key at `place`, or of its nearest parent that stands in the file."""
        if self._lines is None:
            self._lines = {(): 1}
            node = yaml.compose(self.text, _Loader)
            if node is not None:
                self._walk(node, (), self._lines)
        while place not in self._lines:
            place = place[:-1]
        return self._lines[place]

    def block_line(self, place: Place, line: int = 1) -> int:
        """The file's line of the `line`-th line of the text at `place` (`|` blocks and plain)."""
        node = yaml.compose(self.text, _Loader)
        for step in place:
            if isinstance(node, yaml.MappingNode):
                node = next(value for key, value in node.value if key.value == str(step))
            elif isinstance(node, yaml.SequenceNode):
                node = node.value[int(step)]
        assert isinstance(node, yaml.ScalarNode)
        start = node.start_mark.line + 1 + (node.style in ("|", ">"))
        return start + line - 1

    def _walk(self, node: Any, place: Place, lines: dict[Place, int]) -> None:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                here = (*place, _key(key))
                lines[here] = key.start_mark.line + 1
                self._walk(value, here, lines)
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                here = (*place, index)
                lines[here] = value.start_mark.line + 1
                self._walk(value, here, lines)

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
            at = dotted(place, self.data) or "the file"
            kind, message = one["type"], one["msg"]
            message = message.removeprefix("Value error, ").removeprefix("Assertion failed, ")
            if kind in _WORDS:
                message = _WORDS[kind].format(**one.get("ctx", {}))
            found = one.get("input")
            if kind == "extra_forbidden":
                fields = _fields_at(model, one["loc"][:-1])
                yield self.mistake(place, f"{at}: unknown key", nearest(str(place[-1]), fields))
            elif kind == "missing":
                name = str(one["loc"][-1])
                yield self.mistake(place, f"{at}: the key {name!r} is missing", "add it here")
            elif kind == "invalid_key":
                yield self.mistake(place, f"{at}: a key must be text", 'put it in quotes: "1"')
            else:
                # What stands under such a key may be the secret itself.
                hidden = isinstance(found, dict | list) or place[-1:] in SECRET_PLACES
                empty = " (it is empty)" if kind in _WORDS else ""
                found_words = empty if found is None else f" (found {found!r})"
                shown = "" if hidden else found_words
                allowed = re.findall(r"'([^']*)'", one.get("ctx", {}).get("expected", ""))
                cure = nearest(str(found), allowed) if allowed and not hidden else ""
                yield self.mistake(place, f"{at}: {message}{shown}", cure)

    def _in_file(self, loc: Sequence[str | int]) -> Place:
        """Pydantic's location without what is no key of the file (union tags, `[key]`)."""
        data: Any = self.data
        place: list[str | int] = []
        for step in loc:
            if isinstance(data, list):
                known = isinstance(step, int) and step < len(data)
            else:
                known = isinstance(data, dict) and step in data
            if known:
                data = data[step]
                place.append(step)
        return tuple(place)


def _fields_at(model: type[BaseModel], loc: Sequence[str | int]) -> list[str]:
    """The keys allowed at a location: those of the record that stands there."""
    here: list[Any] = [model]
    for step in loc:
        # A step that leads nowhere is the tag of a union: the location stays.
        here = [found for option in here for found in _step(option, step)] or here
    records = [o for o in here if isinstance(o, type) and issubclass(o, BaseModel)]
    return [f.alias or n for record in records for n, f in record.model_fields.items()]


def _step(annotation: Any, step: str | int) -> list[Any]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = {f.alias or n: f.annotation for n, f in annotation.model_fields.items()}
        return _members(fields[str(step)]) if step in fields else []
    if typing.get_origin(annotation) in (dict, list, tuple):
        return _members(typing.get_args(annotation)[-1])
    return []


def _members(annotation: Any) -> list[Any]:
    """What a union or `Annotated` holds, flattened."""
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        return [o for arg in typing.get_args(annotation) for o in _members(arg)]
    if origin is typing.Annotated:
        return _members(typing.get_args(annotation)[0])
    return [annotation]
