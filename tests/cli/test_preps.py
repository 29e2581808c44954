"""`lake preps`: the list, one function, what is told of a name that is none, and the pages.

Here: `lake_assets/cli/preps.py` and `prep_pages.py`. Not here: whether the examples are right
(`test_steps.py`).
"""

from __future__ import annotations

import doctest
import json
import shutil
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from lake_assets import prep_pages
from lake_assets.cli.main import cli
from lake_assets.preps.catalogue import CATALOGUE

DOCS = Path(__file__).parents[2] / "docs"


def lake(*words: str) -> Result:
    return CliRunner().invoke(cli, ["preps", *words])


def test_all_of_them() -> None:
    lines = lake().output.split("\n")
    assert lines[0].split() == ["function", "family", "in", "YAML", "what", "it", "does"]
    assert len(lines) == len(CATALOGUE) + 2
    (trim,) = [line for line in lines if line.startswith("trim ")]
    assert trim.rstrip().split(maxsplit=3) == [
        "trim",
        "text",
        "step",
        "Take blanks off both ends of texts; what is blank altogether becomes missing.",
    ]
    (parts,) = [line for line in lines if line.startswith("split_rows ")]
    assert parts.split()[1:3] == ["rows", "Part"], "it is no step"
    # In the old module's order: rename is 13, hdfs_split_upload 46, what it had not comes last.
    names = [line.split()[0] for line in lines[1:-1]]
    assert names.index("rename") < names.index("trim") < names.index("hdfs_split_upload")
    assert names.index("hdfs_split_upload") < names.index("merge_columns")


def test_one_of_them() -> None:
    assert lake("remove_attributes").output == (
        "remove_attributes(df, columns)\n"
        "\n"
        f"{prep_pages.text(CATALOGUE['remove_attributes'])}\n"
        "\n"
        f"{prep_pages.SELECTOR}\n"
        "\n"
        f"{prep_pages.example(CATALOGUE['remove_attributes'])}\n"
        "\n"
        "In a pipeline file, below `steps:`\n"
        "\n"
        "- remove_attributes: {columns: [b]}\n"
    )
    assert ">>> " not in prep_pages.text(CATALOGUE["remove_attributes"])
    assert prep_pages.example(CATALOGUE["remove_attributes"]).startswith(
        ">>> from lake_assets.preps import remove_attributes\n>>> import polars as pl\n"
    )
    assert lake("split_rows").output.endswith("It is no step of a pipeline file.\n")


def test_what_is_learned_stands_in_the_step() -> None:
    (found,) = yaml.safe_load(prep_pages.step(CATALOGUE["split_columns"]))
    assert found["split_columns"]["parts"] == {"col": 2}


@pytest.mark.parametrize("name", CATALOGUE)
def test_the_example_runs_as_it_is_shown(name: str) -> None:
    shown = doctest.DocTestParser().get_doctest(
        prep_pages.example(CATALOGUE[name]), {}, name, None, None
    )
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    assert runner.run(shown).failed == 0


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("split_columns", "split_columns(df, columns=None, *, "),
        ("substring", "substring(df, columns=None, *, "),
        ("split_rows", "split_rows(df, partitions=(0.7, 0.3), *, "),
    ],
)
def test_what_is_given_by_name_alone(name: str, shown: str) -> None:
    assert lake(name).output.startswith(shown)


def test_for_programs() -> None:
    found = json.loads(lake("--json").output)["preps"]
    assert [one["name"] for one in found if one["name"] == "trim"] == ["trim"]
    one = json.loads(lake("sort", "--json").output)
    assert (one["name"], one["number"], one["step"], one["family"]) == ("sort", 36, True, "rows")
    assert one["signature"] == "sort(df, by, *, descending=False, nulls_last=True)"
    assert one["parameters"]["required"] == ["by"]
    assert one["as_step"].startswith("- sort:")
    assert json.loads(lake("split_rows", "--json").output)["parameters"] is None


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("trimm", "did you mean 'trim'? "),
        ("Filter Examples", "did you mean 'filter_examples'? "),
        ("xyz", ""),
    ],
)
def test_a_name_that_is_none(name: str, told: str) -> None:
    result = lake(name)
    assert result.exit_code == 2
    assert result.output == (f"There is no prep function {name!r}; {told}`lake preps` lists all.\n")


def test_the_pages_are_as_the_docstrings_are(tmp_path: Path) -> None:
    (tmp_path / "preps").mkdir()
    shutil.copy(DOCS / "preps.md", tmp_path)
    for path in (DOCS / "preps").glob("*.md"):
        shutil.copy(path, tmp_path / "preps")
    result = lake("--docs", str(tmp_path))
    assert result.output == "The pages are as the docstrings are.\n", "make docs writes them anew"
    families = {prep.family for prep in CATALOGUE.values()}
    assert {path.stem for path in (DOCS / "preps").iterdir()} == families


def test_pages_are_written_anew(tmp_path: Path) -> None:
    (tmp_path / "preps.md").write_text(
        f"# Head\n\n{prep_pages.MARK}\n\nwhat stood here\n", encoding="utf-8"
    )
    assert str(tmp_path / "preps/text.md") in lake("--docs", str(tmp_path)).output.split("\n")
    index = (tmp_path / "preps.md").read_text(encoding="utf-8")
    assert index.startswith("# Head\n")
    assert "what stood here" not in index
    assert "[`trim`](preps/text.md#trim)" in index
    page = (tmp_path / "preps/text.md").read_text(encoding="utf-8")
    assert "\n`trim(df, columns=None, *, chars=' \\t\\r\\n\\u3000\\xa0')`\n" in page
    assert "\n```yaml\n- trim\n```\n" in page
