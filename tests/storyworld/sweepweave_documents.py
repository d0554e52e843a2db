"""Small SweepWeave documents that are complete, for tests to bend."""

from typing import Any

from narrative_dag.storyworld.engine import Playthrough
from narrative_dag.storyworld.model import Mode
from narrative_dag.storyworld.sweepweave import Loaded, loads

Json = Any
STAMPS = {"creation_index": 0, "creation_time": 0.0, "modified_time": 0.0}


def constant(value: Json) -> Json:
    return {"script_element_type": "Pointer", "pointer_type": "Bounded Number Constant", "value": value}


def text(value: Json) -> Json:
    return {"script_element_type": "Pointer", "pointer_type": "String Constant", "value": value}


def variable(character: Json, *keyring: Json, coefficient: Json = 1.0) -> Json:
    return {
        "script_element_type": "Pointer",
        "pointer_type": "Bounded Number Pointer",
        "character": character,
        "coefficient": coefficient,
        "keyring": list(keyring),
    }


def event(encounter: Json, option: Json = None, reaction: Json = None, **more: Json) -> Json:
    ids = {"encounter": encounter, "option": option, "reaction": reaction}
    return {"script_element_type": "Pointer", "pointer_type": "Event Pointer"} | ids | more


def spool_status(spool: Json, negated: Json = False) -> Json:
    return {
        "script_element_type": "Pointer",
        "pointer_type": "Spool Status Pointer",
        "spool": spool,
        "negated": negated,
    }


def operator(kind: Json, *operands: Json, subtype: Json = None) -> Json:
    built = {"script_element_type": "Operator", "operator_type": kind, "operands": list(operands)}
    return built if subtype is None else built | {"operator_subtype": subtype}


def compare(subtype: str, *operands: Json) -> Json:
    return operator("Arithmetic Comparator", *operands, subtype=subtype)


def effect(target: Json, to: Json) -> Json:
    return {"effect_type": "Bounded Number Effect", "Set": target, "to": to}


def spool_effect(spool: Json, to: Json) -> Json:
    return {"effect_type": "Spool Effect", "Set": spool, "to": to}


def reaction(id_: str, *effects: Json, to: Json = "wild", desirability: Json = None) -> Json:
    return {
        "id": id_,
        "text_script": text(id_),
        "desirability_script": constant(0) if desirability is None else desirability,
        "consequence_id": to,
        "after_effects": list(effects),
    }


def option(id_: str, *reactions: Json, visible: Json = True, performable: Json = True) -> Json:
    return {
        "id": id_,
        "text_script": text(id_),
        "visibility_script": visible,
        "performability_script": performable,
        "reactions": list(reactions),
    }


def encounter(
    id_: str, *options: Json, spools: Json = ("main",), acceptable: Json = True, desirability: Json = None
) -> Json:
    return {
        "id": id_,
        "title": id_,
        "text_script": text(id_),
        "acceptability_script": acceptable,
        "desirability_script": constant(0) if desirability is None else desirability,
        "earliest_turn": 0,
        "latest_turn": 1000,
        "options": list(options),
        "connected_spools": list(spools),
        "graph_position_x": 0,
        "graph_position_y": 0,
    } | STAMPS


def character(id_: str, **values: Json) -> Json:
    return {"id": id_, "name": id_, "pronoun": "they", "bnumber_properties": values} | STAMPS


def authored(id_: str, depth: Json = 0, target: str = "all cast members", affected: Json = ()) -> Json:
    return {
        "property_type": "bounded number",
        "id": id_,
        "property_name": id_,
        "depth": depth,
        "default_value": 0,
        "attribution_target": target,
        "affected_characters": list(affected),
    } | STAMPS


def spool(id_: str, *encounters: Json, active: Json = True) -> Json:
    return {"id": id_, "spool_name": id_, "encounters": list(encounters), "starts_active": active} | STAMPS


def project(*encounters: Json, characters: Json = None, properties: Json = None, spools: Json = None) -> Json:
    """A project with Ann and Bob, a trait Calm (0.5 and -0.5) and a perception Trust."""
    members = [e["id"] for e in encounters if isinstance(e, dict) and "main" in e.get("connected_spools", [])]
    return {
        "sweepweave_version": "0.1.9",
        "storyworld_title": "T",
        "characters": characters
        or [character("Ann", Calm=0.5, Trust={"Bob": 0.25}), character("Bob", Calm=-0.5, Trust={"Ann": -0.25})],
        "authored_properties": properties or [authored("Calm"), authored("Trust", depth=1)],
        "spools": spools or [spool("main", *members)],
        "encounters": list(encounters),
    }


def with_effects(*effects: Json, **more: Json) -> Json:
    """A project of one page whose only option runs the effects, and an ending."""
    return project(encounter("start", option("go", reaction("done", *effects, to="end"))), encounter("end"), **more)


def with_gate(script: Json, **more: Json) -> Json:
    """A project whose first page has one option behind the script."""
    return project(encounter("start", option("go", reaction("done"), visible=script)), encounter("end"), **more)


def official(document: Json) -> Loaded:
    return loads(document, Mode.OFFICIAL)


def extended(document: Json) -> Loaded:
    return loads(document, Mode.EXTENDED)


def after_go(loaded: Loaded) -> Playthrough:
    """The playthrough after its first page's first option."""
    play = Playthrough(loaded.world)
    play.choose(0)
    return play


def shown(loaded: Loaded) -> bool:
    """Whether the first page shows an option."""
    page = Playthrough(loaded.world).page
    assert page is not None
    return bool(page.visible)


def notices(loaded: Loaded) -> set[tuple[str, str]]:
    """The report's places and kinds."""
    return {(notice.path, notice.kind.value) for notice in loaded.report}
