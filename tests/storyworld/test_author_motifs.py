from collections import Counter

import pytest
from grown_worlds import GROWN, cases, played, random_plays

from narrative_dag.storyworld.authors import MotifReader, MotifStage, PlantedMotif, motif_stages
from narrative_dag.storyworld.errors import StoryworldError

DENSE = {"variables": 40, "encounters": 40, "motif_density": 1.0, "deception": 0.5}


@pytest.mark.parametrize("style", GROWN)
def test_motifs_stand_at_nothing_first_and_a_known_play_takes_each_through_all_its_choices(style: str) -> None:
    for case in cases(style, 8, **DENSE):
        assert case.grown.motifs
        for motif in case.grown.motifs:
            reader = MotifReader(case.world, [motif])
            choices = case.grown.motif_plays[motif.id]
            found = [
                steps(motif, reader.stages(played(case, choices[:n]).state)[motif.id]) for n in range(len(choices) + 1)
            ]
            assert found == sorted(found)
            assert set(found) == set(range(len(motif.places) + 1))
            assert reader.stages(played(case, choices).state)[motif.id] == len(motif.stages)


def steps(motif: PlantedMotif, stage: int) -> int:
    """The choices that a stage stands for; a stage before a choice says that a gate on a number holds."""
    return sum(not found.name.startswith("before ") for found in motif.stages[:stage])


def test_the_stage_is_a_function_of_the_state_and_steps_are_made_in_order() -> None:
    for case in cases("tolstoy", 6, **DENSE):
        reader = MotifReader(case.world, case.grown.motifs)
        ids = {encounter.id: i for i, encounter in enumerate(case.world.encounters)}
        for play in random_plays(case, 8):
            stages = reader.stages(play.state)
            assert stages == motif_stages(case.world, case.grown.motifs, play.state)
            for motif in case.grown.motifs:
                made = [(ids[p.encounter], p.option) in play.state.options for p in motif.places]
                chosen = made.index(False) if False in made else len(made)
                assert steps(motif, stages[motif.id]) == chosen


def test_many_kinds_are_planted_with_their_characters_and_places() -> None:
    kinds: Counter[str] = Counter()
    for style in GROWN:
        for case in cases(style, 8, **DENSE):
            cast = {character.id for character in case.world.characters}
            options = {(encounter.id, o) for encounter in case.world.encounters for o in range(len(encounter.options))}
            for motif in case.grown.motifs:
                kinds[motif.kind] += 1
                assert set(motif.characters) <= cast
                assert len(set(motif.characters)) == len(motif.characters) >= 2
                assert {(place.encounter, place.option) for place in motif.places} <= options
    assert len(kinds) >= 10


@pytest.mark.parametrize("style", GROWN)
def test_tempter_creditor_confessor_and_dupe_stay_who_they_are(style: str) -> None:
    """The player acts as the first of the two on the second, whom every choice of the motif names."""
    for case in cases(style, 8, **DENSE):
        pages = {page["id"]: page for page in case.grown.document["encounters"]}
        for motif in case.grown.motifs:
            if motif.kind in ("temptation", "debt relief", "confession", "deception"):
                first, second = motif.characters
                for place in motif.places:
                    deed = pages[place.encounter]["options"][place.option]["text"].split(",")[0]
                    assert second in deed, (motif, deed)
                    assert first not in deed, (motif, deed)


def test_a_motif_of_another_world_is_refused() -> None:
    case = cases("tolstoy", 1, **DENSE)[0]
    strange = PlantedMotif("m1", "oath", ("Nobody", "Noone"), (), (MotifStage("sworn", "seen(e999,0)"),))
    with pytest.raises(StoryworldError, match="e999"):
        MotifReader(case.world, [strange])
