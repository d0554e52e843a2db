"""`narrative-dag author`: generated drafts, one file each."""

from pathlib import Path
from typing import Annotated

import typer

from narrative_dag.errors import NarrativeError


def author(
    out: Annotated[Path, typer.Option(help="folder for the drafts; made when missing")],
    count: Annotated[int, typer.Option(min=1, help="how many")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="draft i depends on the seed and i alone")] = 7,
    quality: Annotated[float | None, typer.Option(min=0, max=1, help="0 poor to 1 rich; else a mixture")] = None,
) -> None:
    """Write storyworld drafts with the combinatorial author."""
    from narrative_dag.storyworld.authors import AuthorConfig
    from narrative_dag.storyworld.authors import author as write

    config = AuthorConfig() if quality is None else AuthorConfig(quality_low=quality, quality_high=quality)
    if out.exists() and not out.is_dir():
        raise NarrativeError("not a folder", where=str(out))
    out.mkdir(parents=True, exist_ok=True)
    for i, draft in enumerate(write(count, config, seed)):
        (out / f"{seed}-{i:06d}.json").write_text(draft.text, encoding="utf-8")
    typer.echo(f"{count} drafts in {out}")
