"""Findings in words, and `narrative-dag world explore` as a user runs it."""

import json
import subprocess
import sys

import pytest
from explore_worlds import FALSE, FEAR, TRUST, more, nudge, option, page, put, reaction, world

from narrative_dag.storyworld.explore import ExploreConfig, explore, findings
from narrative_dag.storyworld.explore.findings import HEADINGS, WEIGHTS
from narrative_dag.storyworld.script import Constant, Event, Operation
from narrative_dag.storyworld.sweepweave import convert
from narrative_dag.storyworld.sweepweave.writer import encode


def found_in(built, **config):
    return findings(explore(built, ExploreConfig(**config)))


def test_a_shut_gate_says_what_it_needs_and_what_was_reached():
    first = page(
        option(reaction(1, put(TRUST, 0.45)), show=more(TRUST, -0.5)), option(reaction(1), able=more(FEAR, 0.5))
    )
    second = page(option(reaction(2), able=more(TRUST, 0.9)), option(reaction(2)))
    found = found_in(world(first, second, page()))
    shut = [str(finding) for finding in found if finding.kind == "option_never_performable"]
    assert shut == [
        'option 1 (p0.1), "Go on", on page "Page 0" (p0), "A page.": it can never be chosen: it needs Ann.Fear > 0.5, '
        "but the highest value of Ann.Fear reached there is 0. Loosen the gate, or raise what it reads on the way.",
        'option 0 (p1.0), "Go on", on page "Page 1" (p1), "A page.": it can never be chosen: it needs Ann.Trust > 0.9, '
        "but the highest value of Ann.Trust reached there is 0.45. Loosen the gate, or raise what it reads on the way.",
    ]
    opened = [finding for finding in found if finding.kind == "gate_always_open"]
    assert [finding.place for finding in opened] == [(0, 0)]
    assert all(finding.proved for finding in found if finding.kind != "effect_without_consequence")


def test_a_gate_on_a_choice_that_is_never_made_says_so():
    asked = Event(0, (0, 1))
    shut = option(reaction(1), able=more(FEAR, 0.5))
    built = world(page(option(reaction(1)), shut), page(option(reaction(2), show=asked), option(reaction(2))), page())
    found = {finding.place: finding.why for finding in found_in(built) if finding.kind == "option_never_visible"}
    assert found == {(1, 0): "it needs seen(p0,1), but seen(p0,1) never happens"}


def test_a_choice_that_was_not_met_within_the_bound_is_not_called_impossible():
    asked = Event(0, (0, 2))
    loop = option(reaction(0, nudge(TRUST, 0.1))), option(reaction(0, nudge(TRUST, -0.07)))
    built = world(page(*loop, option(reaction(0), show=more(TRUST, 0.98)), option(reaction(0), able=asked)))
    found = found_in(built, max_states=20, plays=6, max_steps=10)
    (why,) = [finding.why for finding in found if finding.place == (0, 3)]
    assert why == "it needs seen(p0,2), but seen(p0,2) was never met"


def test_long_scripts_are_cut():
    long = Operation("And", tuple(more(TRUST, 0.001 * n) for n in range(1, 60)))
    built = world(page(option(reaction(1), able=long), option(reaction(1))), page())
    (shut,) = [finding for finding in found_in(built) if finding.kind == "option_never_performable"]
    assert "…, but" in shut.why


def test_a_page_that_leads_to_itself_alone_is_named_as_a_page():
    (found,) = [f for f in found_in(world(page(option(reaction(1))), page(option(reaction(1))))) if f.kind == "trap"]
    assert found.where == 'page "Page 1" (p1), "A page."'
    assert found.mend == "Give the page a way out"


def test_every_kind_has_a_heading():
    assert set(HEADINGS) == set(WEIGHTS)


def test_the_gravest_comes_first_and_dead_ends_carry_a_play():
    found = found_in(
        world(
            page(option(reaction(1, put(FEAR, 0.5)))),
            page(option(reaction(0), able=FALSE)),
            page(),
            page(option(reaction(2))),
        )
    )
    assert [(finding.kind, finding.place) for finding in found] == [
        ("dead_end", (1,)),
        ("ending_unreachable", (2,)),
        ("page_unreachable", (3,)),
        ("option_never_performable", (1, 0)),
        ("effect_unread", (0, 0, 0, 0)),
    ]
    assert found[0].witness is not None
    assert found[0].witness.choices == ((0, 0),)
    assert "1 reaction leads to it (on p3), but none runs" in found[1].why
    assert "no reaction leads to it" in found[2].why
    assert found[4].where == "Ann.Fear"


@pytest.mark.parametrize(
    ("built", "kind"),
    [
        (world(page(when=FALSE)), "no_first_page"),
        (world(page()), "opens_on_ending"),
        (world(page(option(reaction(0)))), "never_ends"),
        (world(page(option(reaction(1)), option(reaction(2))), page(option(reaction(1))), page()), "trap"),
        (world(page(option(reaction(None)))), "the_end"),
        (world(page(option(reaction(0)), option(reaction(1))), page()), "loop"),
    ],
)
def test_how_a_story_fails_to_begin_or_to_end(built, kind):
    assert kind in [finding.kind for finding in found_in(built)]


def test_a_page_that_is_never_selected_says_why():
    gated = page(when=more(TRUST, 0.9))
    unwanted = page(urgency=-0.5)
    asleep = page()
    built = world(
        page(option(reaction(None, put(TRUST, 0.3)))),
        page(),
        gated,
        unwanted,
        asleep,
        spools={"main": (True, (0, 1, 2, 3)), "night": (False, (4,))},
    )
    why = {finding.place: finding.why for finding in found_in(built) if finding.kind == "ending_unreachable"}
    assert "its condition never holds: it needs Ann.Trust > 0.9, but the highest value of Ann.Trust" in why[2,]
    assert "another page is always wanted more" in why[3,]
    assert "its spools (night) are not active" in why[4,]


def test_beyond_the_bound_the_words_name_it():
    built = world(
        page(
            option(reaction(0, nudge(TRUST, 0.1))),
            option(reaction(0, nudge(TRUST, -0.07))),
            option(reaction(1), show=more(TRUST, 0.98)),
        ),
        page(),
    )
    found = found_in(built, max_states=20, plays=6, max_steps=10)
    never = [finding for finding in found if finding.kind in ("ending_unreachable", "option_never_visible")]
    assert len(never) == 2
    for finding in never:
        assert not finding.proved
        assert "states and 6 random plays (not a proof)" in finding.what


def test_what_the_language_of_drafts_cannot_say_is_still_said():
    odd = Operation("Multiplication", (TRUST, Constant(3.0)))
    built = world(page(option(reaction(1), show=Operation("Greater Than", (odd, Constant(2.0))))), page())
    (shut,) = [finding for finding in found_in(built) if finding.kind == "option_never_visible"]
    assert "it needs Greater Than(Multiplication(Ann.Trust, 3), 2), but where it is tried, Ann.Trust is always 0" in (
        shut.why
    )


@pytest.fixture
def draft(tmp_path):
    def reacting(to, *do):
        return [{"text": "So.", "to": to, **({"do": list(do)} if do else {})}]

    start = {
        "id": "start",
        "text": "A door.",
        "options": [
            {"text": "Knock", "reactions": reacting("hall", "set Mara.Trust 0.4")},
            {"text": "Pray", "if": "Mara.Trust > 0.9", "reactions": reacting("hall")},
        ],
    }
    hall = {"id": "hall", "text": "A hall.", "options": [{"text": "Sit", "reactions": reacting("end")}]}
    endings = [{"id": "end", "text": "The end."}, {"id": "other", "text": "Another.", "when": "Mara.Trust > 0.8"}]
    document = {
        "title": "Door",
        "theme": "doors",
        "characters": {"Mara": {"Trust": 0.2}},
        "encounters": [start, hall, *endings],
    }
    path = tmp_path / "draft.json"
    path.write_text(json.dumps(document))
    return path


def run(*arguments):
    command = [sys.executable, "-c", "from narrative_dag.cli.app import main; main()", "world", "explore"]
    return subprocess.run([*command, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False)


def test_the_command_tells_findings_and_ends_with_figures(draft):
    done = run(draft)
    assert done.returncode == 0, done.stderr
    assert "everything that can happen was met" in done.stdout
    assert "it needs Mara.Trust > 0.9, but the highest value of Mara.Trust reached there is 0.2" in done.stdout
    figures = json.loads(done.stdout.splitlines()[-1])
    assert (figures["exhaustive"], figures["endings_reached"], figures["endings"]) == (True, 1, 2)
    assert figures["findings"] == sum(line.startswith("[") for line in done.stdout.splitlines())


def test_the_command_tells_the_first_of_each_kind_unless_all_are_wanted(tmp_path):
    reactions = [{"text": "So.", "to": "end"}]
    gated = [{"text": f"Go {n}", "if": "Mara.Trust > 0.9", "reactions": reactions} for n in range(8)]
    start = {"id": "start", "text": "A door.", "options": [{**gated[0], "if": "true"}, *gated]}
    cast = {"Mara": {"Trust": 0.2}}
    document = {"title": "D", "theme": "t", "characters": cast, "encounters": [start, {"id": "end", "text": "End."}]}
    path = tmp_path / "draft.json"
    path.write_text(json.dumps(document))
    short, whole = run(path).stdout.splitlines(), run(path, "--all").stdout.splitlines()
    assert "Options that cannot be chosen: 8" in short
    assert sum(line.startswith("[60]") for line in short) == 5
    assert "     and 3 more; --all or --json lists them" in short
    assert sum(line.startswith("[60]") for line in whole) == 8
    assert not [line for line in whole if "more; --all" in line]
    found = json.loads(run(path, "--json").stdout)["findings"]
    assert sum(finding["kind"] == "option_never_performable" for finding in found) == 8


def test_a_file_of_the_dialect_is_told_from_one_that_nothing_reads(tmp_path):
    option = {"id": "o", "visibility_script": True, "reactions": [{"id": "r", "consequence_id": "end"}]}
    dialect = {"characters": [{"id": "ann"}], "encounters": [{"id": "start", "options": [option]}, {"id": "end"}]}
    path = tmp_path / "dialect.json"
    path.write_text(json.dumps(dialect))
    refused = run(path)
    assert refused.returncode == 1
    assert "(--mode extended reads this file)" in refused.stderr
    assert run(path, "--mode", "extended").returncode == 0
    path.write_text("{}")
    assert "extended" not in run(path).stderr


def test_what_the_reader_dropped_is_said_before_the_findings(tmp_path):
    project = json.loads((draft_project(tmp_path)).read_text())
    project["encounters"][0]["acceptability_script"] = {"pointer_type": "Boolean Constant", "value": True}
    path = tmp_path / "degraded.json"
    path.write_text(json.dumps(project))
    done = run(path)
    assert done.returncode == 0, done.stderr
    assert "2 things in the file are dropped, defaulted or misread in official mode" in done.stdout
    assert json.loads(done.stdout.splitlines()[-1])["input_notices"] == 2


def draft_project(folder):
    """A small project of the editor's."""
    path = folder / "project.json"
    built = world(page(option(reaction(1))), page())
    path.write_bytes(encode(convert(built).document))
    return path


def test_one_json_document_holds_everything(draft):
    done = run(draft, "--json", "--max-states", 2, "--plays", 4, "--seed", 1)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert not document["exhaustive"]
    assert document["plays"] == 4
    verdicts = {entry["encounter"]: entry["verdict"] for entry in document["pages"]}
    assert verdicts == {"start": "reached", "hall": "reached", "end": "reached", "other": "not found"}
    assert document["pages"][1]["witness"]["ids"] == [["start", "start.0"]]
    assert {finding["kind"] for finding in document["findings"]} >= {"ending_unreachable", "option_never_performable"}


def test_wrong_input_and_usage(tmp_path):
    assert run(tmp_path / "none.json").returncode == 1
    assert run().returncode == 2
    assert run(tmp_path, "--max-states", 0).returncode == 2


def test_small_worlds_do_not_load_the_simulator():
    code = "import sys; from narrative_dag.storyworld.explore.compiled import COMPILED; print('numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
