"""Rows of `rollouts` as the interpreter and the readable encoder give them, for the choices of the simulator."""

from collections import Counter
from typing import Any

import numpy as np

from narrative_dag.states.encoder import Encoder
from narrative_dag.storyworld.engine import Playthrough
from narrative_dag.storyworld.model import Storyworld
from narrative_dag.storyworld.simulator.choices import novelty_choice, stream_key, uniform_choice, uniforms


def interpreted_rows(
    world: Storyworld, identity: str, source: str, playthroughs: int, seed: int, max_steps: int, novel: bool = False
) -> list[dict[str, Any]]:
    """What `record` documents, one playthrough after another."""
    encoder, key, times = Encoder(world), stream_key(seed, identity), Counter[tuple[int, int]]()
    rows: list[dict[str, Any]] = []
    for number in range(playthroughs):
        play, draws = Playthrough(world), uniforms(key, number)
        for step in range(max_steps):
            page = play.page
            if page is None:
                break
            here = world.encounters[page.encounter]
            row: dict[str, Any] = {
                "storyworld_id": identity,
                "source": source,
                "playthrough": number,
                "step": step,
                "turn": play.state.turn,
                "encounter": here.id,
                "visible": [here.options[o].id for o in page.visible],
                "performable": [here.options[o].id for o in page.performable],
                **dict.fromkeys(("choice", "reaction", "next", "end")),
                "state": np.asarray(encoder.encode(play.state, page.encounter)).tolist(),
            }
            rows.append(row)
            if play.ending is not None:
                row["end"] = play.ending.kind
                break
            draw = next(draws)
            if novel:
                chosen = novelty_choice(page.performable, [times[page.encounter, o] for o in page.performable], draw)
                times[page.encounter, chosen] += 1
            else:
                chosen = uniform_choice(page.performable, draw)
            ran = play.choose(chosen)
            option = here.options[chosen]
            row["choice"] = option.id
            row["reaction"] = None if ran is None else option.reactions[ran].id
            if play.page is None:
                row["end"] = "the_end"
                break
            row["next"] = world.encounters[play.page.encounter].id
            if step + 1 == max_steps:
                row["end"] = "max_steps"
    return rows
