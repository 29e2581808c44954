"""`lake preps`: the prep functions, and how one is called, in Python and as a step.

Here: showing the catalogue. Not here: the texts (`prep_pages.py`) and the functions (`preps/`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lake_assets import prep_pages, step_params
from lake_assets.cli.console import console, say_json, show_table
from lake_assets.cli.main import env_option, json_option
from lake_assets.preps import Prep
from lake_assets.step_names import catalogue, near
from resources.errors import UsageError


@click.command("preps")
@click.argument("name", required=False)
@click.option(
    "--docs",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Write the pages below this folder (preps.md and preps/) anew.",
)
@env_option
@json_option
def preps_command(name: str | None, docs: Path | None, as_json: bool) -> None:
    """Show the prep functions; with NAME how one is called, with an example.

    They take the frames of any engine in Python (`from lake_assets.preps import trim`), and are
    the steps of a dataset in a pipeline file.

    \b
    Examples:
      lake preps
      lake preps filter_examples
      lake preps sort --json
    """
    known = catalogue()
    if docs is not None:
        changed = prep_pages.write(list(known.values()), docs)
        click.echo("\n".join(map(str, changed)) or "The pages are as the docstrings are.")
    elif name is None:
        _list(sorted(known.values(), key=lambda one: (one.number or 99, one.name)), as_json)
    elif name in known:
        _show(known[name], as_json)
    else:
        raise UsageError(f"There is no prep function {name!r}; {near(name)}.")


def _list(preps: list[Prep], as_json: bool) -> None:
    if as_json:
        say_json({"preps": [_short(prep) for prep in preps]})
        return
    cells = [
        (prep.name, prep.family, "step" if prep.step else "", prep_pages.line(prep))
        for prep in preps
    ]
    show_table(console(), ("function", "family", "in YAML", "what it does"), cells)


def _short(prep: Prep) -> dict[str, Any]:
    return {
        "name": prep.name,
        "family": prep.family,
        "number": prep.number or None,
        "step": prep.step,
        "does": prep_pages.line(prep),
        "signature": prep_pages.shown(prep),
    }


def _show(prep: Prep, as_json: bool) -> None:
    if as_json:
        parameters = step_params.json_schema(prep) if prep.step else None
        more = {
            "text": prep_pages.text(prep),
            "example": prep_pages.example(prep),
            "as_step": prep_pages.step(prep) or None,
            "parameters": parameters,
        }
        say_json(_short(prep) | more)
        return
    parts = [prep_pages.shown(prep), prep_pages.text(prep)]
    if prep_pages.takes_selector(prep):
        parts.append(prep_pages.SELECTOR)
    parts.append(prep_pages.example(prep))
    if prep_pages.step(prep):
        parts.append(f"In a pipeline file, below `steps:`\n\n{prep_pages.step(prep)}")
    elif not prep.step:
        parts.append("It is no step of a pipeline file.")
    click.echo("\n\n".join(filter(None, parts)))
