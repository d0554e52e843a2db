import json
from pathlib import Path
from typing import Any

STAMPS = {"creation_index": 0, "creation_time": 0.0, "modified_time": 0.0}
REFUSED = "broken.json"


def text(value: str) -> dict[str, Any]:
    return {"script_element_type": "Pointer", "pointer_type": "String Constant", "value": value}


def number(value: float) -> dict[str, Any]:
    return {"script_element_type": "Pointer", "pointer_type": "Bounded Number Constant", "value": value}


def option(name: str, to: str) -> dict[str, Any]:
    reaction = {
        "id": f"{name} done",
        "text_script": text("Done."),
        "desirability_script": number(0),
        "consequence_id": to,
        "after_effects": [],
    }
    return {
        "id": name,
        "text_script": text(name),
        "visibility_script": True,
        "performability_script": True,
        "reactions": [reaction],
    }


def encounter(name: str, *options: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": name,
        "title": name,
        "text_script": text(name),
        "acceptability_script": True,
        "desirability_script": number(0),
        "earliest_turn": 0,
        "latest_turn": 1000,
        "options": list(options),
        "connected_spools": ["main"],
        "graph_position_x": 0,
        "graph_position_y": 0,
        **STAMPS,
    }


def world(title: str) -> dict[str, Any]:
    """A SweepWeave 0.1.9 project of three pages: stay and go on, or go and end."""
    pages = [
        encounter("start", option("stay", "middle"), option("go", "end")),
        encounter("middle", option("leave", "end")),
        encounter("end"),
    ]
    calm = {
        "property_type": "bounded number",
        "id": "Calm",
        "property_name": "Calm",
        "depth": 0,
        "default_value": 0,
        "attribution_target": "all cast members",
        "affected_characters": [],
        **STAMPS,
    }
    return {
        "sweepweave_version": "0.1.9",
        "storyworld_title": title,
        "characters": [
            {"id": "ann", "name": "Ann", "pronoun": "she", "bnumber_properties": {"Calm": 0.5}, **STAMPS},
        ],
        "authored_properties": [calm],
        "spools": [
            {
                "id": "main",
                "spool_name": "main",
                "encounters": [page["id"] for page in pages],
                "starts_active": True,
                **STAMPS,
            }
        ],
        "encounters": pages,
    }


def write_worlds(folder: Path) -> Path:
    """Two worlds and a file that is none."""
    for name in ("harbour", "orchard"):
        (folder / f"{name}.json").write_text(json.dumps(world(name.title())))
    (folder / REFUSED).write_text("{")
    return folder
