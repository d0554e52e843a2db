"""Reading takes time in proportion to the text, whatever the text is."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from narrative_dag.storyworld.draft import problems
from narrative_dag.storyworld.draft.json_text import MOST_CHARACTERS
from narrative_dag.storyworld.draft.problem import LONGEST_NAME, MOST_COMPARED, MOST_PROBLEMS, did_you_mean

MOST_SECONDS = 15
"""CPU seconds for a text of a megabyte: several times what a slow machine needs."""

FILL = 980_000


def draft(**parts: Any) -> str:
    page = {"id": "e", "text": ""}
    document = {"theme": "", "title": "", "characters": {"A": {"x": 0.1}}, "encounters": [page], **parts}
    return json.dumps(document, separators=(",", ":"))


def filled(item: Callable[[int], Any]) -> list[Any]:
    """As many items as a megabyte holds."""
    items: list[Any] = []
    size = 0
    while size < FILL:
        items.append(item(len(items)))
        size += len(json.dumps(items[-1], separators=(",", ":"))) + 1
    return items[:-1]


def pages(**parts: Callable[[int], Any]) -> str:
    return draft(
        encounters=filled(lambda i: {"id": f"e{i}", "text": "", **{key: part(i) for key, part in parts.items()}})
    )


def cast(values: Callable[[int], Any]) -> str:
    return draft(characters=dict(filled(lambda i: (f"c{i}", values(i)))))


def options(to: str) -> list[Any]:
    return [{"text": "", "reactions": [{"text": "", "to": to}]}]


def memberships(prefix: str) -> str:
    """A page for each of many spools s0, s1 ..., in the spool of that number after the prefix."""
    items = filled(lambda i: [{"id": f"e{i}", "text": "", "spool": f"{prefix}{i}"}, f"s{i}:true,,"])
    return draft(spools={f"s{i}": True for i in range(len(items))}, encounters=[page for page, _ in items])


NASTY: dict[str, tuple[Callable[[], str], int]] = {
    "unknown encounters": (lambda: pages(options=lambda i: options(f"x{i}")), MOST_PROBLEMS),
    "unknown spools": (lambda: memberships("t"), MOST_PROBLEMS),
    "unknown characters": (lambda: cast(lambda i: {"p": {f"d{i}": 0}}), MOST_PROBLEMS),
    "unknown functions": (lambda: pages(when=lambda i: "q" * 1900 + f"{i}(A.x)"), MOST_PROBLEMS),
    "many faults in an expression": (lambda: pages(when=lambda i: " and ".join(["q.y > 2"] * 180)), MOST_PROBLEMS),
    "repeated ids": (lambda: draft(encounters=filled(lambda i: {"id": "e", "text": ""})), MOST_PROBLEMS),
    "reserved words": (lambda: cast(lambda i: {"and": 0}), MOST_PROBLEMS),
    "objects without keys": (lambda: draft(encounters=[{}] * (FILL // 3)), MOST_PROBLEMS),
    "extra keys": (lambda: draft(**{f"k{i}": 0 for i in range(FILL // 11)}), MOST_PROBLEMS),
    "numbers out of range": (lambda: cast(lambda i: {"x": 5}), MOST_PROBLEMS),
    "deep nesting": (lambda: "[" * MOST_CHARACTERS, 1),
    "nesting again and again": (lambda: draft(encounters=[json.loads("[" * 60 + "]" * 60)] * 8000), MOST_PROBLEMS),
    "a deep place": (lambda: '{"kkkkkkkk":' * 20 + f"[{','.join('1' * (FILL // 2 - 200))}]" + "}" * 20, 5),
    "a long key above many values": (lambda: json.dumps({"k" * (FILL // 2): [1] * (FILL // 8)}), 1),
    "a long expression in a draft": (lambda: draft(encounters=[{"id": "e", "text": "", "when": "-" * FILL}]), 1),
    "a huge number": (lambda: '{"theme":' + "9" * FILL + "}", 1),
    "a long fraction": (lambda: draft(characters={"A": {"x": 0.5}}).replace("0.5", "0." + "5" * FILL), 0),
    "a string of a megabyte": (lambda: draft(title="x" * FILL), 0),
    "a string that never ends": (lambda: '{"title":"' + "x" * FILL, 1),
    "only escapes": (lambda: draft(title="?").replace("?", "\\u0041" * (FILL // 6)), 0),
    "many pages": (lambda: pages(), 0),
    "many spools": (lambda: memberships("s"), 0),
    "many conditions": (lambda: pages(when=lambda i: f"A.x > 0.{i:06d}", urgency=lambda i: f"0.{i:06d}"), 0),
    "long conditions": (lambda: pages(when=lambda i: " or ".join(["A.x > 0.01"] * 130) + f" or A.x > 0.{i:06d}"), 0),
    "many properties": (lambda: cast(lambda i: {f"p{i}": 0}), 0),
    "many perceptions": (lambda: cast(lambda i: {"p": {f"c{i // 2}": 0} if i else {}}), 0),
    "a story that cannot open": (lambda: pages(when=lambda i: "false"), 1),
}


@pytest.mark.parametrize("kind", NASTY)
def test_a_megabyte_is_judged_within_seconds(kind: str) -> None:
    write, count = NASTY[kind]
    text = write()
    assert len(text) <= MOST_CHARACTERS
    begin = time.process_time()
    found = problems(text)
    assert time.process_time() - begin < MOST_SECONDS
    assert len(found) == count
    assert all(len(problem.message) < 5000 for problem in found)


def test_the_nearest_name_is_sought_among_few_and_short_names_only() -> None:
    names = [f"name_{i}" for i in range(MOST_COMPARED)]
    assert did_you_mean("nme_7", names) == "; did you mean name_7?"
    assert did_you_mean("nme_7", [*names, "one_more"]) == ""
    assert did_you_mean("n" * (LONGEST_NAME + 1), ["n" * LONGEST_NAME]) == ""
    alike = ["a" * (LONGEST_NAME - 3) + f"{i:03d}" for i in range(MOST_COMPARED)]
    begin = time.process_time()
    for i in range(2 * MOST_PROBLEMS):
        did_you_mean("a" * (LONGEST_NAME - 3) + f"b{i:02d}", alike)
    assert time.process_time() - begin < MOST_SECONDS
