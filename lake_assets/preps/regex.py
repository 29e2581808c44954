"""Regular expressions that mean the same on every engine.

Here: Java's expressions (those of the old module) brought to what Rust's, RE2's, Java's and
Python's engines agree on; what they do not is refused. Not here: functions that use them.
"""

from __future__ import annotations

import re

from lake_assets.preps.prep import PrepError

#: Java's classes, which know ASCII alone; Rust's and Python's know all of Unicode.
_CLASSES = {"d": "0-9", "s": r" \t\n\x0b\f\r", "w": "A-Za-z0-9_"}
_CONTROLS = frozenset("tnrf")

_TOKEN = re.compile(
    r"""
      \\(?P<escaped>.)
    | (?P<open>\[\^?)
    | (?P<group>\(\?(?!:|i\)))
    | (?P<possessive>[*+?}]\+)
    | (?P<brace>\{(?!\d+(?:,\d*)?\}))
    | (?P<operator>&&|--|~~)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_REFUSED_IN_CLASS = ("open", "operator")
_REFUSED = ("group", "possessive", "brace")


def portable(function: str, parameter: str, pattern: str) -> str:
    """The pattern in the words that all engines share; PrepError for one that has none."""
    made: list[str] = []
    in_class = False
    for token in _TOKEN.finditer(pattern):
        text, kind, escaped = token.group(), token.lastgroup, token["escaped"]
        refused = False
        if escaped is not None:
            text, refused = _escaped(escaped, in_class)
        elif in_class:
            refused = kind in _REFUSED_IN_CLASS
            if text == "]" and made[-1].startswith("["):
                text = r"\]"  # the first of a class stands for itself
            in_class = text != "]"
        elif kind == "open":
            in_class = True
        elif text == ".":
            text = r"[^\n]"
        else:
            # `$` stands before a last end of line in Java and Python, not in Rust and RE2.
            refused = kind in _REFUSED or text == "$"
        if refused:
            found = pattern[token.start() : token.end() + (kind == "group")]
            raise PrepError(
                f"{function}: {parameter} {pattern!r} has {found!r}, which not every engine reads "
                "alike. A character that means something stands for itself after a backslash, as "
                r"in \$ or \{."
            )
        made.append(text)
    result = "".join(made)
    try:
        re.compile(result)
    except re.error as error:
        raise PrepError(
            f"{function}: {parameter} {pattern!r} is no regular expression: {error}. A character "
            r"that means something (such as ( | . *) stands for itself after a backslash: \|."
        ) from None
    return result


def _escaped(character: str, in_class: bool) -> tuple[str, bool]:
    r"""What stands for `\character`, and whether it is refused."""
    low = character.lower()
    if low in _CLASSES:
        negated = character != low
        inner = _CLASSES[low]
        whole = f"[^{inner}]" if negated else f"[{inner}]"
        return (inner, negated) if in_class else (whole, False)
    if character.isalnum():
        return "\\" + character, character not in _CONTROLS
    return re.escape(character), False


def literal(pattern: str) -> str | None:
    """The text that a pattern without any meaning stands for."""
    if re.search(r"(?<!\\)(?:\\\\)*[\[\](){}.*+?^$|]|\\[A-Za-z0-9]", pattern):
        return None
    return re.sub(r"\\(.)", r"\1", pattern, flags=re.DOTALL)
