"""From any storyworld to a project that the editor takes whole, checked before it is handed out."""

from dataclasses import dataclass
from typing import Any

from narrative_dag.storyworld.errors import StoryworldError
from narrative_dag.storyworld.model import Mode, Storyworld
from narrative_dag.storyworld.sweepweave.loading import loads
from narrative_dag.storyworld.sweepweave.lowering import Lowering, lower
from narrative_dag.storyworld.sweepweave.writer import write


@dataclass(frozen=True, slots=True)
class Converted:
    """A project document and the lowering that it holds."""

    document: dict[str, Any]
    lowering: Lowering


def convert(world: Storyworld, approximate: bool = False, seed: int = 0) -> Converted:
    """The editor project that plays like the storyworld.

    The official loader reads exactly `lowering.world` from the document and has nothing to remark; that is checked.

    Raises:
        StoryworldError: no exact form and `approximate` is false, or something that no project file can hold.
    """
    lowering = lower(world, approximate)
    document = write(lowering.world, seed)
    loaded = loads(document, Mode.OFFICIAL, "the converted project")
    if loaded.report:
        raise StoryworldError(f"no project file can hold it: {loaded.report[0]}", where=world.title or None)
    if loaded.world != lowering.world:
        raise StoryworldError("no project file can hold it: it would be read as another storyworld", where=world.title)
    return Converted(document, lowering)
