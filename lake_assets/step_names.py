"""What a step is called: in the catalogue, in RapidMiner, and what of it is said in SQL.

Here: from a name that is none to the one that is meant. Not here: parameters and columns
(`steps.py`), and the functions (`preps/`).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lake_assets.preps import Prep

#: RapidMiner's name of an operator, or another's of the same → the step that does it.
OPERATORS = {
    "replace_missing_values": "null",
    "fillna": "null",
    "dropna": "null",
    "numerical_to_binominal": "numeric_to_binominal",
    "numerical_to_polynominal": "numeric_to_polynominal",
    "numerical_to_date": "numeric_to_date",
    "numerical_to_real": "integer_to_real",
    "nominal_to_numerical": "nominal_to_numeric",
    "parse_numbers": "parse_number",
    "map": "numeric_to_polynominal_mapping",
    "split": "split_columns",
    "cut": "substring",
    "generate_concatenation": "merge_columns",
    "generate_empty_attribute": "add_column",
    "filter": "filter_examples",
    "drop": "remove_attributes",
}

#: An operator that is no step → where its work is said.
IN_SQL = {
    "generate_attributes": "say it in `sql`: SELECT *, price * amount AS total FROM …",
    "aggregate": "say it in `sql`: SELECT customer, sum(amount) AS amount FROM … GROUP BY customer",
    "remove_duplicates": "say it in `sql`: SELECT DISTINCT * FROM …",
    "join": "say it in `sql`: SELECT … FROM a JOIN b USING (…), with both among the inputs",
    "append": "say it in `sql`: SELECT … UNION ALL SELECT …, with both among the inputs",
    "pivot": "say it in `sql`: SELECT …, sum(amount) FILTER (grade = 'A') AS amount_a … GROUP BY …",
}
IN_SQL |= {"group_by": IN_SQL["aggregate"], "groupby": IN_SQL["aggregate"]}
IN_SQL |= {"union": IN_SQL["append"]}


def catalogue() -> Mapping[str, Prep]:
    """All prep functions by name."""
    from lake_assets.preps.catalogue import CATALOGUE

    return CATALOGUE


def near(name: str) -> str:
    """The function that is meant, by RapidMiner's name for it too; or where else it is said."""
    plain = re.sub(r"\W+", "_", name.lower()).strip("_")
    if plain in IN_SQL:
        return IN_SQL[plain]
    first, *columns = name.split() or [""]
    if columns and first in catalogue():
        given = f"columns: [{', '.join(columns)}]"
        takes = "columns" in catalogue()[first].signature.parameters
        return f"did you mean `- {first}: {{{given if takes else 'parameter: value'}}}`?"
    found = meant(plain)
    return (f"did you mean {found!r}? " if found else "") + "`lake preps` lists all"


def meant(name: str, cutoff: float = 0.7) -> str | None:
    """The step that a name is near to, or that RapidMiner calls so."""
    known = {**{n: n for n, one in catalogue().items() if one.step}, **OPERATORS}
    found = difflib.get_close_matches(name, known, n=1, cutoff=cutoff)
    return known[found[0]] if found else None
