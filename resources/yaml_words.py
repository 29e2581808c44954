"""What libyaml has against a file, in the words of who writes it, and in the line where it begins.

Here: from libyaml's error to a line, what is wrong and what to do. Not here: reading files, and
what is wrong with data (`yamlfile.py`).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence

import yaml

_OPEN: dict[type[yaml.Token], str] = {
    yaml.FlowSequenceStartToken: "[",
    yaml.FlowMappingStartToken: "{",
}
_QUOTES = "close the quotes"
_CLOSING = {"[": "close it: ]", "{": "close it: }"}
_START = 'put a text that begins with such a sign in quotes: "…"'
_LIST = "begin each item of the list with `- `, as far from the left as the first"

#: libyaml's problems in the words of who writes a file, and what to do.
_YAML_WORDS = {
    "did not find expected ',' or ']'": ("a list in [ ] lacks a comma, or its ]", ""),
    "did not find expected ',' or '}'": ("keys in { } lack a comma, or their }", ""),
    "did not find expected node content": ("a value is missing, or a bracket is too many", ""),
    "did not find expected key": (
        "this is no key: value",
        "indent it as the lines beside it; a quote within quotes is written twice",
    ),
    "did not find expected '-' indicator": ("this is no item of the list above", _LIST),
    "block sequence entries are not allowed in this context": (
        "a list cannot begin behind a key",
        "begin it in the next line",
    ),
    "mapping values are not allowed in this context": (
        "a key cannot stand here",
        "indent it as the keys beside it",
    ),
    "could not find expected ':'": ("this line has no `:` behind its key", "write key: value"),
    "found character that cannot start any token": ("a value cannot begin like this", _START),
    "found undefined alias": ("* names an anchor that there is none of", _START),
    "found unexpected end of stream": ("the quotes are not closed", _QUOTES),
}


def told(error: yaml.MarkedYAMLError, text: str, loader: type) -> tuple[int, str, str]:
    """Line, what and cure: where a thing that never ends begins, not where libyaml noticed."""
    noticed = error.problem_mark or error.context_mark
    words = f"{error.context} {error.problem}"
    endless = re.search(r"end of stream|expected ':'|parsing a flow", words)
    begun = (error.context_mark if endless else None) or noticed
    line, seen = begun.line if begun else 0, noticed.line if noticed else 0
    opened: list[tuple[str, int]] = []  # brackets and braces, with their lines
    with contextlib.suppress(yaml.YAMLError):
        for token in yaml.scan(text, loader):
            if type(token) in _OPEN:
                opened.append((_OPEN[type(token)], token.start_mark.line))
            elif isinstance(token, yaml.FlowSequenceEndToken | yaml.FlowMappingEndToken):
                opened = opened[:-1]
            # An open quote ends at the next one, and the text after that one looks odd.
            quoted = isinstance(token, yaml.ScalarToken) and token.style in ("'", '"')
            if quoted and token.start_mark.line < token.end_mark.line == line:
                line = token.start_mark.line
                break
    shown = text.split("\n")
    indent = re.match(r"\s*", _line(shown, seen))
    problem = error.problem or error.context or "not to be read"
    what, cure = _YAML_WORDS.get(problem, (problem, ""))
    twice = re.match(r"\s*(?:- )?([^:#]+): .*: ", _line(shown, seen) + " ")
    if indent and "\t" in indent[0]:
        cure = "indent with blanks, not tabs"
    elif twice and "mapping values" in problem:
        what, cure = "a second `: ` in one line", f'put the text in quotes: {twice[1]}: "…"'
    late = f" (noticed in line {seen + 1})" if seen != line else ""
    if noticed and noticed.index >= len(text.rstrip()) and (opened or "quoted" in words):
        if opened:
            what, line = opened[-1]
        else:
            what = "a text in quotes"
        what, cure, late = f"the file ends within {what}", _CLOSING.get(what, _QUOTES), ""
    return line + 1, f"not YAML: {what}{late}", cure


def _line(lines: Sequence[str], number: int) -> str:
    return lines[number] if number < len(lines) else ""
