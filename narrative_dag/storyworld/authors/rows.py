"""Rows of written drafts: the columns of a shard."""

import hashlib
from typing import Any

import pyarrow as pa

from narrative_dag.storyworld.authors.planted import PlantedMotif
from narrative_dag.storyworld.authors.writing import Seed

Row = dict[str, Any]

_S, _I = pa.string(), pa.int32()
_MOTIF = pa.struct(
    [
        ("id", _S),
        ("kind", _S),
        ("characters", pa.list_(_S)),
        ("places", pa.list_(pa.struct([("encounter", _S), ("option", _I)]))),
        ("stages", pa.list_(pa.struct([("name", _S), ("condition", _S)]))),
    ]
)

SCHEMA = pa.schema(
    [
        pa.field(name, kind, nullable=nullable, metadata={"description": meaning})
        for name, kind, nullable, meaning in (
            ("position", pa.int64(), False, "place in the series, from 0"),
            ("storyworld_id", _S, False, "sha256 of the canonical draft; of the text where it does not compile"),
            (
                "structural_hash",
                _S,
                True,
                "sha256 without prose and names; null where it does not compile",
            ),
            ("style", _S, False, "who wrote it"),
            ("quality", pa.float64(), False, "what it was written at, in [0, 1]"),
            ("theme", _S, False, "theme"),
            ("title", _S, False, "title"),
            ("text", _S, False, "the draft"),
            ("flaw", _S, True, "the flaws put in; null for none"),
            ("motifs", pa.list_(_MOTIF), False, "planted motifs: the ground truth"),
            ("variables", _I, False, "numbers of all characters"),
            ("spools", _I, False, "spools"),
            ("encounters", _I, False, "encounters, endings included"),
            ("characters_of_text", _I, False, "length of the text in characters"),
        )
    ]
)
"""The columns of a shard."""


def draft_row(position: int, draft: Seed) -> Row:
    """The row of a draft."""
    found = draft.identities()
    document = draft.document
    values = [value for own in document["characters"].values() for value in own.values()]
    return {
        "position": position,
        "storyworld_id": found[0] if found else hashlib.sha256(draft.text.encode()).hexdigest(),
        "structural_hash": found[1] if found else None,
        "style": draft.style,
        "quality": draft.quality,
        "theme": document["theme"],
        "title": document["title"],
        "text": draft.text,
        "flaw": draft.flaw,
        "motifs": [_motif_row(motif) for motif in draft.motifs],
        "variables": sum(len(value) if isinstance(value, dict) else 1 for value in values),
        "spools": len(document["spools"]),
        "encounters": len(document["encounters"]),
        "characters_of_text": len(draft.text),
    }


def _motif_row(motif: PlantedMotif) -> Row:
    return {
        "id": motif.id,
        "kind": motif.kind,
        "characters": motif.characters,
        "places": [{"encounter": place.encounter, "option": place.option} for place in motif.places],
        "stages": [{"name": stage.name, "condition": stage.condition} for stage in motif.stages],
    }
