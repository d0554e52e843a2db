import re
from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from grown_worlds import GROWN, Case, all_plays, cases, played, random_plays
from hypothesis import given, settings
from hypothesis import strategies as st

from narrative_dag.storyworld.authors import AuthorConfig, author, curriculum
from narrative_dag.storyworld.authors.identity import identities
from narrative_dag.storyworld.authors.lexicon import THEMES
from narrative_dag.storyworld.authors.prose import Prose
from narrative_dag.storyworld.draft import compile_text, problems
from narrative_dag.storyworld.engine import Playthrough
from narrative_dag.storyworld.model import SetNumber, SetSpool
from narrative_dag.storyworld.script import Constant, Event, Operation, Variable, walk

SMALLEST = {"variables": 3, "spools": 1, "encounters": 4}
SMALL = {"variables": 6, "spools": 2, "encounters": 8}
MANY_SPOOLS = {"variables": 8, "spools": 10}
DEEP = {
    "variables": 60, "spools": 7, "encounters": 60, "motif_density": 1.0, "coupling": 1.0, "deception": 1.0,
    "horizon": 12,
}  # fmt: skip
LARGEST = {"variables": 1000, "spools": 10}


def endings(case: Case) -> set[int]:
    return {i for i, encounter in enumerate(case.world.encounters) if not encounter.options}


@pytest.mark.parametrize("style", GROWN)
@pytest.mark.parametrize(
    ("count", "knobs"), [(40, {}), (20, SMALLEST), (30, SMALL), (8, MANY_SPOOLS), (5, DEEP), (1, LARGEST)]
)
class TestGuarantees:
    def test_every_encounter_is_reached_and_every_gate_found_open_and_shut(
        self, style: str, count: int, knobs: dict[str, Any]
    ) -> None:
        for case in cases(style, count, **knobs):
            positions = {encounter.id: i for i, encounter in enumerate(case.world.encounters)}
            assert set(case.grown.plays) == set(positions)
            for name, choices in case.grown.plays.items():
                page = played(case, choices).page
                assert page is not None
                assert page.encounter == positions[name]
            gated = {
                (encounter.id, o)
                for encounter in case.world.encounters
                for o, option in enumerate(encounter.options)
                if option.performability != Constant(True)
            }
            assert {(gate.encounter, gate.option) for gate in case.grown.gates} == gated
            for gate in case.grown.gates:
                opened, shut = played(case, gate.opened).page, played(case, gate.shut).page
                assert opened is not None
                assert shut is not None
                assert opened.encounter == shut.encounter == positions[gate.encounter]
                assert gate.option in opened.performable
                assert gate.option not in shut.performable

    def test_every_play_ends_on_an_ending(self, style: str, count: int, knobs: dict[str, Any]) -> None:
        for case in cases(style, count, **knobs):
            assert len(endings(case)) >= 2
            for play in random_plays(case, 12):
                assert play.state.turn <= 3 * len(case.world.encounters)
                if play.ending is not None:
                    assert play.ending.kind == "no_options"
                    assert play.ending.encounter in endings(case)

    def test_a_page_has_a_choice_that_is_always_open_and_direct_consequences_never_turn_back(
        self, style: str, count: int, knobs: dict[str, Any]
    ) -> None:
        for case in cases(style, count, **knobs):
            for e, encounter in enumerate(case.world.encounters):
                for option in encounter.options:
                    assert all(r.consequence is None or r.consequence > e for r in option.reactions)
                free = [o for o in encounter.options if o.performability == o.visibility == Constant(True)]
                assert free or not encounter.options

    def test_no_sentence_is_told_twice(self, style: str, count: int, knobs: dict[str, Any]) -> None:
        for case in cases(style, count, **knobs):
            found: Counter[str] = Counter()
            for encounter in case.grown.document["encounters"]:
                assert encounter["text"]
                found.update(sentences(encounter["text"]))
                for option in encounter.get("options", ()):
                    found.update(sentences(option["text"]))
                    for reaction in option["reactions"]:
                        assert reaction["text"]
                        found.update(sentences(reaction["text"]))
            assert found.most_common(1)[0][1] == 1, found.most_common(3)

    def test_sizes_are_as_asked(self, style: str, count: int, knobs: dict[str, Any]) -> None:
        for case in cases(style, count, **knobs):
            assert len(case.world.initial) == knobs.get("variables", 24)
            assert len(case.world.spools) == knobs.get("spools", 3)
            if "encounters" in knobs:
                assert len(case.world.encounters) == pytest.approx(knobs["encounters"], rel=0.15, abs=2)


def sentences(text: str) -> list[str]:
    return re.split(r"(?<=[.!?])\s+", text)


@pytest.mark.parametrize("style", GROWN)
def test_all_plays_of_small_worlds_end_and_together_choose_every_option_and_run_every_reaction(style: str) -> None:
    for case in cases(style, 25, **SMALL):
        options, reactions, ends = set(), set(), set()
        for play in all_plays(case):
            assert play.ending is not None
            assert play.ending.kind == "no_options"
            ends.add(play.ending.encounter)
            options |= play.state.options
            reactions |= play.state.reactions
        assert ends == endings(case)
        assert options == {(e, o) for e, o, _ in case.world.options()}
        assert reactions == {(e, o, r) for e, o, option in case.world.options() for r in range(len(option.reactions))}


@settings(max_examples=40, deadline=None)
@given(
    style=st.sampled_from(GROWN),
    variables=st.integers(3, 80),
    spools=st.integers(1, 10),
    density=st.floats(0, 1),
    deception=st.floats(0, 1),
    coupling=st.floats(0, 1),
    horizon=st.integers(1, 40),
    seed=st.integers(0, 2**31),
)
def test_any_knobs_give_a_world_that_reads_clean_and_ends(
    style: str, variables: int, spools: int, density: float, deception: float, coupling: float, horizon: int, seed: int
) -> None:
    config = AuthorConfig(
        quality_low=1.0, quality_high=1.0, style=style, variables=variables, spools=spools, motif_density=density,
        deception=deception, coupling=coupling, horizon=horizon,
    )  # fmt: skip
    draft = next(author(1, config, seed))
    assert problems(draft.text) == []
    assert draft.flaw is None
    world = compile_text(draft.text).world
    play = Playthrough(world)
    while play.ending is None:
        assert play.page is not None
        play.choose(play.page.performable[seed % len(play.page.performable)])
    assert play.ending.kind == "no_options"


@pytest.mark.parametrize("style", ["sketch", *GROWN])
def test_identities_follow_from_the_document(style: str) -> None:
    config = AuthorConfig(style=style, quality_low=0.0, quality_high=1.0)
    for draft in author(25, config, 11):
        compiled = compile_text(draft.text)
        assert identities(draft.document) == (compiled.storyworld_id, compiled.structural_hash)


def test_the_same_seed_writes_the_same_worlds() -> None:
    config = AuthorConfig(style={"sketch": 1, "tolstoy": 1, "tokien": 2})
    first = list(author(20, config, 3))
    assert list(author(40, config, 3))[:20] == first
    assert list(author(20, config, 4)) != first
    assert {draft.style for draft in first} == {"sketch", "tolstoy", "tokien"}


def test_low_quality_puts_flaws_in_that_are_recorded_and_real() -> None:
    found: Counter[str] = Counter()
    config = AuthorConfig(style="tolstoy", quality_low=0.0, quality_high=0.0)
    for draft in author(80, config, 5):
        world = compile_text(draft.text).world
        flaws = (draft.flaw or "").split("; ")
        found.update(flaws)
        if "single ending" in flaws:
            assert sum(not encounter.options for encounter in world.encounters) == 1
        if "dead end" in flaws:
            kinds = {play.ending.kind for play in random_plays_of(draft.text, 60) if play.ending}
            assert "blocked" in kinds or "loop without exit" in flaws or "unreachable page" in flaws or len(kinds) == 1
        if "unreachable page" in flaws:
            reached = {r.consequence for e, _, o in world.options() for r in o.reactions if r.consequence != e}
            lonely = [i for i in range(len(world.encounters)) if not any(i in s.members for s in world.spools)]
            assert any(i not in reached for i in lonely)
    names = {"constant gates", "unreachable page", "single ending", "uniform effects", "loop without exit", "dead end"}
    assert names <= set(found)


def random_plays_of(text: str, count: int) -> Iterator[Playthrough]:
    """Plays of at most 60 choices."""
    world = compile_text(text).world
    random = Random(0)
    for _ in range(count):
        play = Playthrough(world)
        while play.ending is None and play.page is not None and play.state.turn < 60:
            play.choose(random.choice(play.page.performable))
        yield play


def gates_of(case: Case) -> list[Any]:
    return [option.performability for _, _, option in case.world.options()]


def ages(case: Case) -> list[int]:
    """Steps between the last change of a number and a gate that reads it, over random plays."""
    found: list[int] = []
    before: dict[Any, float] = {}
    changed: dict[Any, int] = {}
    for play in random_plays(case, 12):
        turn = play.state.turn
        if turn == 1:
            changed = {}
        else:
            changed |= {key: turn for key, value in play.state.numbers.items() if value != before[key]}
        before = dict(play.state.numbers)
        if play.page is None:
            continue
        parts = [p for o in case.world.encounters[play.page.encounter].options for p in walk(o.performability)]
        keys = [(part.character, part.keyring) for part in parts if isinstance(part, Variable)]
        found += [turn - changed[key] for key in keys if key in changed]
    return found


def mean(numbers: list[Any]) -> float:
    return sum(numbers) / len(numbers)


@pytest.mark.parametrize("style", GROWN)
def test_a_longer_horizon_makes_gates_read_older_changes(style: str) -> None:
    def look_back(horizon: int) -> float:
        worlds = cases(style, 4, variables=60, encounters=50, horizon=horizon)
        return mean([age for case in worlds for age in ages(case)])

    assert look_back(12) > 1.3 * look_back(1)


@pytest.mark.parametrize("style", GROWN)
def test_coupling_makes_acts_switch_hidden_spools_and_tell_side_stories(style: str) -> None:
    def switches(coupling: float) -> float:
        worlds = cases(style, 4, variables=40, spools=6, encounters=50, coupling=coupling)
        return mean(
            [
                sum(isinstance(f, SetSpool) and f.spool.startswith("hidden") for r in o.reactions for f in r.effects)
                for case in worlds
                for _, _, o in case.world.options()
            ]
        )

    assert switches(1.0) > 2 * switches(0.0)


@pytest.mark.parametrize("style", GROWN)
def test_deceivers_are_not_what_they_seem_and_gates_exploit_it(style: str) -> None:
    def judged(deception: float) -> tuple[float, float]:
        worlds = cases(style, 8, variables=60, encounters=40, deception=deception)
        gates = [any(isinstance(p, Operation) and p.operator == "Desideratum" for p in walk(g))
                 for case in worlds for g in gates_of(case)]  # fmt: skip
        seen = [
            value - case.world.initial[keyring[1], ("Honesty",)]
            for case in worlds
            for (_, keyring), value in case.world.initial.items()
            if keyring[0] == "Trust" and (keyring[1], ("Honesty",)) in case.world.initial
        ]
        return mean(gates), mean(seen)

    plain, masked = judged(0.0), judged(1.0)
    assert plain[0] == 0
    assert masked[0] > 0.05
    assert masked[1] > plain[1] + 0.5


def test_density_plants_more_motifs() -> None:
    counts = [
        mean([len(case.grown.motifs) for case in cases("tolstoy", 6, encounters=40, motif_density=density)])
        for density in (0.0, 0.3, 1.0)
    ]
    assert counts[0] == 0
    assert counts[2] > 1.5 * counts[1] > 0


def test_styles_differ_as_they_should() -> None:
    made = {style: cases(style, 8, variables=60, spools=6, encounters=48) for style in GROWN}

    def share(style: str, holds: Any) -> float:
        return mean([holds(gate) for case in made[style] for gate in gates_of(case) if gate != Constant(True)])

    def conflict(gate: Any) -> bool:
        return isinstance(gate, Operation) and sum(isinstance(o, Variable) for o in gate.operands) == 2

    def couples(gate: Any) -> bool:
        return isinstance(gate, Operation) and gate.operator in ("And", "Or")

    def remembers(gate: Any) -> bool:
        return any(isinstance(part, Event) for part in walk(gate))

    assert share("tolstoy", conflict) > 0.25 > share("finemann", conflict)
    assert share("finemann", couples) > 0.3 > share("tolstoy", couples)
    assert share("tokien", remembers) > 0.3
    verbs = {effect.value.operator for case in made["finemann"] for _, _, option in case.world.options()
             for reaction in option.reactions for effect in reaction.effects
             if isinstance(effect, SetNumber) and isinstance(effect.value, Operation)}  # fmt: skip
    assert verbs == {"Nudge", "Blend"}
    ended = {style: mean([len(endings(case)) for case in made[style]]) for style in GROWN}
    assert ended["tokien"] > 1.5 * ended["finemann"] > ended["tolstoy"]
    cast = {style: mean([len(case.world.characters) for case in made[style]]) for style in GROWN}
    assert cast["tolstoy"] < cast["finemann"]
    secret = [case.grown.document["encounters"] for case in made["tokien"]]
    sequences = [
        str(page.get("when", "")).count("seen(") for pages in secret for page in pages if "options" not in page
    ]
    assert max(sequences) >= 2


def test_the_curriculum_grows() -> None:
    steps = [curriculum(n / 20) for n in range(21)]
    for name in ("variables", "spools", "encounters", "horizon", "motif_density", "deception", "coupling",
                 "quality_low", "quality_high"):  # fmt: skip
        values = [getattr(step, name) for step in steps]
        assert values == sorted(values)
        assert values[0] < values[-1]
    assert (steps[0].variables, steps[0].spools) == (3, 1)
    assert (steps[-1].variables, steps[-1].spools) == (1000, 10)
    lengths = [len(next(author(1, curriculum(p, "tolstoy"), 2)).text) for p in (0.0, 0.5, 1.0)]
    assert lengths == sorted(lengths)
    with pytest.raises(ValueError, match="outside"):
        curriculum(1.1)


def test_impossible_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="for each of the cast"):
        AuthorConfig(cast=2, variables=500)
    with pytest.raises(ValueError, match="for each spool"):
        AuthorConfig(spools=10, encounters=8)
    with pytest.raises(ValueError, match="mixture"):
        AuthorConfig(style={"tokien": 0.0})


def told(style: str, count: int, **knobs: Any) -> str:
    """Everything that some worlds say."""
    found: list[str] = []
    for case in cases(style, count, **knobs):
        for encounter in case.grown.document["encounters"]:
            found.append(encounter["text"])
            for option in encounter.get("options", ()):
                found += [option["text"], *(reaction["text"] for reaction in option["reactions"])]
    return "\n".join(found)


@pytest.mark.parametrize("style", GROWN)
def test_words_agree(style: str) -> None:
    text = told(style, 40) + told(style, 5, **DEEP)
    assert not re.findall(r"\bthey (?:is|has|turns|knows)\b|\b(?:he|she) (?:are|have|turn|know)\b", text)
    assert not re.findall(r"\b[Aa] [aeiou]\w*|\b[Aa]n [^aeiou\W]\w*", text)
    assert not re.findall(r"\b(\w+) \1\b", text)
    assert not re.findall(r"[{}]|  ", text)
    assert not re.findall(r"\b(\w+)'s \w+ (?:outweighs|is stronger than|overrules|mixes with|leans towards) \1's", text)
    for form in (
        r"\b(?:he|she) (?:is|has|turns|knows)\b",
        r"\bthey (?:are|have|turn|know)\b",
        r"\b(?:his|her|their) own\b",
    ):
        assert re.search(form, text), form


@pytest.mark.parametrize("theme", sorted(THEMES))
def test_places_and_things_of_every_theme_are_named_in_agreement(theme: str) -> None:
    prose = Prose(Random(0), theme, large=True)
    text = " ".join(prose.scene("Mara", "Oren") for _ in range(300))
    assert not re.findall(r"\b[Aa] [aeiou]\w*|\b[Aa]n [^aeiou\W]\w*", text)
    assert not re.findall(r"\b(\w+) \1\b|\b(?:northern north|cold frozen|broken torn|old last)\b", text)
    assert "left an " in text or not any(thing[0] in "aeiou" for thing in THEMES[theme].things)


@pytest.mark.parametrize("style", GROWN)
def test_a_gate_is_told_as_high_or_low_as_it_is(style: str) -> None:
    strong, weak = r"runs high|is strong|is great|at a height", r"runs low|is weak|is slight|at an ebb"
    seen = 0
    for case in cases(style, 40):
        for encounter in case.grown.document["encounters"]:
            for option in encounter.get("options", ()):
                gate = re.fullmatch(r"[\w.\[\]]+ ([<>]) (-?[\d.]+)", option.get("if", ""))
                if gate is None:
                    continue
                seen += 1
                sign, limit = gate[1], float(gate[2])
                assert bool(re.search(strong, option["text"])) == (sign == ">" and limit >= 0.2), option
                assert bool(re.search(weak, option["text"])) == (sign == "<" and limit <= -0.2), option
    assert seen > 20
