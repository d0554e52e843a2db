"""`narrative-dag world explore`: what can happen in a storyworld."""

import json
import math
import time
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from narrative_dag.storyworld.model import Mode

if TYPE_CHECKING:
    from narrative_dag.storyworld.explore import Exploration, Finding, Witness
    from narrative_dag.storyworld.sweepweave import Loaded

LISTED = 5
"""Findings of a kind that are told, unless all are wanted."""


def explore(
    file: Annotated[Path, typer.Argument(help="a draft (.json) or a SweepWeave project (.json, .json.gz)")],
    mode: Annotated[Mode, typer.Option("--mode", help="whose semantics a project is read with")] = Mode.OFFICIAL,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON document instead of lines")] = False,
    max_states: Annotated[int, typer.Option("--max-states", min=1, help="distinct states to meet, at most")] = 100_000,
    plays: Annotated[int, typer.Option("--plays", min=0, help="random plays where there are more states")] = 20_000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="of the random plays")] = 0,
    every: Annotated[bool, typer.Option("--all", help="every finding, not the first of each kind")] = False,
) -> None:
    """What is reached, what cannot be, dead ends, loops, gates and idle effects: findings, then a line of figures."""
    from narrative_dag.storyworld.explore import ExploreConfig, findings
    from narrative_dag.storyworld.explore import explore as explore_world
    from narrative_dag.storyworld.explore.compiled import COMPILED

    before = time.process_time()
    loaded = _read(file, mode)
    explored = explore_world(loaded.world, ExploreConfig(max_states=max_states, plays=plays, seed=seed), COMPILED)
    found = findings(explored)
    figures = _figures(explored) | {
        "file": str(file),
        "input_notices": len(loaded.report),
        "findings": len(found),
        "cpu_seconds": round(time.process_time() - before, 3),
    }
    if as_json:
        listed = [_finding(explored, finding) for finding in found]
        print(json.dumps({**figures, **_details(explored), "findings": listed}, ensure_ascii=False, allow_nan=False))
        return
    print(_summary(explored))
    if loaded.report:
        count = len(loaded.report)
        things = "1 thing in the file is" if count == 1 else f"{count} things in the file are"
        told = f"{things} dropped, defaulted or misread in {mode.value} mode"
        print(f"{told}: narrative-dag world check --mode {mode.value} {file}")
    by_kind = sorted(found, key=lambda finding: (-finding.weight, finding.kind))
    for kind, group in groupby(by_kind, key=lambda finding: finding.kind):
        _print_kind(explored, kind, list(group), every)
    print()
    print(json.dumps(figures, ensure_ascii=False))


def _print_kind(explored: "Exploration", kind: str, found: "list[Finding]", every: bool) -> None:
    """The findings of one kind under a heading, the first few unless all are wanted."""
    from narrative_dag.storyworld.explore.findings import HEADINGS

    print(f"\n{HEADINGS[kind]}: {len(found)}" if len(found) > 1 else f"\n{HEADINGS[kind]}")
    listed = found if every else found[:LISTED]
    for finding in listed:
        print(f"[{finding.weight}] {finding}")
        if finding.witness is not None:
            print(f"     a play that shows it: {_play(explored, finding.witness)}")
    if len(listed) < len(found):
        print(f"     and {len(found) - len(listed)} more; --all or --json lists them")


def _read(path: Path, mode: Mode) -> "Loaded":
    """The storyworld in a file; a refusal says when the dialect's reader would take it.

    Raises:
        StoryworldError: it cannot be read.
    """
    from narrative_dag.cli.world import read_world
    from narrative_dag.storyworld.errors import StoryworldError

    try:
        return read_world(path, mode)
    except StoryworldError as error:
        if mode is Mode.EXTENDED:
            raise
        try:
            read_world(path, Mode.EXTENDED)
        except StoryworldError:
            raise error from None
        raise StoryworldError(error.message, where=error.where, hint="--mode extended reads this file") from error


def _summary(explored: "Exploration") -> str:
    """What was looked at, in one paragraph."""
    count = explored.graph.states
    states = f"{count} distinct state{'s' * (count != 1)}"
    if explored.exhaustive:
        return f"{explored.world.title}: {states}: everything that can happen was met, so what was not met cannot."
    sample = explored.sample
    more = f", then {sample.plays} random plays" if sample else ""
    return f"{explored.world.title}: {states}, and there are more{more}: what was not met may still exist."


def _figures(explored: "Exploration") -> dict[str, Any]:
    from narrative_dag.storyworld.explore import Verdict

    verdicts, sample = explored.verdicts, explored.sample
    counted = {
        name: sum(verdict is Verdict.REACHED for verdict in found.values())
        for name, found in (
            ("encounters", verdicts.encounters),
            ("options", verdicts.performable),
            ("reactions", verdicts.reactions),
            ("effects", verdicts.effects),
            ("endings", verdicts.endings),
        )
    }
    return {
        "title": explored.world.title,
        "mode": explored.world.mode.value,
        "states": explored.graph.states,
        "exhaustive": explored.exhaustive,
        "plays": sample.plays if sample else 0,
        **{f"{name}_reached": count for name, count in counted.items()},
        "encounters": len(verdicts.encounters),
        "options": len(verdicts.performable),
        "reactions": len(verdicts.reactions),
        "effects": len(verdicts.effects),
        "endings": len(verdicts.endings),
        "dead_ends": len(
            {e for found in (verdicts.no_options, verdicts.blocked) for e, v in found.items() if v is Verdict.REACHED}
        ),
        "loops": len(explored.loops),
        "traps": sum(loop.escapes is False for loop in explored.loops),
    }


def _finite(value: float) -> float | None:
    """A number as JSON has it; None for an infinite one."""
    return value if math.isfinite(value) else None


def _play(explored: "Exploration", witness: "Witness") -> str:
    """A play as option ids."""
    steps = [option for _, option in witness.ids(explored.world)]
    return " > ".join(steps) if steps else "the first page"


def _witness(explored: "Exploration", witness: "Witness | None") -> dict[str, Any] | None:
    if witness is None:
        return None
    return {
        "choices": [o for _, o in witness.choices],
        "ids": [list(pair) for pair in witness.ids(explored.world)],
        "shortest": witness.shortest,
    }


def _finding(explored: "Exploration", finding: "Finding") -> dict[str, Any]:
    named = ("weight", "kind", "proved", "where", "what", "why", "mend")
    words = {name: getattr(finding, name) for name in named}
    return words | {"place": list(finding.place), "witness": _witness(explored, finding.witness)}


def _details(explored: "Exploration") -> dict[str, Any]:
    """Every verdict, gate, loop and influence, by ids."""
    from narrative_dag.storyworld.explore.wording import Words

    verdicts, encounters, words = explored.verdicts, explored.world.encounters, Words(explored.world)
    options = [
        {
            "encounter": encounters[e].id,
            "option": encounters[e].options[o].id,
            "visible": verdicts.visible[e, o].value,
            "performable": verdicts.performable[e, o].value,
            "visible_states": explored.visible.get((e, o), 0),
            "performable_states": explored.performable.get((e, o), 0),
        }
        for e, o in explored.positions.options
    ]
    pages = [
        {
            "encounter": encounter.id,
            "title": encounter.title,
            "ending": not encounter.options,
            "verdict": verdicts.encounters[e].value,
            "states": explored.pages.get(e, 0),
            "no_options": verdicts.no_options[e].value if encounter.options else None,
            "blocked": verdicts.blocked[e].value if encounter.options else None,
            "witness": _witness(explored, explored.play_to_encounter(e)),
        }
        for e, encounter in enumerate(encounters)
    ]
    reactions = [
        {
            "encounter": encounters[e].id,
            "option": encounters[e].options[o].id,
            "reaction": encounters[e].options[o].reactions[r].id,
            "verdict": verdicts.reactions[e, o, r].value,
        }
        for e, o, r in explored.positions.reactions
    ]
    effects = []
    for e, o, r, k in explored.positions.effects:
        influence = explored.influences.get((e, o, r, k))
        reaction = encounters[e].options[o].reactions[r]
        effects.append(
            {
                "reaction": reaction.id,
                "effect": words.effect(reaction.effects[k]),
                "verdict": verdicts.effects[e, o, r, k].value,
                "read": None if influence is None else influence.read,
                "plays": None if influence is None else influence.plays,
                "mattered": None if influence is None else influence.mattered,
            }
        )
    gates = [
        {
            "kind": gate.kind,
            "encounter": encounters[gate.encounter].id,
            "option": None if gate.option is None else encounters[gate.encounter].options[gate.option].id,
            "script": words.expression(gate.script),
            "state": gate.state,
            "proved": gate.proved,
            "open": gate.open,
            "shut": gate.shut,
            "ranges": {
                words.variable(r.key): [_finite(r.low), _finite(r.high)] for r in gate.ranges if r.low <= r.high
            },
        }
        for gate in explored.gates
    ]
    loops = [
        {
            "encounters": [encounters[e].id for e in loop.encounters],
            "states": loop.states,
            "escapes": loop.escapes,
            "witness": _witness(explored, explored.play_to_state(loop.node)),
        }
        for loop in explored.loops
    ]
    return {
        "the_end": verdicts.the_end.value,
        "pages": pages,
        "option_verdicts": options,
        "reaction_verdicts": reactions,
        "effect_verdicts": effects,
        "gates": gates,
        "loop_pages": loops,
    }
