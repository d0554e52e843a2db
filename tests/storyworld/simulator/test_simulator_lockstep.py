"""The compiled simulator equals the interpreter after every step, on random storyworlds."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lockstep import play_both
from random_storyworlds import random_world

from narrative_dag.storyworld.engine import Playthrough
from narrative_dag.storyworld.model import Mode, SetNumber, SetSpool, Storyworld
from narrative_dag.storyworld.script import (
    OPERATORS,
    Event,
    Expression,
    Operation,
    Variable,
    evaluate,
    is_number,
    truthy,
    walk,
)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 9), st.sampled_from([0.0, 0.05, 0.15, 0.4]))
def test_every_step_equals_the_interpreters(seed: int, size: int, wild: float) -> None:
    for _ in play_both(random_world(seed, size, wild), plays=4, steps=12, seed=seed):
        pass


def scripts(world: Storyworld) -> list[Expression]:
    found: list[Expression] = []
    for encounter in world.encounters:
        found += [encounter.acceptability, encounter.desirability]
    for _, _, option in world.options():
        found += [option.visibility, option.performability]
        for reaction in option.reactions:
            found.append(reaction.desirability)
            found += [effect.value for effect in reaction.effects]
    return found


class Census:
    """Counts which cases random storyworlds contain and random play reaches."""

    def __init__(self) -> None:
        self.met: Counter[object] = Counter()

    def world(self, world: Storyworld, play: Playthrough) -> None:
        mode, met = world.mode, self.met
        for script in scripts(world):
            for part in walk(script):
                if isinstance(part, Operation):
                    met[part.operator, len(part.operands)] += 1
                    met["null", part.operator] += evaluate(part, play.state) is None
                    if part.operator == "If Then" and len(part.operands) == 3:
                        condition, value = (evaluate(operand, play.state) for operand in part.operands[:2])
                        met["null fallback"] += truthy(condition) and value is None
                elif isinstance(part, Variable):
                    self.variable(part, world, play)
                elif isinstance(part, Event):
                    depth = 1 + (part.option is not None) + (part.reaction is not None)
                    met["event", "nothing" if part.encounter is None else depth] += 1
                    met["negated event"] += part.negated
        for e, _, option in world.options():
            met["option without reactions"] += not option.reactions
            for gate in (option.visibility, option.performability, world.encounters[e].acceptability):
                met["string in a gate"] += isinstance(evaluate(gate, play.state), str)
        met["spool named twice"] += len({spool.id for spool in world.spools}) < len(world.spools)
        if mode is Mode.EXTENDED and play.page is not None:
            opened = world.encounters[play.page.encounter].desirability
            best = evaluate(opened, Playthrough(world).state)
            beaten = [
                encounter
                for encounter in world.encounters
                if not encounter.options and isinstance(value := evaluate(encounter.desirability, play.state), float)
                if isinstance(best, float) and value > best
            ]
            met["opening passes over an ending"] += bool(beaten)

    def variable(self, part: Variable, world: Storyworld, play: Playthrough) -> None:
        key, met, mode = (part.character, part.keyring), self.met, world.mode
        number = play.state.number(*key)
        met["keyring", len(part.keyring), mode] += 1
        met["coefficient"] += part.coefficient != 1.0
        met["null read"] += number is None
        met["missing key", mode] += key not in world.initial and number is not None
        met["table", mode] += key in world.tables
        if mode is Mode.EXTENDED and number is not None:
            shorter = [(part.character, part.keyring[:n]) for n in range(1, len(part.keyring))]
            met["prefix read"] += key not in play.state.numbers and any(k in play.state.numbers for k in shorter)
            met["read of what was created"] += key in play.state.numbers and key not in world.initial

    def step(self, play: Playthrough, option: int) -> None:
        assert play.page is not None
        world, met = play.engine.world, self.met
        met["blocked or hidden option"] += len(play.page.performable) < len(
            world.encounters[play.page.encounter].options
        )
        reactions = world.encounters[play.page.encounter].options[option].reactions
        values = [evaluate(reaction.desirability, play.state) for reaction in reactions]
        numbers = [v for v in values if isinstance(v, float) and v > -1.0]
        met["tie of reactions"] += len(numbers) > len(set(numbers)) and numbers.count(max(numbers)) > 1
        met["no reaction qualifies"] += len(values) > 1 and not numbers
        met["desirability null"] += len(values) > 1 and None in values
        met["desirability too low"] += len(values) > 1 and any(isinstance(v, float) and v <= -1.0 for v in values)
        open_now = [
            evaluate(world.encounters[e].desirability, play.state)
            for spool in world.spools
            if spool.id in play.state.active_spools
            for e in dict.fromkeys(spool.members)
            if e not in play.state.encounters and truthy(evaluate(world.encounters[e].acceptability, play.state))
        ]
        scores = [v for v in open_now if isinstance(v, float) and v > -1.0]
        met["tie of encounters"] += len(scores) > 1 and scores.count(max(scores)) > 1
        for reaction in reactions[:1]:
            for effect in reaction.effects:
                value = evaluate(effect.value, play.state)
                if isinstance(effect, SetSpool):
                    met["spool effect"] += isinstance(value, bool)
                    met["spool effect without boolean"] += not isinstance(value, bool)
                elif isinstance(effect, SetNumber):
                    target = effect.target
                    met["poisoned effect"] += not is_number(value)
                    met["target coefficient"] += target.coefficient != 1.0
                    key = (target.character, target.keyring)
                    met["creation"] += key not in world.initial and is_number(value)
                    met["key reads null"] += play.state.number(*key) is None


@pytest.fixture(scope="module")
def met() -> Counter[object]:
    census = Census()
    for seed in range(160):
        world = random_world(seed, 3 + seed % 6)
        last = Playthrough(world)
        census.world(world, last)
        for play, option in play_both(world, plays=3, steps=10, seed=seed):
            census.step(play, option)
            last = play
        census.world(world, last)
    return census.met


@pytest.mark.parametrize("name", OPERATORS)
def test_random_storyworlds_have_every_operator_with_every_count_of_operands(name: str, met: Counter[object]) -> None:
    operator = OPERATORS[name]
    most = 4 if operator.most is None else operator.most
    assert all(met[name, count] for count in range(operator.least, most + 1))


@pytest.mark.parametrize(
    "case",
    [
        *(("null", name) for name in ("Addition", "Nudge", "And", "Not", "Greater Than", "Maximum of", "If Then")),
        *(("keyring", length, mode) for length in range(1, 4) for mode in Mode),
        *(("missing key", mode) for mode in Mode),
        *(("event", depth) for depth in ("nothing", 1, 2, 3)),
        *(["negated event", "null fallback", "coefficient", "null read", "prefix read", "read of what was created"]),
        *(["option without reactions", "string in a gate", "spool named twice", "opening passes over an ending"]),
        *(["blocked or hidden option", "tie of reactions", "no reaction qualifies", "desirability null"]),
        *(["desirability too low", "tie of encounters", "spool effect", "spool effect without boolean"]),
        *(["poisoned effect", "target coefficient", "creation", "key reads null"]),
        ("table", Mode.OFFICIAL),
    ],
    ids=str,
)
def test_random_storyworlds_reach_the_corner_cases(case: object, met: Counter[object]) -> None:
    assert met[case] >= 3
