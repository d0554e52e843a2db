"""The official loader: what it drops, defaults, pads, misreads and refuses, and what play makes of it."""

import pytest
from sweepweave_documents import (
    after_go,
    authored,
    character,
    constant,
    effect,
    encounter,
    event,
    notices,
    official,
    operator,
    option,
    project,
    reaction,
    spool,
    spool_effect,
    variable,
    with_effects,
)

from narrative_dag.storyworld.engine import Playthrough
from narrative_dag.storyworld.errors import StoryworldError

CALM = ("Ann", ("Calm",))
GATE = "encounters[0].options[0].visibility_script"
EFFECT = "encounters[0].options[0].reactions[0].after_effects[0]"


def value_of(script):
    """What Ann's Calm (0.5 at first) is after an effect sets it to the script."""
    return after_go(official(with_effects(effect(variable("Ann", "Calm"), script)))).state.numbers[CALM]


def test_complete_project_loads_with_an_empty_report():
    loaded = official(with_effects(effect(variable("Ann", "Trust", "Bob"), constant(0.5))))
    assert loaded.report == ()
    assert [c.id for c in loaded.world.characters] == ["Ann", "Bob"]
    assert loaded.world.initial == {
        ("Ann", ("Calm",)): 0.5,
        ("Ann", ("Trust", "Bob")): 0.25,
        ("Bob", ("Calm",)): -0.5,
        ("Bob", ("Trust", "Ann")): -0.25,
    }
    assert loaded.world.tables == {("Ann", ("Trust",)), ("Bob", ("Trust",))}


@pytest.mark.parametrize("version", ["0.0.34", "0.0.38", "0.1.0", "0.1.9"])
def test_current_versions_load(version):
    official(with_effects() | {"sweepweave_version": version})


@pytest.mark.parametrize(
    "version", [None, "", "0.0.29", "0.0.15", "0.1.10", "0.2.0", "1.1.9", "0.1", "0.1.9.1", 19, "٠.١.٩"]
)
def test_other_versions_are_refused(version):
    with pytest.raises(StoryworldError) as refused:
        official(with_effects() | {"sweepweave_version": version})
    assert refused.value.where == "document: sweepweave_version"


@pytest.mark.parametrize("key", ["characters", "spools", "encounters", "authored_properties"])
def test_missing_required_list_is_refused(key):
    document = with_effects()
    del document[key]
    with pytest.raises(StoryworldError, match="missing"):
        official(document)


@pytest.mark.parametrize("key", ["title", "text_script", "earliest_turn", "graph_position_y", "connected_spools"])
def test_encounter_lacking_a_key_is_refused(key):
    document = with_effects()
    del document["encounters"][1][key]
    with pytest.raises(StoryworldError) as refused:
        official(document)
    assert refused.value.where == "document: encounters[1]"
    assert key in refused.value.message


def test_reaction_lacking_a_key_is_refused():
    document = with_effects()
    del document["encounters"][0]["options"][0]["reactions"][0]["consequence_id"]
    with pytest.raises(StoryworldError, match=r"reactions\[0\]: lacks consequence_id"):
        official(document)


@pytest.mark.parametrize("bare", [0.5, True, "x", None])
def test_bare_effect_value_is_refused(bare):
    with pytest.raises(StoryworldError) as refused:
        official(with_effects(effect(variable("Ann", "Calm"), bare)))
    assert refused.value.where == f"document: {EFFECT}.to"


def test_bare_effect_value_of_an_incomplete_pointer_only_drops_the_effect():
    pointer = variable("Ann", "Calm")
    del pointer["coefficient"]
    loaded = official(with_effects(effect(pointer, 0.5)))
    assert notices(loaded) == {(f"{EFFECT}.Set", "dropped")}


@pytest.mark.parametrize("effects", [None, {}, "none", [3], [None]])
def test_effects_that_are_no_list_of_objects_are_refused(effects):
    document = with_effects()
    document["encounters"][0]["options"][0]["reactions"][0]["after_effects"] = effects
    with pytest.raises(StoryworldError, match="after_effects"):
        official(document)


def test_number_effect_on_something_else_than_a_pointer_is_refused():
    with pytest.raises(StoryworldError, match=r"Set: is no object"):
        official(with_effects(effect("Ann", constant(0.5))))


def test_spool_lacking_a_key_is_skipped_before_starts_active_is_asked_for():
    lame = spool("lame")
    del lame["starts_active"], lame["spool_name"]
    loaded = official(with_effects(spools=[spool("main", "start", "end"), lame]))
    assert [s.id for s in loaded.world.spools] == ["main"]
    assert notices(loaded) == {("spools[1]", "dropped")}
    whole = spool("whole")
    del whole["starts_active"]
    with pytest.raises(StoryworldError, match="starts_active"):
        official(with_effects(spools=[whole]))


def test_character_lacking_pronoun_takes_every_pointer_with_it():
    lame = character("Ann", Calm=0.5)
    del lame["pronoun"]
    loaded = official(
        with_effects(effect(variable("Ann", "Calm"), constant(0)), characters=[lame, character("Bob", Calm=0.1)])
    )
    assert [c.id for c in loaded.world.characters] == ["Bob"]
    assert loaded.world.encounters[0].options[0].reactions[0].effects == ()
    assert notices(loaded) == {("characters[0]", "dropped"), (f"{EFFECT}.Set.character", "dropped")}


def test_option_lacking_a_key_is_skipped_and_positions_move_up():
    lame = option("lame", reaction("x"))
    del lame["performability_script"]
    loaded = official(project(encounter("start", lame, option("go", reaction("done")))))
    assert [o.id for o in loaded.world.encounters[0].options] == ["go"]
    assert notices(loaded) == {("encounters[0].options[0]", "dropped")}


def test_undeclared_values_are_erased_and_read_as_null():
    people = [character("Ann", Calm=0.5, Ghost=0.9), character("Bob", Calm=0.5)]
    properties = [authored("Calm", target="some cast members", affected=["Ann"])]
    seen = effect(variable("Ann", "Calm"), operator("Maximum of", variable("Bob", "Calm"), constant(-0.5)))
    loaded = official(with_effects(seen, characters=people, properties=properties))
    assert loaded.world.initial == {CALM: 0.5}
    assert notices(loaded) == {
        ("characters[0].bnumber_properties.Ghost", "dropped"),
        ("characters[1].bnumber_properties.Calm", "dropped"),
        (f"{EFFECT}.to.operands[0].keyring[0]", "misread"),
    }
    assert after_go(loaded).state.numbers[CALM] == -0.5


def test_property_of_the_storyworld_belongs_to_nobody():
    loaded = official(with_effects(properties=[authored("Calm", target="storyworld"), authored("Trust", depth=1)]))
    assert ("Ann", "Calm") not in loaded.world.declared


def test_write_to_an_undeclared_property_does_nothing():
    play = after_go(official(with_effects(effect(variable("Ann", "Ghost"), constant(0.5)))))
    assert ("Ann", ("Ghost",)) not in play.state.numbers
    assert play.changes == (False,)


def test_starting_values_are_not_clamped():
    people = [character("Ann", Calm=7.5), character("Bob", Calm=-3)]
    loaded = official(with_effects(effect(variable("Ann", "Calm"), variable("Bob", "Calm")), characters=people))
    assert loaded.world.initial[CALM] == 7.5
    assert after_go(loaded).state.numbers[CALM] == -3.0


def test_absent_trait_reads_0_and_is_created_by_a_write():
    people = [character("Ann"), character("Bob")]
    loaded = official(with_effects(effect(variable("Ann", "Calm"), variable("Bob", "Calm")), characters=people))
    assert after_go(loaded).state.numbers == {CALM: 0.0}


def test_keyring_that_is_too_long_reads_the_number_it_meets_and_writes_nothing():
    long = variable("Ann", "Calm", "Bob")
    assert value_of(operator("Arithmetic Negation", long)) == -0.5
    play = after_go(official(with_effects(effect(long, constant(0.1)))))
    assert play.state.numbers[CALM] == 0.5
    assert ("Ann", ("Calm", "Bob")) not in play.state.numbers


def test_keys_of_unknown_characters_are_removed_from_a_keyring():
    loaded = official(with_effects(effect(variable("Ann", "Trust", "nobody", "Bob", 3), constant(0.75))))
    assert after_go(loaded).state.numbers["Ann", ("Trust", "Bob")] == 0.75
    assert notices(loaded) == {(f"{EFFECT}.Set.keyring[1]", "dropped"), (f"{EFFECT}.Set.keyring[3]", "dropped")}


def test_keyring_that_is_too_short_reads_null_and_writes_nothing():
    assert value_of(operator("Maximum of", variable("Ann", "Trust"), constant(-0.25))) == -0.25
    play = after_go(official(with_effects(effect(variable("Ann", "Trust"), constant(0.5)))))
    assert play.changes == (False,)
    assert play.state.numbers["Ann", ("Trust", "Bob")] == 0.25


def test_missing_deep_key_reads_0_and_is_not_written():
    own = variable("Ann", "Trust", "Ann")
    assert value_of(own) == 0.0
    play = after_go(official(with_effects(effect(own, constant(0.5)))))
    assert ("Ann", ("Trust", "Ann")) not in play.state.numbers


def test_second_level_perceptions_are_read_and_written():
    people = [character("Ann", Guess={"Bob": {"Ann": 0.4}}), character("Bob")]
    deep = variable("Ann", "Guess", "Bob", "Ann")
    loaded = official(
        with_effects(
            effect(deep, operator("Arithmetic Negation", deep)),
            characters=people,
            properties=[authored("Guess", depth=2)],
        )
    )
    assert after_go(loaded).state.numbers == {("Ann", ("Guess", "Bob", "Ann")): -0.4}


def test_coefficient_applies_to_reads_and_writes_and_nothing_clamps():
    target = variable("Ann", "Calm", coefficient=4)
    assert after_go(official(with_effects(effect(target, variable("Ann", "Calm", coefficient=3))))).state.numbers[
        CALM
    ] == pytest.approx(6.0)


@pytest.mark.parametrize(("to", "active"), [(False, False), (True, True), (constant(0.5), True), ("x", True)])
def test_spool_effect_needs_a_boolean(to, active):
    play = after_go(official(with_effects(spool_effect("main", to))))
    assert play.state.active("main") is active


@pytest.mark.parametrize(
    "broken",
    [
        {"effect_type": "Set", "Set": variable("Ann", "Calm"), "to": constant(0)},
        {"Set": variable("Ann", "Calm"), "to": constant(0)},
        effect(variable("nobody", "Calm"), constant(0)),
        effect(variable("Ann", "Calm"), {"operator_type": "Nudge"}),
        spool_effect("nowhere", True),
        spool_effect(None, True),
    ],
)
def test_effect_that_is_dropped_is_reported(broken):
    loaded = official(with_effects(broken))
    assert loaded.world.encounters[0].options[0].reactions[0].effects == ()
    assert {kind for _, kind in notices(loaded)} == {"dropped"}


@pytest.mark.parametrize("wanted", [None, "", "nowhere", 3])
def test_unknown_consequence_becomes_wild(wanted):
    loaded = official(project(encounter("start", option("go", reaction("done", to=wanted)))))
    assert loaded.world.encounters[0].options[0].reactions[0].consequence is None
    assert notices(loaded) == {("encounters[0].options[0].reactions[0].consequence_id", "defaulted")}


def test_encounter_called_wild_is_no_direct_target():
    loaded = official(project(encounter("start", option("go", reaction("done"))), encounter("wild")))
    assert loaded.world.encounters[0].options[0].reactions[0].consequence is None


def test_connected_spools_rule_and_a_spools_own_list_is_ignored():
    loaded = official(
        project(
            encounter("start", spools=["main", "main", "nowhere"]),
            encounter("stray", spools=[]),
            spools=[spool("main", "stray")],
        )
    )
    assert loaded.world.spools[0].members == (0,)
    assert notices(loaded) == {("encounters[0].connected_spools[2]", "dropped"), ("spools[0].encounters", "ignored")}


def test_turn_limits_are_ignored_and_reported():
    page = encounter("start") | {"earliest_turn": 5, "latest_turn": 7}
    loaded = official(project(page))
    assert notices(loaded) == {("encounters[0].earliest_turn", "ignored"), ("encounters[0].latest_turn", "ignored")}
    assert Playthrough(loaded.world).page is not None


def test_repeated_encounter_id_keeps_both_and_consequences_mean_the_last():
    loaded = official(project(encounter("a", option("go", reaction("done", to="b"))), encounter("b"), encounter("b")))
    assert len(loaded.world.encounters) == 3
    assert loaded.world.encounters[0].options[0].reactions[0].consequence == 2
    assert notices(loaded) == {("encounters[2]", "misread")}


def test_event_pointer_means_the_last_option_with_that_id_by_identity():
    first = encounter("one", option("same", reaction("r1", to="two")))
    second = encounter(
        "two", option("same", reaction("r2")), option("gated", reaction("r3"), visible=event("one", "same"))
    )
    play = after_go(official(project(first, second)))
    assert play.page is not None
    assert play.page.visible == (0,)
