"""Spans are small enough to blame single tokens, and refusal and problems agree on every text."""

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from draft_strategies import canonical_documents
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from narrative_dag.storyworld.draft import DraftError, compile_text, problems
from narrative_dag.storyworld.draft.problem import MOST_PROBLEMS, WIDEST_SPAN
from narrative_dag.storyworld.draft.syntax import DEEPEST

few = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def option(text: str, gate: str, *effects: str, to: str) -> dict[str, Any]:
    return {"text": text, "if": gate, "reactions": [{"text": f"{text} indeed.", "do": list(effects), "to": to}]}


DOCUMENT: dict[str, Any] = {
    "theme": "harbor",
    "title": "The Lamp",
    "characters": {"Mara": {"Trust": 0.2, "Fear": -0.1}, "Oren": {"Trust": 0, "Doubt": {"Mara": 0.3}}},
    "spools": {"act_1": True, "act_2": False},
    "encounters": [
        {
            "id": "pier",
            "spool": "act_1",
            "text": "Fog on the pier.",
            "when": "Mara.Trust > -0.5",
            "urgency": "0.6",
            "options": [
                option(
                    "Wait", "Mara.Trust > 0.1 and Oren.Trust < 0.4", "nudge Mara.Trust 0.2", "open act_2", to="lamp"
                ),
                option("Leave", "Oren.Doubt[Mara] < 0.9", "blend Mara.Fear Oren.Trust 0.3", to="home"),
            ],
        },
        {
            "id": "lamp",
            "spool": "act_2",
            "text": "Light at last.",
            "when": "seen(pier,0)",
            "options": [option("Call", "Mara.Fear < 0.5", "set Oren.Trust 0.5", to="home")],
        },
        {"id": "home", "spool": "act_2", "text": "Home again.", "urgency": "-0.2"},
    ],
}
TEXT = json.dumps(DOCUMENT, separators=(",", ":"))


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a document."""
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    found = [(value, key) for key in keys]
    return found + [place for key in keys for place in places(value[key])]


def damaged(damage: Callable[[Any, Any], None]) -> list[str]:
    """The document with one fault: the same damage at every place in turn."""
    texts = []
    for i in range(len(places(DOCUMENT))):
        document = copy.deepcopy(DOCUMENT)
        damage(*places(document)[i])
        texts.append(json.dumps(document, separators=(",", ":")))
    return texts


def remove(container: Any, key: Any) -> None:
    del container[key]


def add(container: Any, key: Any) -> None:
    if isinstance(container, dict):
        container["mood"] = "a very long description of the mood that nobody has asked for"


def put(value: Any) -> Callable[[Any, Any], None]:
    def damage(container: Any, key: Any) -> None:
        container[key] = value

    return damage


def respell(container: Any, key: Any) -> None:
    if isinstance(container[key], str):
        container[key] = container[key].replace("a", "q", 1)


CHARACTERS = [TEXT[:i] + TEXT[i + 1 :] for i in range(len(TEXT))] + [
    TEXT[:i] + "#" + TEXT[i:] for i in range(len(TEXT))
]
DAMAGED = {
    "a part is missing": damaged(remove),
    "a key too many": damaged(add),
    "null": damaged(put(None)),
    "a number": damaged(put(2.5)),
    "an object": damaged(put({"x": 0})),
    "a long list": damaged(put(["x"] * 30)),
    "a wrong letter": damaged(respell),
    "a character too few or too many": CHARACTERS,
    "the end is missing": [TEXT[:i] for i in range(len(TEXT))],
    "too much at the end": [TEXT + rest for rest in ("}", " " + TEXT, "\n\nand so on" * 50)],
    "the story cannot open": [TEXT.replace('"act_1":true', '"act_1":false'), TEXT.replace("> -0.5", "> 0.5")],
}


def test_the_undamaged_draft_compiles() -> None:
    assert 800 < len(TEXT) < 1200
    assert problems(TEXT) == []


@pytest.mark.parametrize("kind", DAMAGED)
def test_one_fault_blames_less_than_a_tenth_of_the_text(kind: str) -> None:
    refused = 0
    for text in DAMAGED[kind]:
        found = problems(text)
        refused += bool(found)
        blamed: set[int] = set()
        for problem in found:
            assert problem.start is not None
            assert problem.end is not None
            assert problem.end - problem.start <= WIDEST_SPAN
            assert problem.start < problem.end or problem.start == len(text)
            blamed.update(range(problem.start, problem.end))
        assert len(blamed) < len(TEXT) / 10, (text, found)
    assert refused


def test_a_missing_key_is_the_fault_of_the_closing_brace() -> None:
    text = TEXT.replace('"text":"Home again.",', "")
    [problem] = problems(text)
    assert problem.message == "text is missing"
    assert problem.path == "encounters[2]"
    assert (problem.start, problem.end) == (text.rindex("}]}"), text.rindex("}]}") + 1)


def test_an_effect_may_be_as_deep_as_any_other() -> None:
    for levels, accepted in ((DEEPEST - 1, True), (DEEPEST, False)):
        effects = [f"{verb} Mara.Trust {'abs(' * levels}0.5{')' * levels}" for verb in ("approach", "nudge", "set")]
        for effect in effects:
            text = TEXT.replace("nudge Mara.Trust 0.2", effect)
            assert (problems(text) == []) is accepted
            if accepted:
                compiled = compile_text(text)
                assert compile_text(compiled.canonical).world == compiled.world


def agreed(text: str) -> None:
    """Problems are reported exactly when compiling refuses, and they include what it says."""
    found = problems(text)
    if not found:
        assert compile_text(text).world.encounters
        return
    with pytest.raises(DraftError) as refusal:
        compile_text(text)
    assert len(found) == MOST_PROBLEMS or set(refusal.value.problems) <= set(found)


@few
@given(canonical_documents(), st.data())
def test_refusal_and_problems_agree_on_damaged_documents(document: dict[str, Any], data: Any) -> None:
    document = copy.deepcopy(document)
    agreed(json.dumps(document))
    container, key = data.draw(st.sampled_from(places(document)))
    nested = data.draw(st.integers(35, 42))
    container[key] = data.draw(
        st.sampled_from([None, True, 2.5, "x", "false", "-1", [], {}, ["open act_1"], [f"reverse {'-' * nested}A.b"]])
        | st.sampled_from(["approach", "nudge", "set"]).map(
            lambda verb: [f"{verb} Mara.Trust {'abs(' * nested}0.5{')' * nested}"]
        )
    )
    agreed(json.dumps(document))


@settings(few, max_examples=200)
@given(st.data())
def test_refusal_and_problems_agree_on_damaged_texts(data: Any) -> None:
    text = TEXT
    for _ in range(data.draw(st.integers(1, 3))):
        at, cut = data.draw(st.integers(0, len(text))), data.draw(st.integers(0, 6))
        text = text[:at] + data.draw(st.text('{}[]():,"\\ 019.-*<>=aeiouMTf\n', max_size=4)) + text[at + cut :]
    agreed(text)


@settings(few, max_examples=100)
@given(st.integers(30, 45), st.sampled_from(["approach", "nudge", "blend", "set"]), st.sampled_from(["abs(", "-", "("]))
def test_refusal_and_problems_agree_on_deep_effects(levels: int, verb: str, layer: str) -> None:
    value = layer * levels + "Oren.Trust" + ")" * (levels * layer.count("("))
    agreed(TEXT.replace("nudge Mara.Trust 0.2", f"{verb} Mara.Trust {value}{' 0.1' * (verb == 'blend')}"))
