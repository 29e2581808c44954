"""500 single mutations of the shipped pipeline files, each told at its line.

Here: a mutator that knows the line it changes, by class of mistake, and what must come of it. It
finds its places with PyYAML's nodes and plain text, never with the code it tests. Not here: single
rules and the words of messages (`test_loader.py`, `test_validate.py`).
"""

from __future__ import annotations

import random
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from lake_assets.loader import SHIPPED
from lake_assets.validate import validate_folders
from resources.settings import load_settings
from resources.yamlfile import Mistake

SEED = 20261121


@dataclass(frozen=True)
class File:
    """One shipped file with its nodes: (place, key node, value node) of every mapping entry."""

    name: str
    text: str

    @property
    def lines(self) -> list[str]:
        return self.text.split("\n")

    def entries(self) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
        yield from _entries(yaml.compose(self.text), ())

    def sql(self) -> Iterator[tuple[int, str]]:
        """Number and text of each line of SQL, comments and what is quoted blanked out."""
        for place, _, value in self.entries():
            if place[-1] == "sql":
                for number in range(value.start_mark.line + 2, value.end_mark.line + 1):
                    line = self.lines[number - 1]
                    blank = re.sub(r"'[^']*'|--.*", lambda m: " " * len(m[0]), line)
                    if blank.strip():
                        yield number, blank


def _entries(node: Any, place: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield (*place, key.value), key, value
            yield from _entries(value, (*place, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _entries(value, (*place, str(index)))


@dataclass(frozen=True)
class Mutant:
    """A changed file and the lines at one of which a mistake must be told."""

    what: str
    file: str
    text: str
    lines: range


FILES = [
    File(str(path.relative_to(SHIPPED)), path.read_text(encoding="utf-8"))
    for path in sorted(SHIPPED.glob("*/pipeline.yaml"))
]
TRANSFORMS = [
    File(str(path.relative_to(SHIPPED)), path.read_text(encoding="utf-8"))
    for path in sorted(SHIPPED.glob("*/transform.py"))
]


def _assets(inputs: Any) -> Iterator[Any]:
    """The nodes that name an asset: `raw/x`, `x: raw/x` and `x: {asset: raw/x, from: -6}`."""
    for item in inputs.value:
        node = item[1] if isinstance(item, tuple) else item
        yield node.value[0][1] if isinstance(node, yaml.MappingNode) else node


def _exactly(line: int) -> range:
    return range(line, line + 1)


def _replaced(file: File, node: Any, text: str, what: str) -> Mutant:
    """`node` replaced by `text`; the mistake is at the line where it begins."""
    start, end = node.start_mark.index, node.end_mark.index
    changed = file.text[:start] + text + file.text[end:]
    return Mutant(f"{what}: {text}", file.name, changed, _exactly(node.start_mark.line + 1))


def _line_replaced(file: File, number: int, line: str, what: str) -> Mutant:
    lines = file.lines
    assert lines[number - 1] != line
    lines[number - 1] = line
    return Mutant(f"{what}: {line.strip()}", file.name, "\n".join(lines), _exactly(number))


def _is_field(place: tuple[str, ...]) -> bool:
    """Whether the key is a word of the format, not a name that the file's author chose."""
    named = (
        *("sources", "datasets", "models", "columns", "params", "accepted", "range", "expect"),
        *("inputs", "schedules", "deliveries"),
    )
    return len(place) < 2 or place[-2] not in named or place[-1] == "range"


# --- classes -------------------------------------------------------------------------------------

REQUIRED = (
    *("version", "title", "description", "owner", "tags"),
    *("connection", "columns", "inputs", "type", "default", "help", "cron", "start", "column"),
)


def key_dropped(file: File) -> Iterator[Mutant]:
    """A required key and its value taken out: told within the block that it was in."""
    parents = {place: (key, value) for place, key, value in file.entries()}
    for place, key, value in file.entries():
        required = place[-1] in REQUIRED and _is_field(place)
        of_column = len(place) > 2 and place[-3] == "columns"
        if place[-2:] == ("predict", "version"):
            continue  # a column that may be left out
        if place[0] == "deliveries" and place[-1] == "columns":
            continue  # all of the asset, by their own names
        if "steps" in place:
            continue  # most parameters have defaults: `columns` are all that suit
        if place[-1] in ("title", "description") and (len(place) not in (1, 3) or of_column):
            continue  # not required there
        if place[-1] == "description" and len(place) == 3:
            continue
        # One of two, or needed where there are partitions.
        required = required or place[-1] in ("sql", "transform", "table", "window")
        if not required:
            continue
        start, end = key.start_mark.index, value.end_mark.index
        flow = file.lines[key.start_mark.line][: key.start_mark.column].strip() != ""
        if flow:
            end += len(re.match(r"\s*,?\s*", file.text[end:])[0])  # type: ignore[index]
        changed = file.text[:start] + file.text[end:]
        dropped = file.text[start:end].rstrip("\n").count("\n") + (0 if flow else 1)
        if flow and changed[start - 1] == "{" and changed[start] == "}" and len(place) == 1:
            continue
        if len(place) == 1:
            lines = range(1, len(file.lines) + 1)
        else:
            parent_key, parent = parents[place[:-1]]
            lines = range(parent_key.start_mark.line + 1, parent.end_mark.line + 2 - dropped + 1)
        yield Mutant(f"dropped {'.'.join(place)}", file.name, changed, lines)


def key_renamed(file: File) -> Iterator[Mutant]:
    for place, key, _ in file.entries():
        if _is_field(place):
            word = place[-1]
            yield _replaced(file, key, word[:-1] + "_" + word[-1:], "renamed")


def wrong_type(file: File) -> Iterator[Mutant]:
    """A list where one value is wanted, a number where a mapping or text is."""
    for place, key, value in file.entries():
        # A block is told at its key.
        if not _is_field(place) or key.start_mark.line != value.start_mark.line:
            continue
        if place[-1] in ("title", "description", "owner", "connection", "table", "help", "source"):
            wrong = ["12", "[a, b]", "true"]
        elif place[-1] in ("nullable", "range", "min", "max"):
            wrong = ["[1]", "{a: 1}"]
        elif place[-1] == "version":
            wrong = ["one", '"1"', "2", "true"]
        elif place[-1] in ("order_by", "sums", "unique", "not_null", "tags"):
            wrong = ["yes", "{a: b}", "[1, 2]"]
        elif place[-1] in ("window", "rows", "daily", "monthly", "partitions"):
            wrong = ["7", "[1]", "sometimes"]
        else:
            continue
        if isinstance(value, yaml.ScalarNode) and value.style in (">", "|"):
            continue
        for text in wrong:
            yield _replaced(file, value, text, f"type of {'.'.join(place)}")


def unknown_type(file: File) -> Iterator[Mutant]:
    words = ("strng", "int", "varchar(10)", "decimal", "datetime", "decimal(18)", "String")
    for place, _, value in file.entries():
        if len(place) > 2 and place[-3] == "columns" and place[-1] == "type":
            for word in words:
                yield _replaced(file, value, f'"{word}"', "type")


def out_of_range(file: File) -> Iterator[Mutant]:
    places = {place for place, _, _ in file.entries()}
    for place, _, value in file.entries():
        column_type = len(place) > 2 and place[-3] == "columns" and place[-1] == "type"
        if column_type and value.value.startswith("decimal"):
            for text in ("decimal(39,2)", "decimal(0,0)", "decimal(10,11)"):
                yield _replaced(file, value, f'"{text}"', "precision")
        elif place[-2:] == ("rows", "min"):
            yield _replaced(file, value, "-1", "rows")
        elif place[-1] == "start":
            if "daily" in place:  # months since the year 1 are fewer than 25,000
                yield _replaced(file, value, '"1850-01-01"', "keys")
            yield _replaced(file, value, '"2200-01-01"', "far ahead")
        elif place[-1] == "fresh":
            for text in ("0d", "2w", "2", "-1d"):
                yield _replaced(file, value, text, "span")
        elif len(place) > 2 and place[-3] == "range" and place[-1] == "max":
            if (*place[:-1], "min") in places:
                yield _replaced(file, value, "-1e30", "below min")
        elif place[-1] == "tags":
            yield _replaced(file, value, "[a, b]", "tags")
            yield _replaced(file, value, value_text(file, value).replace('"0.', '"7.'), "tags")
            yield _replaced(file, value, value_text(file, value).replace("2.End", "2.Ende"), "tags")


def value_text(file: File, node: Any) -> str:
    return file.text[node.start_mark.index : node.end_mark.index]


def bad_date(file: File) -> Iterator[Mutant]:
    words = (
        *("2024-13-01", "2024-02-30", "24-01-01", "2024/01/01", "tomorrow", "20240101", "2024-1-1"),
        *("2023-02-29", "2024-00-10", "01-01-2024", "2024-01", "2024-11-01T00:00:00", ""),
    )
    for place, _, value in file.entries():
        if place[-1] == "start":
            for word in words:
                yield _replaced(file, value, f'"{word}"', "date")
            yield _replaced(file, value, '"2024-11-01", end: "2024-11-01"', "end not after start")
            if "monthly" in place:
                yield _replaced(file, value, '"2024-11-15"', "not a first day")


def bad_cron(file: File) -> Iterator[Mutant]:
    words = (
        *("0 6 * *", "0 6 * * * *", "60 6 * * *", "0 24 * * *", "0 6 0 * *", "0 6 32 * *"),
        *("0 6 * 13 *", "0 6 * * 8", "0 6 L * *", "0 6 ? * *", "0 6 * * 5#2", "0 6 15W * *"),
        *("@daily", "hourly", "*/0 * * * *", "5-1 * * * *", "0 6 31 2 *", "0 6 * * mony"),
        *("0 6 * foo *", "a b c d e", "0,, 6 * * *", "0 6 * * 1-", "-1 6 * * *", ""),
        *("1/5 * * * *", "0 6 30 feb *", "0 6 31 4,6,9 *", "0 6 * jan-foo *"),
    )
    for place, _, value in file.entries():
        if place[-1] == "cron":
            for word in words:
                yield _replaced(file, value, f'"{word}"', "cron")


def cycle(file: File) -> Iterator[Mutant]:
    """An input replaced by the dataset itself, or by what is made of it."""
    below = {
        "customer_master": ["prep/sales_result_monthly", "prep/sales_customer_rank_monthly"],
        "sales_result_daily": ["prep/sales_customer_rank_monthly"],
    }
    for place, _, value in file.entries():
        if place[-1] == "inputs":
            name = place[-2]
            for node in _assets(value):
                for key in (f"prep/{name}", *below.get(name, [])):
                    yield _replaced(file, node, key, "cycle")


def duplicate_asset(file: File) -> Iterator[Mutant]:
    """An asset renamed to the name of another one of its layer."""
    there: dict[str, set[str]] = {"sources": set(), "datasets": set()}
    for one in FILES:
        for place, _, _ in one.entries():
            if len(place) == 2 and place[0] in there:
                there[place[0]].add(place[1])
    for place, key, _ in file.entries():
        if len(place) == 2 and place[0] in there:
            lines = {p: k.start_mark.line + 1 for p, k, _ in file.entries()}
            for other in sorted(there[place[0]] - {place[1]}):
                mutant = _replaced(file, key, other, "duplicate")
                # In one file it is a key that stands twice, told at the second of them.
                line = max(lines[place], lines.get((place[0], other), 0))
                yield Mutant(mutant.what, mutant.file, mutant.text, _exactly(line))


def bad_name(file: File) -> Iterator[Mutant]:
    for place, key, _ in file.entries():
        if len(place) == 2 and place[0] in ("sources", "datasets", "params"):
            for word in ("Sales", "1st", "매출", "a-b", "a b", "12"):
                yield _replaced(file, key, word, "name")
        if len(place) > 1 and place[-2] == "columns":
            for word in ("Amount", "금액", "a-b", "7"):
                yield _replaced(file, key, word, "column name")


def unknown_input(file: File) -> Iterator[Mutant]:
    for place, _, value in file.entries():
        if place[-1] == "inputs":
            for node in _assets(value):
                for key in (node.value + "s", node.value[:-1], "raw/nowhere", "sales", "out/x"):
                    yield _replaced(file, node, key, "input")


def unknown_connection(file: File) -> Iterator[Mutant]:
    for place, _, value in file.entries():
        if place[-1] == "connection":
            for word in ("hana", "hanabw", "oracle", "HANA_BW", "hana_bww", "bw"):
                yield _replaced(file, value, word, "connection")


def unknown_function(file: File) -> Iterator[Mutant]:
    for place, _, value in file.entries():
        if place[-1] == "transform":
            words = ("transform.py:rank", "transforms.py:rank_customers", "transform.py", "rank")
            for word in (
                *words,
                "transform.py:pl",
                "transform.py:",
                "../transform.py:x",
                "a.sql:b",
            ):
                yield _replaced(file, value, word, "function")


def bad_argument(file: File) -> Iterator[Mutant]:
    """In transform.py: an argument that is no input or parameter, or a file that is no Python."""
    number, line = next((n, x) for n, x in enumerate(file.lines, 1) if "sales: pl." in x)
    for changed in (
        line.replace("sales:", "sale:"),
        line.replace("master:", "mastr:"),
        line.replace("a_share:", "a_shar:"),
        line.replace("sales: pl.DataFrame", "sales"),
        line.replace("master: pl.DataFrame", "master: dict"),
        line.replace("a_share: float", "a_share: complex"),
        line.replace("*, ", "*args, "),
        line.replace("b_share: float", "b_share: float, **rest"),
        line.replace("sales:", "sales::"),
    ):
        yield _line_replaced(file, number, changed, "argument")
    number, line = next((n, x) for n, x in enumerate(file.lines, 1) if x.startswith(") ->"))
    mutant = _line_replaced(file, number, line.replace("pl.DataFrame", "list"), "return type")
    yield Mutant(mutant.what, mutant.file, mutant.text, range(number - 2, number + 1))


def unknown_column(file: File) -> Iterator[Mutant]:
    """In the lists and conditions that name declared columns."""
    for place, key, value in file.entries():
        if place[-1] in ("order_by", "sums", "unique", "not_null"):
            for node in value.value:
                yield _replaced(file, node, node.value + "_x", "column")
        elif place[-2:] == ("window", "column"):
            yield _replaced(file, value, "calender", "column")
        elif len(place) > 2 and place[-2] in ("accepted", "range") and place[-3] == "checks":
            yield _replaced(file, key, place[-1] + "_x", "column")
        elif len(place) > 2 and place[-2] == "expect":
            changed = re.sub(r"^([a-z_]+)", r"\1_x", value.value)
            yield _replaced(file, value, f'"{changed}"', "column")


def misfit(file: File) -> Iterator[Mutant]:
    """A column's type changed, so that SQL, window, sums, bounds or values no longer fit it."""
    declared = {place: value for place, _, value in file.entries()}
    for place, _, value in file.entries():
        if len(place) > 3 and place[-3] == "columns" and place[-1] == "type":
            if place[0] == "datasets" and (*place[:2], "sql") in declared:
                other = "date" if value.value != "date" else "timestamp"
                yield _replaced(file, value, other, "type of a result")
                yield _replaced(file, value, "float32", "type of a result")
        elif place[-1] == "sums":
            for node in value.value:
                yield _replaced(file, node, "changed_at", "sum of a date")
        elif place[-1] == "window":
            yield _replaced(file, value, "{column: calday, kind: date}", "kind of a text")
            yield _replaced(file, value, "{column: amount}", "window of a number")
        elif len(place) > 2 and place[-2] == "accepted":
            yield _replaced(file, value, "[1, 2]", "numbers of a text")
        elif len(place) > 2 and place[-3] == "range" and place[-1] in ("min", "max"):
            yield _replaced(file, value, '"many"', "text of a number")
        elif len(place) > 2 and place[-3] == "params" and place[-1] == "default":
            yield _replaced(file, value, '"0.1"', "text of a number")


def bad_condition(file: File) -> Iterator[Mutant]:
    for place, _, value in file.entries():
        if len(place) > 2 and place[-2] == "expect":
            text = value.value
            for changed in (
                text + " AND",
                text + ")",
                f"({text}",
                f"count(*) > 0 AND {text}",
                f"{text}; DROP TABLE x",
                f"1 + 1, {text}",
                "1 + 1",
                f"{text} AND EXISTS (SELECT 1)",
                f"{text} AND nofunction(1)",
                f"{text} AND $vat_rate > 0",
                f"{text} = 'abc'",
            ):
                yield _replaced(file, value, '"' + changed.replace('"', "'") + '"', "condition")


def sql_syntax(file: File) -> Iterator[Mutant]:
    for number, blank in file.sql():
        comment = file.lines[number - 1].find("--")
        line = file.lines[number - 1] if comment < 0 else file.lines[number - 1][:comment].rstrip()
        if not blank.strip() or not line.strip():
            continue
        for stray in (" \\", " SELECT SELECT", " ;;;; )", " ]"):
            yield _line_replaced(file, number, line + stray, "syntax")


def sql_column(file: File) -> Iterator[Mutant]:
    """A column of an input misspelt where SQL reads it (not where a name is given by AS)."""
    columns = {
        place[-1]
        for one in FILES
        for place, _, _ in one.entries()
        if len(place) == 4 and place[-2] == "columns"
    }
    for number, blank in file.sql():
        for match in re.finditer(r"(?<![\w.$])([a-z_]+\.)?([a-z_]+)\b(?!\s*\()", blank):
            before = blank[: match.start()].rstrip().upper()
            if match[2] in columns and not before.endswith((" AS", "FROM", "JOIN", "WITH")):
                line = file.lines[number - 1]
                changed = line[: match.end()] + "_x" + line[match.end() :]
                yield _line_replaced(file, number, changed, "column")


def sql_table(file: File) -> Iterator[Mutant]:
    for number, blank in file.sql():
        for match in re.finditer(r"\b(FROM|JOIN) ([a-z_]+)", blank):
            line = file.lines[number - 1]
            for word in (match[2] + "s", "read_parquet('/etc/passwd')", "'x.csv'", "pg_tables"):
                changed = line[: match.start(2)] + word + line[match.end(2) :]
                yield _line_replaced(file, number, changed, "table")


def sql_function(file: File) -> Iterator[Mutant]:
    known = r"\b(count|sum|round|abs|upper|trim|regexp_replace|date_diff|try_strptime)\("
    for number, blank in file.sql():
        for match in re.finditer(known, blank):
            line = file.lines[number - 1]
            changed = line[: match.end(1)] + "_x" + line[match.end(1) :]
            yield _line_replaced(file, number, changed, "function")


def sql_statement(file: File) -> Iterator[Mutant]:
    """Not a SELECT: told within the block of SQL."""
    for place, _, value in file.entries():
        if place[-1] == "sql":
            first = value.start_mark.line + 2
            indent = " " * (len(file.lines[first - 1]) - len(file.lines[first - 1].lstrip()))
            for text in (
                "DROP TABLE x;",
                "COPY (SELECT 1) TO '/tmp/x.csv';",
                "PRAGMA version;",
                "ATTACH 'x.duckdb';",
                "CREATE TABLE x AS",
                "EXPLAIN",
                "INSTALL httpfs; LOAD httpfs;",
                "SET threads = 1;",
                "INSERT INTO x",
                "SELECT 1;",
            ):
                lines = file.lines
                lines.insert(first - 1, indent + text)
                block = range(first, value.end_mark.line + 2)
                yield Mutant(f"statement: {text}", file.name, "\n".join(lines), block)


def sql_parameter(file: File) -> Iterator[Mutant]:
    for number, blank in file.sql():
        for match in re.finditer(r"\$[a-z_]+", blank):
            line = file.lines[number - 1]
            yield _line_replaced(file, number, line.replace(match[0], match[0] + "_x"), "param")


def duplicate_key(file: File) -> Iterator[Mutant]:
    """A line of the form `key: value` twice: told at the second."""
    for _, key, value in file.entries():
        line = key.start_mark.line
        block = file.lines[line][: key.start_mark.column].strip() == ""
        one_line = value.end_mark.line == line and not value_text(file, value).startswith(
            ("|", ">")
        )
        if block and one_line:
            lines = file.lines
            lines.insert(line + 1, lines[line])
            yield Mutant(
                f"twice: {lines[line].strip()}", file.name, "\n".join(lines), _exactly(line + 2)
            )


def broken_yaml(file: File) -> Iterator[Mutant]:
    seen: set[tuple[str, ...]] = set()
    for place, key, value in file.entries():
        first = place[:-1] not in seen
        seen.add(place[:-1])
        line, column = key.start_mark.line, key.start_mark.column
        text = file.lines[line]
        if text[:column].strip() or value.end_mark.line != line:
            continue
        yield _line_replaced(file, line + 1, text[:column] + "@" + text[column:], "at sign")
        yield _line_replaced(file, line + 1, "\t" + text.lstrip(), "tab")
        yield _line_replaced(file, line + 1, text + " : x: y", "two colons")
        yield _line_replaced(file, line + 1, text[:column] + "]" + text[column:], "bracket")
        if text.endswith(("}", "]", '"')):
            yield _line_replaced(file, line + 1, text + ' "', "open quote")
        elif "api" not in place or place[-2] != "params":  # an API may call them what it likes
            opened = text[:column] + text[column:].replace(":", " {:", 1)
            yield _line_replaced(file, line + 1, opened, "brace")
        if column and not first:  # the first one's indentation is that of the block
            yield _line_replaced(file, line + 1, text[1:], "indentation")
            yield _line_replaced(file, line + 1, " " + text, "indentation")


CLASSES: dict[Callable[[File], Iterator[Mutant]], int] = {
    key_dropped: 60,
    key_renamed: 60,
    wrong_type: 40,
    unknown_type: 20,
    out_of_range: 25,
    bad_date: 15,
    bad_cron: 30,
    cycle: 8,
    duplicate_asset: 6,
    bad_name: 15,
    unknown_input: 15,
    unknown_connection: 8,
    unknown_function: 6,
    unknown_column: 20,
    misfit: 25,
    bad_condition: 15,
    sql_syntax: 30,
    sql_column: 30,
    sql_table: 12,
    sql_function: 12,
    sql_statement: 10,
    sql_parameter: 3,
    duplicate_key: 15,
    broken_yaml: 15,
}
OF_TRANSFORMS: dict[Callable[[File], Iterator[Mutant]], int] = {bad_argument: 5}


def _every(make: Callable[[File], Iterator[Mutant]], files: list[File]) -> list[Mutant]:
    return [mutant for file in files for mutant in make(file)]


def _chosen() -> list[tuple[str, Mutant]]:
    chance = random.Random(SEED)
    found: list[tuple[str, Mutant]] = []
    for classes, files in ((CLASSES, FILES), (OF_TRANSFORMS, TRANSFORMS)):
        for make, count in classes.items():
            for mutant in chance.sample(_every(make, files), count):
                found.append((make.__name__, mutant))
    return found


MUTANTS = _chosen()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mutants") / "pipelines"
    shutil.copytree(SHIPPED, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def found_in(folder: Path) -> list[Mistake]:
    return validate_folders([folder], load_settings("local"))


def test_there_are_500_of_known_classes() -> None:
    assert len(MUTANTS) == 500
    wanted = {make.__name__: count for make, count in (CLASSES | OF_TRANSFORMS).items()}
    assert Counter(name for name, _ in MUTANTS) == wanted
    texts = {file.name: file.text for file in (*FILES, *TRANSFORMS)}
    assert all(texts[mutant.file] != mutant.text for _, mutant in MUTANTS)
    assert len({(mutant.file, mutant.text) for _, mutant in MUTANTS}) == 500


@pytest.mark.slow
def test_three_hundred_of_each_class_are_told(folder: Path) -> None:
    """Spread evenly over the files; all are 13,000, these 5,000 take six to eight minutes."""
    classes = [(make, FILES) for make in CLASSES]
    classes += [(make, TRANSFORMS) for make in OF_TRANSFORMS]
    chosen: list[Mutant] = []
    for make, files in classes:
        every = list(_every(make, files))
        chosen += every[:: max(1, len(every) // 300)]
    assert len(chosen) > 3500
    assert_told(folder, chosen)


def test_the_files_as_shipped_have_no_mistake(folder: Path) -> None:
    assert found_in(folder) == []


@pytest.mark.parametrize("name", [make.__name__ for make in (*CLASSES, *OF_TRANSFORMS)])
def test_each_is_told_at_its_line(name: str, folder: Path) -> None:
    assert_told(folder, [mutant for kind, mutant in MUTANTS if kind == name])


def assert_told(folder: Path, mutants: list[Mutant]) -> None:
    missed = []
    for mutant in mutants:
        path = folder / mutant.file
        original = path.read_text(encoding="utf-8")
        path.write_text(mutant.text, encoding="utf-8")
        try:
            mistakes = found_in(folder)
        finally:
            path.write_text(original, encoding="utf-8")
        told = [m for m in mistakes if m.file.endswith(mutant.file) and m.line in mutant.lines]
        if not told:
            shown = "\n    ".join(map(str, mistakes)) or "nothing told"
            missed.append(f"{mutant.file}:{mutant.lines} {mutant.what}\n    {shown}")
    assert not missed, f"{len(missed)} missed\n" + "\n".join(missed)
