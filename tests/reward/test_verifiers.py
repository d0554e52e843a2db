import copy
import json
import time
from typing import Any

import numpy as np
import pytest

from narrative_dag.reward.case import Case
from narrative_dag.reward.verifiers import (
    Component,
    RewardConfig,
    RewardError,
    StoryWorldVerifiers,
    Verdict,
    load_verifiers,
)

GOOD: dict[str, Any] = {
    "theme": "harbor",
    "title": "The key",
    "characters": {"Mara": {"Trust": 0.0, "Fear": 0.0}, "Oren": {"Trust": 0.1, "Fear": 0.3}},
    "spools": {"act_1": True},
    "encounters": [
        {
            "id": "e1",
            "spool": "act_1",
            "text": "Dusk.",
            "options": [
                {
                    "text": "Help",
                    "reactions": [
                        {"text": "Yes.", "do": ["nudge Mara.Trust 0.4", "blend Oren.Fear Mara.Fear 0.5"], "to": "e2"}
                    ],
                },
                {
                    "text": "Lie",
                    "reactions": [{"text": "No.", "do": ["set Mara.Trust -0.4", "reverse Oren.Trust"], "to": "e2"}],
                },
            ],
        },
        {
            "id": "e2",
            "spool": "act_1",
            "text": "Night.",
            "options": [
                {
                    "text": "Ask",
                    "if": "Mara.Trust > 0.1",
                    "reactions": [{"text": "Yes.", "do": ["set Oren.Trust 0.5"], "to": "end1"}],
                },
                {"text": "Leave", "reactions": [{"text": "No.", "do": ["nudge Oren.Fear 0.2"], "to": "end2"}]},
                {"text": "Wait", "reactions": [{"text": "So.", "to": "end3"}]},
            ],
        },
        {"id": "end1", "spool": "act_1", "text": "A.", "when": "Oren.Trust > Oren.Fear"},
        {"id": "end2", "spool": "act_1", "text": "B."},
        {"id": "end3", "spool": "act_1", "text": "C."},
    ],
}


def judge(document: dict[str, Any] | str) -> Verdict:
    text = document if isinstance(document, str) else json.dumps(document)
    return StoryWorldVerifiers(RewardConfig(playthroughs=40), quality=lambda states: np.full(len(states), 0.5)).judge(
        text
    )


def changed(**changes: Any) -> dict[str, Any]:
    return copy.deepcopy(GOOD) | changes


def gated(*conditions: str | None) -> dict[str, Any]:
    document = copy.deepcopy(GOOD)
    options = [option for encounter in document["encounters"] for option in encounter.get("options", [])]
    for option, condition in zip(options, conditions, strict=True):
        option.pop("if", None)
        if condition:
            option["if"] = condition
    return document


def score(document: dict[str, Any] | str, component: str) -> float:
    return judge(document).components[component].score


def test_the_weights_are_the_seven_and_sum_to_one() -> None:
    assert StoryWorldVerifiers.weights == {
        "valid_json": 0.25,
        "schema": 0.10,
        "structural_completeness": 0.15,
        "effect_diversity": 0.15,
        "secret_paths": 0.15,
        "multiple_endings": 0.10,
        "feature_quality": 0.10,
    }
    assert sum(StoryWorldVerifiers.weights.values()) == pytest.approx(1.0)


def test_a_good_storyworld_scores_full_marks_and_half_for_half_quality() -> None:
    verdict = judge(GOOD)
    scores = {name: component.score for name, component in verdict.components.items()}
    assert scores == pytest.approx(dict.fromkeys(scores, 1.0) | {"feature_quality": 0.5})
    assert verdict.reward == pytest.approx(0.95)


def test_text_that_is_no_json_scores_nothing_and_is_blamed_where_it_breaks() -> None:
    text = json.dumps(GOOD)
    broken = text.replace('"Dusk."', '"Dusk.', 1)
    verdict = judge(broken)
    assert verdict.reward == 0.0
    (span,) = verdict.components["valid_json"].spans
    assert span.credit < 0
    assert text.index('"Dusk.') <= span.start <= len(broken)


def test_json_with_a_dangling_reference_keeps_only_the_json_score() -> None:
    document = copy.deepcopy(GOOD)
    document["encounters"][0]["options"][0]["reactions"][0]["to"] = "e9"
    verdict = judge(document)
    assert verdict.reward == pytest.approx(0.25)
    (span,) = verdict.components["schema"].spans
    text = json.dumps(document)
    assert "e9" in text[span.start : span.end]
    assert "e9" in verdict.components["schema"].detail


def test_secret_paths_count_gates_that_play_finds_open_and_shut() -> None:
    assert score(GOOD, "secret_paths") == 1.0
    assert score(gated(None, None, None, None, None), "secret_paths") == 0.0
    always_open = gated(None, None, "Mara.Trust > -0.9", None, None)
    reads_nothing_that_moves = gated(None, None, "Mara.Fear > 0.5", None, None)
    assert score(reads_nothing_that_moves, "secret_paths") == 0.0
    assert score(gated("seen(end1)", None, "seen(e2)", "seen(end2)", "seen(e1)"), "secret_paths") == 0.0
    assert score(gated(None, None, "Mara.Trust > 0.9", None, None), "secret_paths") == 0.0
    assert 0.0 < score(always_open, "secret_paths") < 0.3


def test_too_many_gates_score_less_than_some() -> None:
    many = gated("Oren.Trust > -1", "Oren.Trust < 1", "Mara.Trust > 0.1", "Mara.Trust < 0.1", "Oren.Trust > 0")
    assert score(many, "secret_paths") < score(GOOD, "secret_paths")


def test_endings_count_when_reached() -> None:
    unreached = copy.deepcopy(GOOD)
    for option in unreached["encounters"][1]["options"]:
        option["reactions"][0]["to"] = "end1"
    assert score(unreached, "multiple_endings") == 0.0
    two = copy.deepcopy(GOOD)
    two["encounters"][1]["options"][2]["reactions"][0]["to"] = "end2"
    assert score(two, "multiple_endings") == 0.5


def test_effects_that_change_nothing_or_repeat_add_no_diversity() -> None:
    repeated = copy.deepcopy(GOOD)
    for encounter in repeated["encounters"]:
        for option in encounter.get("options", []):
            option["reactions"][0]["do"] = ["nudge Mara.Trust 0.3"] * 4
    single = score(repeated, "effect_diversity")
    assert single == pytest.approx(0.5 / 6 + 0.5 / 4)
    idle = copy.deepcopy(repeated)
    for encounter in idle["encounters"]:
        for option in encounter.get("options", []):
            option["reactions"][0]["do"] += ["set Oren.Fear 0.3", "nudge Mara.Fear 0"]
    assert score(idle, "effect_diversity") == pytest.approx(single)


def test_effects_that_nothing_reads_count_half_and_empty_spools_nothing() -> None:
    unread = changed(encounters=copy.deepcopy(GOOD["encounters"]))
    del unread["encounters"][2]["when"]
    assert 0.7 < score(unread, "effect_diversity") < 1.0
    hollow = changed(spools={"act_1": True, "a": False, "b": False, "c": False})
    for encounter in hollow["encounters"]:
        for option in encounter.get("options", []):
            option["reactions"][0]["do"] = ["open a", "open b", "open c", "close a", "close b", "close c"]
    assert score(hollow, "effect_diversity") == 0.0


def test_credit_stops_where_the_score_does() -> None:
    more = copy.deepcopy(GOOD)
    names = [f"P{i}" for i in range(30)]
    more["characters"]["Mara"] |= dict.fromkeys(names, 0.0)
    effects = [f"nudge Mara.{name} 0.3" for name in names]
    more["encounters"][0]["options"][0]["reactions"][0]["do"] += effects
    more["encounters"][2]["when"] += "".join(f" and Mara.{name} > -1*Mara.{name}" for name in names[:10])
    paid = sum(span.credit for span in judge(more).components["effect_diversity"].spans)
    assert paid <= 0.3 * (6 + 4)
    many = gated("Oren.Trust > -0.9", "Oren.Trust < 0.9", "Mara.Trust > 0.1", "Mara.Trust < 0.1", "Mara.Trust > 0")
    gates = [span for span in judge(many).components["secret_paths"].spans if span.credit > 0]
    assert len(gates) == 2


def test_credit_for_gates_and_endings_falls_on_them() -> None:
    text = json.dumps(GOOD)
    components = judge(GOOD).components
    (gate,) = components["secret_paths"].spans
    assert text[gate.start : gate.end].strip('"') == "Mara.Trust > 0.1"
    ways = [text[span.start : span.end].strip('"') for span in components["multiple_endings"].spans]
    assert len(ways) == 2
    assert set(ways) < {"end1", "end2", "end3"}
    shown = copy.deepcopy(GOOD)
    option = shown["encounters"][1]["options"][0]
    option["show"] = option.pop("if")
    (gate,) = judge(shown).components["secret_paths"].spans
    assert json.dumps(shown)[gate.start : gate.end].strip('"') == "Mara.Trust > 0.1"


def test_a_truncated_or_endless_text_scores_nothing() -> None:
    verifiers = StoryWorldVerifiers(RewardConfig(max_characters=5000))
    assert verifiers.judge(json.dumps(GOOD)).reward > 0.8
    assert verifiers.judge(json.dumps(GOOD), truncated=True).reward == 0.0
    assert verifiers.judge(json.dumps(GOOD) + " " * 5000).reward == 0.0


NASTY = {
    "empty": "",
    "nesting bomb": "[" * 100_000,
    "nested objects": '{"a":' * 20_000,
    "huge number": json.dumps(GOOD).replace("0.4", "1e999"),
    "long number": json.dumps(GOOD).replace("0.4", "9" * 5000),
    "not a number": json.dumps(GOOD).replace("0.1", "NaN"),
    "lone surrogate": json.dumps(GOOD).replace("Dusk", "\\ud800"),
    "raw surrogate": json.dumps(GOOD).replace("Dusk", "\ud800"),
    "nul": json.dumps(GOOD).replace("Dusk", "\x00"),
    "duplicate keys": '{"title":1,"title":2}',
    "a million characters": json.dumps(GOOD) + "x" * 1_000_000,
    "deep gate": json.dumps(GOOD).replace("Mara.Trust > 0.1", "(" * 2000 + "Mara.Trust > 0.1" + ")" * 2000),
}


@pytest.mark.parametrize("text", NASTY.values(), ids=NASTY)
def test_no_text_crashes_or_hangs_the_verifiers(text: str) -> None:
    started = time.process_time()
    verdict = judge(text)
    assert 0.0 <= verdict.reward <= 0.96
    assert all(component.detail for component in verdict.components.values())
    assert time.process_time() - started < 5.0


def test_a_loop_without_end_is_incomplete() -> None:
    loop = copy.deepcopy(GOOD)
    for option in loop["encounters"][1]["options"]:
        option["reactions"][0]["to"] = "e1"
    assert score(loop, "structural_completeness") < 0.8
    assert score(loop, "multiple_endings") == 0.0


def test_the_same_text_gets_the_same_verdict_and_play_seeds_matter_little() -> None:
    assert judge(GOOD) == judge(GOOD)
    other = StoryWorldVerifiers(RewardConfig(playthroughs=40), lambda states: np.full(len(states), 0.5), play_seed=5)
    assert other.judge(json.dumps(GOOD)).reward == pytest.approx(judge(GOOD).reward)


class Brief(StoryWorldVerifiers):
    weights = {**StoryWorldVerifiers.weights, "brief": 1.0}

    def brief(self, case: Case) -> Component:
        return Component(float(len(case.text) < 10), f"{len(case.text)} characters")


def test_a_subclass_adds_a_component_and_the_reward_stays_within_one() -> None:
    verdict = Brief(RewardConfig(), quality=None).judge(json.dumps(GOOD))
    assert verdict.components["brief"].score == 0.0
    assert verdict.reward == pytest.approx(0.9 / 2.0)


def test_a_weight_without_a_method_is_refused() -> None:
    class Wrong(StoryWorldVerifiers):
        weights = {**StoryWorldVerifiers.weights, "wit": 0.1}

    with pytest.raises(RewardError, match="wit"):
        Wrong(RewardConfig())


def test_a_class_is_found_by_its_name_and_a_wrong_name_is_refused() -> None:
    assert load_verifiers(RewardConfig().verifiers) is StoryWorldVerifiers
    assert load_verifiers(f"{__name__}:Brief").weights == Brief.weights
    for name in ("no_such_module:A", "narrative_dag.reward.verifiers:Nothing", "narrative_dag.reward.verifiers:Span"):
        with pytest.raises(RewardError, match="class"):
            load_verifiers(name)


def combination(dials: int) -> dict[str, Any]:
    """A lock that opens for one of 3 ** dials plays: each dial turned the right way moves Trust closer to 0.96."""
    pages = []
    for i in range(dials):
        ways = [["nudge Oren.Fear 0.1"], ["nudge Oren.Fear 0.1"], ["nudge Oren.Fear 0.1"]]
        ways[i % 3] = ["blend Mara.Trust 0.96 -0.9"]
        options = [{"text": "Turn", "reactions": [{"text": ".", "do": do, "to": f"d{i + 1}"}]} for do in ways]
        pages.append({"id": f"d{i}", "text": f"Dial {i}.", "options": options})
    lock = [
        {"text": "Open", "if": "Mara.Trust > 0.3", "reactions": [{"text": "!", "to": "vault"}]},
        {"text": "Leave", "reactions": [{"text": ".", "to": "street"}]},
    ]
    pages.append({"id": f"d{dials}", "text": "The lock.", "options": lock})
    ends = [{"id": name, "text": name, "when": "false"} for name in ("vault", "street")]
    return changed(encounters=[*pages, *ends], spools=None)


def test_a_secret_that_random_play_does_not_find_counts() -> None:
    document = combination(8)
    case = StoryWorldVerifiers(RewardConfig(playthroughs=40)).case(json.dumps(document))
    assert case.played is not None
    assert case.played.performable[8, 0] == 0
    components = judge(document).components
    assert components["secret_paths"].detail.startswith("1 of 1 gates")
    assert components["multiple_endings"].detail == "2 endings reached"


def test_beyond_the_bound_only_what_play_met_counts() -> None:
    document = json.dumps(GOOD)
    bounded = StoryWorldVerifiers(RewardConfig(playthroughs=1, max_states=1)).judge(document)
    whole = StoryWorldVerifiers(RewardConfig(playthroughs=1)).judge(document)
    assert bounded.components["multiple_endings"].detail == "1 endings reached"
    assert whole.components["multiple_endings"].detail == "3 endings reached"
