"""The command `narrative-dag`. Exit status: 0, 1 for wrong input, 2 for wrong usage."""

import sys

import typer

from narrative_dag.cli import author, bench, cycle, demo, query, sae, score, ui, world
from narrative_dag.errors import NarrativeError

app = typer.Typer(
    name="narrative-dag",
    help="Train language models to write interactive storyworlds, in measured cycles.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.add_typer(world.app, name="world")
app.add_typer(cycle.app, name="cycle")
app.add_typer(bench.app, name="bench")
app.add_typer(sae.app, name="sae")
app.command("author")(author.author)
app.command("score")(score.score)
app.command("query")(query.query)
app.command("ui")(ui.ui)
app.command("demo")(demo.demo)


def main() -> None:
    """Run the command line; bad input is printed as one line and exits with status 1."""
    try:
        app()
    except NarrativeError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
