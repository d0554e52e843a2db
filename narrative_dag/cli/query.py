"""`narrative-dag query`: SQL on the warehouse."""

from pathlib import Path
from typing import Annotated

import typer

from narrative_dag.home import Home


def query(
    sql: Annotated[str, typer.Argument(help="one SELECT on the warehouse's tables, in DuckDB's SQL")],
    home: Annotated[
        Path | None, typer.Option(help="folder of the stores; else NARRATIVE_HOME, else .narrative")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object a row")] = False,
) -> None:
    """Query the tables: storyworlds, verdicts, rollouts, features, feature_catalog, affordance_coupling, lineage ..."""
    from resources.catalog import Catalog

    place = Home.at(home)
    frame = Catalog(place.warehouse, place.catalog).query(sql)
    if as_json:
        typer.echo(frame.write_ndjson(), nl=False)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(*frame.columns)
    for row in frame.iter_rows():
        table.add_row(*("" if value is None else str(value) for value in row))
    Console().print(table)
