"""`narrative-dag world`, as a user runs it."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

STAMPS = {"creation_index": 0, "creation_time": 0, "modified_time": 0}


def text(value):
    return {"script_element_type": "Pointer", "pointer_type": "String Constant", "value": value}


def number(value):
    return {"script_element_type": "Pointer", "pointer_type": "Bounded Number Constant", "value": value}


def reaction(to):
    return {"id": f"to_{to}", "text_script": text("So."), "desirability_script": number(0), "consequence_id": to}


def option(id_, to, performable=True):
    return {
        "id": id_,
        "text_script": text(f"Take {id_}"),
        "visibility_script": True,
        "performability_script": performable,
        "reactions": [reaction(to)],
    }


def encounter(id_, *options):
    scripts = {"text_script": text(f"At {id_}"), "acceptability_script": True, "desirability_script": number(0)}
    turns = {"earliest_turn": 0, "latest_turn": 1000, "graph_position_x": 0, "graph_position_y": 0}
    return {"id": id_, "title": id_, "options": options, "connected_spools": ["s"]} | scripts | turns | STAMPS


def project(**changes):
    spool = {"id": "s", "spool_name": "s", "encounters": ["gate", "garden"], "starts_active": True} | STAMPS
    return {
        "sweepweave_version": "0.1.9",
        "storyworld_title": "Two [pages]",
        "characters": [],
        "authored_properties": [],
        "spools": [spool],
        "encounters": [encounter("gate", option("path", "garden"), option("wall", "gate", False)), encounter("garden")],
    } | changes


@pytest.fixture
def world(tmp_path) -> Path:
    path = tmp_path / "world.json"
    path.write_text(json.dumps(project()))
    return path


def run(*arguments, stdin=""):
    command = [sys.executable, "-c", "from narrative_dag.cli.app import main; main()", *map(str, arguments)]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=120, check=False)


def test_check_ends_with_its_figures(world):
    done = run("world", "check", world)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert (figures["encounters"], figures["options"], figures["notices"], figures["mode"]) == (2, 2, 0, "official")


def test_check_lists_places_and_json_holds_them(world):
    odd = project(encounters=[encounter("gate") | {"acceptability_script": "yes"}])
    world.write_text(json.dumps(odd))
    done = run("world", "check", world)
    assert "encounters[0].acceptability_script: defaulted: " in done.stdout
    listed = json.loads(run("world", "check", world, "--json").stdout)["notices"]
    assert {n["path"] for n in listed} == {"encounters[0].acceptability_script", "spools[0].encounters"}


def test_refusal_is_one_line_and_status_1(world):
    world.write_text(json.dumps(project(sweepweave_version="0.0.1")))
    done = run("world", "check", world)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: {world}: sweepweave_version: ")
    assert len(done.stderr.splitlines()) == 1
    refused = run("world", "check", world, "--json")
    assert refused.returncode == 1
    assert "sweepweave_version" in json.loads(refused.stdout)["refused"]


def test_modes_differ(world):
    document = project()
    del document["sweepweave_version"]
    world.write_text(json.dumps(document))
    assert run("world", "check", world).returncode == 1
    assert run("world", "check", world, "--mode", "extended").returncode == 0


@pytest.mark.parametrize("arguments", [["check"], ["check", "f", "--mode", "loose"], ["fly"], ["replay", "one"]])
def test_wrong_usage_is_status_2(arguments):
    assert run("world", *arguments).returncode == 2


def test_replay_compares_and_tells(world, tmp_path):
    steps = [
        {"t": 1, "e": "gate", "v": ["path", "wall"], "p": ["path"], "o": "path", "oi": 0, "r": "to_garden", "ri": 0}
        | {"s": [], "a": ["s"], "n": "garden"},
        {"t": 2, "e": "garden", "v": [], "p": [], "o": None},
    ]
    trace = {
        "format": "swtrace-1",
        "sha256": hashlib.sha256(world.read_bytes()).hexdigest(),
        "mode": "official",
        "max_steps": 9,
        "vars": [],
        "init": [],
        "spools": ["s"],
        "plays": [{"start": "gate", "steps": steps, "end": {"kind": "no_options", "turn": 2, "e": "garden"}}],
    }
    path = tmp_path / "trace.json"
    path.write_text(json.dumps(trace))
    agreed = run("world", "replay", world, path)
    assert (agreed.returncode, json.loads(agreed.stdout)) == (
        0,
        {"plays": 1, "steps": 2, "mismatches": 0, "differences": []},
    )
    trace["plays"][0]["end"]["turn"] = 3
    path.write_text(json.dumps(trace))
    differed = run("world", "replay", world, path)
    assert differed.returncode == 1
    assert json.loads(differed.stdout)["mismatches"] == 1
    assert json.loads(differed.stdout)["differences"] == [{"place": "plays[0].end.turn", "expected": "3", "found": "2"}]


def test_play_takes_numbers_and_quits_at_the_end_of_input(world):
    done = run("world", "play", world, stdin="7\n1\n")
    assert done.returncode == 0, done.stderr
    assert "Two [pages]" in done.stdout
    assert "1. Take path" in done.stdout
    assert "Take wall" in done.stdout
    assert "one of 1" in done.stdout
    assert "no_options after 1 choices" in done.stdout
    assert run("world", "play", world).returncode == 0


def test_automatic_play_is_repeatable(world):
    first, second = (run("world", "play", world, "--auto", "--seed", 4) for _ in range(2))
    assert (first.returncode, first.stdout) == (0, second.stdout)
    assert "At garden" in first.stdout


def test_drafts_are_read_too(tmp_path):
    path = tmp_path / "draft.json"
    end = {"id": "e2", "text": "The end."}
    start = {"id": "e1", "text": "Start.", "options": [{"text": "Go", "reactions": [{"text": "Gone.", "to": "e2"}]}]}
    draft = {"title": "D", "theme": "t", "characters": {"Mara": {"Trust": 0.2}}, "encounters": [start, end]}
    path.write_text(json.dumps(draft))
    done = run("world", "check", path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["encounters"] == 2
    path.write_text(json.dumps(draft | {"encounters": [start]}))
    broken = run("world", "check", path)
    assert broken.returncode == 1
    assert broken.stderr.startswith(f"error: {path}: ")


def test_help_loads_nothing_heavy():
    heavy = "{'torch', 'pyarrow', 'numpy', 'dagster', 'mlflow'}"
    code = f"import sys, narrative_dag.cli.app; print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_simulate_counts_ends_and_pages(world):
    encounters = [
        encounter("gate", option("path", "garden"), option("well", "pit")),
        *(encounter("garden"), encounter("pit"), encounter("attic")),
    ]
    world.write_text(json.dumps(project(encounters=encounters)))
    done = run("world", "simulate", world, "--playthroughs", 4000, "--seed", 3)
    *lines, last = done.stdout.splitlines()
    figures = json.loads(last)
    assert figures["kinds"] == {"no_options": 4000}
    assert (figures["steps"], figures["longest"]) == (4000, 1)
    assert figures["entries"] == {"gate": 4000, **figures["ends"], "attic": 0}
    assert abs(figures["ends"]["garden"] - 2000) < 150
    assert lines[-1].split() == ["never", "attic"]
    novel = json.loads(run("world", "simulate", world, "--playthroughs", 10, "--policy", "novelty", "--json").stdout)
    assert novel["ends"] == {"garden": 5, "pit": 5}
