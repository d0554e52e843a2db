"""`narrative-dag score`: the verifiers on drafts."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from narrative_dag.errors import NarrativeError

if TYPE_CHECKING:
    from narrative_dag.reward.verifiers import StoryWorldVerifiers, Verdict


def score(
    files: Annotated[list[Path], typer.Argument(help="drafts")],
    reward: Annotated[
        Path | None,
        typer.Option(help="reward bundle, .narrative/artifacts/reward_model/CYCLE; else no feature quality"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON line a file")] = False,
) -> None:
    """Judge drafts by the seven verifiers, and say why."""
    verifiers = _verifiers(reward)
    for file in files:
        try:
            text = file.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise NarrativeError(f"cannot be read: {error}", where=str(file)) from error
        _tell(file, verifiers.judge(text), as_json)


def _verifiers(reward: Path | None) -> "StoryWorldVerifiers":
    from narrative_dag.reward.bundle import RewardBundle
    from narrative_dag.reward.verifiers import RewardConfig, StoryWorldVerifiers

    return StoryWorldVerifiers(RewardConfig()) if reward is None else RewardBundle.load(reward).verifiers()


def _tell(file: Path, verdict: "Verdict", as_json: bool) -> None:
    if as_json:
        components = {n: {"score": c.score, "detail": c.detail} for n, c in verdict.components.items()}
        typer.echo(json.dumps({"file": str(file), "reward": verdict.reward, "components": components}))
        return
    typer.echo(f"{file}: reward {verdict.reward:.3f}")
    for name, component in verdict.components.items():
        typer.echo(f"  {name:24} {component.score:.3f}  {component.detail}")
