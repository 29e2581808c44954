"""YAML files: plain values as in YAML 1.2, keys that stand twice, and lines of what is broken.

Here: `resources/yamlfile.py` by itself, with small records. Not here: pipeline files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict

from resources.yamlfile import Mistake, Mistakes, YamlFile, nearest


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    size: int
    kind: Literal["small", "large"] = "small"


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    title: str
    password: str | None = None
    inner: Inner | None = None
    many: dict[str, Inner] = {}
    listed: list[Inner] = []


def read(tmp_path: Path, text: str | bytes) -> YamlFile:
    path = tmp_path / "file.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return YamlFile(path, shown="file.yaml")


def mistakes(tmp_path: Path, text: str | bytes) -> list[Mistake]:
    with pytest.raises(Mistakes) as caught:
        read(tmp_path, text).record(Outer)
    return caught.value.mistakes


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),  # YAML 1.1 makes False of the code of Norway
        ("yes", "yes"),
        ("on", "on"),
        ("true", True),
        ("False", False),
        ("12:30", "12:30"),  # and 750 of a time
        ("0100", "0100"),  # and 64 of a code
        ("0", 0),
        ("-17", -17),
        ("1_000", "1_000"),
        ("9007199254740993", 9007199254740993),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("-2.5e-3", -0.0025),
        (".inf", ".inf"),
        ("2024-01-01", "2024-01-01"),
        ('"5"', "5"),
        ("~", None),
        ("null", None),
        ("", None),
        ("서울", "서울"),
        ("[a, 1]", ["a", 1]),
        ("{a: {b: c}}", {"a": {"b": "c"}}),
        ("|\n  one\n  two\n", "one\ntwo\n"),
    ],
)
def test_plain_values(tmp_path: Path, text: str, value: Any) -> None:
    found = read(tmp_path, f"key: {text}").data["key"]
    assert found == value
    assert type(found) is type(value)


def test_anchors_and_merges(tmp_path: Path) -> None:
    text = "base: &base {a: 1, b: 2}\nsame: *base\nmore:\n  <<: *base\n  b: 3\n"
    data = read(tmp_path, text).data
    assert data == {"base": {"a": 1, "b": 2}, "same": {"a": 1, "b": 2}, "more": {"a": 1, "b": 3}}


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("title: a\ninner: {size: 1}\ntitle: b\n", 3, "'title' stands here twice, first in line 1"),
        ("title: a\ninner: {size: 1,\n  size: 2}\n", 3, "'size' stands here twice"),
        ("title: a\n? [x]\n: 1\n", 2, "a key must be one word"),
        ("title: a\n  b: c\n", 2, "a key cannot stand here"),
        ("title: 정리: 한\n", 1, "a second `: ` in one line"),
        ("title: a\nlisted: [\n", 2, "not YAML: the file ends within ["),
        ("title: a\nlisted: [a,\n  {size: 1", 3, "not YAML: the file ends within {"),
        ("title: a\nlisted:\n  - a\n  b: c\n", 4, "this is no item of the list above"),
        ("title: - a\n", 1, "a list cannot begin behind a key"),
        ("title: ]\n", 1, "a value is missing, or a bracket is too many"),
        ("title: {a: b]\n", 1, "keys in { } lack a comma, or their }"),
        ("title: a\n\tinner: 1\n", 2, "tab"),
        ('title: "a\nlisted: []\n', 1, "the file ends within a text in quotes"),
        ('title: "a\npassword: "b"\nlisted: []\n', 1, "this is no key: value (noticed in line 2)"),
        (
            "title: [a\ninner:\n  size: 1\n",
            1,
            "a list in [ ] lacks a comma, or its ] (noticed in line 2)",
        ),
        ("title: a\ninner\nlisted: []\n", 2, "this line has no `:` behind its key"),
        ("title: @a\n", 1, "a value cannot begin like this"),
        ("title: *nowhere\n", 1, "* names an anchor that there is none of"),
        ("title: a\n---\ntitle: b\n", 2, "another document"),
        ("title: !!int abc\n", 1, "invalid literal"),
        ("title: a\ninner: \x01\n", 2, "control characters"),
        (b"title: a\ninner: \xff\n", 2, "not UTF-8"),
        ("", 1, "must be a mapping"),
        ("- a\n", 1, "must be a mapping"),
        ("just words\n", 1, "must be a mapping"),
    ],
)
def test_what_is_no_yaml(tmp_path: Path, text: str | bytes, line: int, words: str) -> None:
    (found,) = mistakes(tmp_path, text)
    assert found.file == "file.yaml"
    assert found.line == line
    assert words in found.what


TEXT = "write one text, in quotes where it looks like something else"


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        ("title: a\n\tinner: 1\n", "indent with blanks, not tabs"),
        ("title: a\ninner:\n\tsize: 1\n", "indent with blanks, not tabs"),
        ("title: a\n  b: c\n", "indent it as the keys beside it"),
        ("title: 정리: 한\n", 'put the text in quotes: title: "…"'),
        ("title: [a, b\n", "close it: ]"),
        ('title: "a\n', "close the quotes"),
        ("title: @a\n", 'put a text that begins with such a sign in quotes: "…"'),
        ("title: 매출\n".encode("cp949"), "save the file as UTF-8"),
    ],
)
def test_what_to_do_where_it_is_no_yaml(tmp_path: Path, text: str | bytes, cure: str) -> None:
    (found,) = mistakes(tmp_path, text)
    assert found.cure == cure


@pytest.mark.parametrize(
    ("text", "line", "what", "cure"),
    [
        ("inner: {size: 1}\n", 1, "the file: the key 'title' is missing", "add it here"),
        ("title: a\ninner:\n  kind: small\n", 2, "inner: the key 'size' is missing", "add it here"),
        (
            "title: a\ninner:\n  size: 1\n  knd: small\n",
            4,
            "inner.knd: unknown key",
            "did you mean 'kind'? allowed: kind, size",
        ),
        (
            "title: a\nmany:\n  x:\n    sze: 1\n    size: 1\n",
            4,
            "many.x.sze: unknown key",
            "did you mean 'size'? allowed: kind, size",
        ),
        (
            "title: a\nlisted:\n  - size: 1\n  - size: 2\n    kind: huge\n",
            5,
            "listed.#2.kind: write 'small' or 'large' (found 'huge')",
            "allowed: large, small",
        ),
        (
            "title: 5\n",
            1,
            f"title: {TEXT} (found 5)",
            "",
        ),
        ("title: a\nlisted: b\n", 2, "listed: write a list: [one, another] (found 'b')", ""),
        (
            "title: a\ninner: b\n",
            2,
            "inner: write keys and values: {key: value} (found 'b')",
            "",
        ),
        (
            "title: a\ninner: {size: 1.5}\n",
            2,
            "inner.size: write a whole number (found 1.5)",
            "",
        ),
        (
            "title: a\ninner:\n  size: decimal\n  x: {type: decimal(18,2)}\n",
            4,
            "in braces the comma of decimal(18,2) ends the text",
            'put it in quotes: "decimal(18,2)"',
        ),
        (
            "title: {a: decimal(18, 2), b: c}\n",
            1,
            "in braces the comma of decimal(18,2) ends the text",
            'put it in quotes: "decimal(18,2)"',
        ),
        ("title: a\n1: b\n", 2, "1: a key must be text", 'put it in quotes: "1"'),
        # What stands under such a key may be the secret itself.
        ("title: a\npassword: 12345\n", 2, f"password: {TEXT}", ""),
    ],
)
def test_what_is_no_record(tmp_path: Path, text: str, line: int, what: str, cure: str) -> None:
    assert mistakes(tmp_path, text) == [Mistake("file.yaml", line, what, cure)]


def test_all_at_once_in_order(tmp_path: Path) -> None:
    found = mistakes(tmp_path, "titel: a\ninner:\n  size: b\nmany:\n  x: 3\n")
    assert [mistake.line for mistake in found] == [1, 1, 3, 5]
    text = str(Mistakes(found))
    assert text.startswith("4 mistakes:\nfile.yaml:1: ")
    assert "\n    did you mean 'title'?" in text


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Mistakes, match=r"nowhere.yaml:1: cannot be read: No such file"):
        YamlFile(tmp_path / "nowhere.yaml", shown="nowhere.yaml")


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("sql: |\n  one\n  two\n", (2, 3)),
        ("sql: |\n\n  one\n  two\n", (2, 3)),
        ("sql: one\n", (1,)),
        ("a: 1\nsql: >-\n  one\n  two\n", (3,)),
        ('sql: "one"\n', (1,)),
        ("sql:\n  one\n", (2,)),
    ],
)
def test_lines_of_a_text(tmp_path: Path, text: str, lines: tuple[int, ...]) -> None:
    file = read(tmp_path, text)
    assert tuple(file.block_line(("sql",), n + 1) for n in range(len(lines))) == lines


def test_nearest() -> None:
    assert nearest("amout", ["amount", "day"]) == "did you mean 'amount'? allowed: amount, day"
    assert nearest("kdgrp", ["KDGRP"]) == "did you mean 'KDGRP'? allowed: KDGRP"
    keys = ["prep/ar_open_item", "raw/customer"]
    assert nearest("prep/nope", keys) == "allowed: prep/ar_open_item, raw/customer"
    assert nearest("prep/customer", keys).startswith("did you mean 'raw/customer'? ")
    assert nearest("x", []) == "nothing is allowed here"
    assert nearest("x", [f"c{n:02}" for n in range(25)]).endswith("c19 and 5 more")
