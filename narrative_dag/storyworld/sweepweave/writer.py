"""A storyworld as the document of an editor project, version 0.1.9."""

import json
from typing import Any

from narrative_dag.storyworld.model import Effect, Encounter, Option, Property, Reaction, SetNumber, Storyworld
from narrative_dag.storyworld.sweepweave.document import Json
from narrative_dag.storyworld.sweepweave.identifiers import WILD, ifid, stamp
from narrative_dag.storyworld.sweepweave.layout import layout
from narrative_dag.storyworld.sweepweave.script_writer import ScriptWriter

VERSION = "0.1.9"
_LAST_TURN = 1000


def write(world: Storyworld, seed: int = 0) -> dict[str, Any]:
    """The document, in which nothing is left for a loader to default.

    Args:
        world: what `lower` returns: official operators, unique ids, members in file order.
        seed: of the times and the IFID, which depend on nothing else but the content.
    """
    writer = _Writer(world, stamp(seed))
    document = {
        "sweepweave_version": VERSION,
        "storyworld_title": world.title,
        "storyworld_author": world.author,
        "about_text": writer.scripts.write(world.about),
        "meta_description": world.theme,
        "creation_time": stamp(seed),
        "modified_time": stamp(seed),
        "debug_mode": False,
        "display_mode": 1,
        "language": "en",
        "rating": "general",
        "css_theme": "lilac",
        "font_size": "16",
        "unique_id_seeds": writer.seeds(),
        "characters": writer.characters(),
        "authored_properties": [writer.authored(i, prop) for i, prop in enumerate(world.properties)],
        "spools": writer.spools(),
        "encounters": [writer.encounter(i, encounter) for i, encounter in enumerate(world.encounters)],
    }
    return {"IFID": ifid(encode(document), seed), **document}


def encode(document: Json) -> bytes:
    """The JSON text of a document, in UTF-8."""
    return json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1).encode()


class _Writer:
    def __init__(self, world: Storyworld, time: float) -> None:
        self.world, self.time = world, time
        self.scripts = ScriptWriter(
            [(e.id, [(o.id, [r.id for r in o.reactions]) for o in e.options]) for e in world.encounters]
        )
        self.positions = layout(world)
        self.connected: list[list[str]] = [[] for _ in world.encounters]
        for spool in world.spools:
            for member in spool.members:
                self.connected[member].append(spool.id)

    def stamps(self, index: int) -> dict[str, Json]:
        return {"creation_index": index, "creation_time": self.time, "modified_time": self.time}

    def seeds(self) -> dict[str, int]:
        options = [option for _, _, option in self.world.options()]
        return {
            "character": len(self.world.characters),
            "encounter": len(self.world.encounters),
            "option": len(options),
            "reaction": sum(len(option.reactions) for option in options),
            "spool": len(self.world.spools),
            "authored_property": len(self.world.properties),
        }

    def characters(self) -> list[Json]:
        values = self._values()
        return [
            {
                "id": character.id,
                "name": character.name,
                "pronoun": character.pronoun,
                "bnumber_properties": values[character.id],
                **self.stamps(i),
            }
            for i, character in enumerate(self.world.characters)
        ]

    def _values(self) -> dict[str, dict[str, Json]]:
        """Each character's numbers, in nested tables, properties in their own order."""
        values: dict[str, dict[str, Json]] = {character.id: {} for character in self.world.characters}
        order = {prop.id: i for i, prop in enumerate(self.world.properties)}
        for character, keyring in sorted(
            self.world.tables, key=lambda key: (len(key[1]), order.get(key[1][0], 0), key)
        ):
            table = values[character]
            for part in keyring[:-1]:
                table = table[part]
            table[keyring[-1]] = {}
        for (character, keyring), number in self.world.initial.items():
            table = values[character]
            for part in keyring[:-1]:
                table = table[part]
            table[keyring[-1]] = number
        return {
            character: {id_: table[id_] for id_ in sorted(table, key=lambda id_: order.get(id_, len(order)))}
            for character, table in values.items()
        }

    def authored(self, index: int, prop: Property) -> Json:
        owners = [c.id for c in self.world.characters if (c.id, prop.id) in self.world.declared]
        everyone = len(owners) == len(self.world.characters)
        return {
            "property_type": "bounded number",
            "id": prop.id,
            "property_name": prop.name,
            "depth": prop.depth,
            "default_value": prop.default,
            "attribution_target": "all cast members" if everyone else "some cast members",
            "affected_characters": owners,
            **self.stamps(index),
        }

    def spools(self) -> list[Json]:
        return [
            {
                "id": spool.id,
                "spool_name": spool.name,
                "starts_active": spool.starts_active,
                "encounters": [self.world.encounters[member].id for member in spool.members],
                **self.stamps(i),
            }
            for i, spool in enumerate(self.world.spools)
        ]

    def encounter(self, position: int, encounter: Encounter) -> Json:
        x, y = self.positions[position]
        return {
            "id": encounter.id,
            "title": encounter.title,
            "text_script": self.scripts.write(encounter.text),
            "acceptability_script": self.scripts.write(encounter.acceptability),
            "desirability_script": self.scripts.write(encounter.desirability),
            "earliest_turn": 0,
            "latest_turn": _LAST_TURN,
            "connected_spools": self.connected[position],
            "options": [self._option(option) for option in encounter.options],
            "graph_position_x": x,
            "graph_position_y": y,
            **self.stamps(position),
        }

    def _option(self, option: Option) -> Json:
        return {
            "id": option.id,
            "text_script": self.scripts.write(option.text),
            "visibility_script": self.scripts.write(option.visibility),
            "performability_script": self.scripts.write(option.performability),
            "reactions": [self._reaction(reaction) for reaction in option.reactions],
        }

    def _reaction(self, reaction: Reaction) -> Json:
        target = reaction.consequence
        return {
            "id": reaction.id,
            "text_script": self.scripts.write(reaction.text),
            "desirability_script": self.scripts.write(reaction.desirability),
            "consequence_id": WILD if target is None else self.world.encounters[target].id,
            "after_effects": [self._effect(effect) for effect in reaction.effects],
        }

    def _effect(self, effect: Effect) -> Json:
        if isinstance(effect, SetNumber):
            kind, target = "Bounded Number Effect", self.scripts.variable(effect.target)
        else:
            kind, target = "Spool Effect", effect.spool
        return {"effect_type": kind, "Set": target, "to": self.scripts.write(effect.value)}
