"""Recorded choices played again as rows: the same rows as when they were made, or an error that names the place."""

import pytest

from narrative_dag.states.recording import record, record_choices
from narrative_dag.storyworld.authors import AuthorConfig, author
from narrative_dag.storyworld.draft import compile_text
from narrative_dag.storyworld.errors import StoryworldError
from narrative_dag.storyworld.simulator.compiler import compile_world
from narrative_dag.storyworld.simulator.program import Program


@pytest.fixture(scope="module")
def programs() -> list[Program]:
    drafts = author(5, AuthorConfig(quality_low=1, quality_high=1), 3)
    return [compile_world(compile_text(draft.text).world, f"id{i}") for i, draft in enumerate(drafts)]


def choices_of(rows: list[dict], programs: list[Program], playthroughs: int) -> list[list[list[int]]]:
    """The option positions in rows; the option at position 1 of encounter e2 is e2.1."""
    found = [[[] for _ in range(playthroughs)] for _ in programs]
    for row in rows:
        if row["choice"] is not None:
            world = int(row["storyworld_id"].removeprefix("id"))
            found[world][row["playthrough"]].append(int(row["choice"].split(".")[1]))
    return found


@pytest.mark.parametrize("max_steps", [2, 40])
def test_recorded_choices_give_the_rows_that_they_were_made_on(programs: list[Program], max_steps: int) -> None:
    made = record(programs, "seed", 30, 7, max_steps)
    choices = choices_of(made.to_pylist(), programs, 30)
    assert record_choices(programs, "seed", choices, max_steps).to_pylist() == made.to_pylist()
    assert record_choices(programs, "seed", choices).num_rows >= made.num_rows


def test_a_playthrough_stops_after_its_last_choice(programs: list[Program]) -> None:
    rows = record_choices(programs[:1], "seed", [[[], [0], [0, 0]]]).to_pylist()
    assert [(row["playthrough"], row["step"], row["end"]) for row in rows] == [
        (1, 0, "max_steps"),
        (2, 0, None),
        (2, 1, "max_steps"),
    ]


@pytest.mark.parametrize(
    ("choices", "place"),
    [([[0], [7]], "playthrough 1, step 0"), ([[0] * 30], "playthrough 0, step "), ([[-1]], "playthrough 0, step 0")],
)
def test_a_choice_that_cannot_be_made_is_refused(programs: list[Program], choices: list[list[int]], place: str) -> None:
    with pytest.raises(StoryworldError, match=f"id0: {place}"):
        record_choices(programs[:1], "seed", [choices])


def test_every_storyworld_needs_its_playthroughs(programs: list[Program]) -> None:
    with pytest.raises(StoryworldError, match="1 lists of recorded playthroughs for 5"):
        record_choices(programs, "seed", [[[0]]])
