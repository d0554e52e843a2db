"""Golden traces: replay recorded choices and compare everything that was recorded (format swtrace-1)."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from narrative_dag.storyworld.engine import Engine, Playthrough
from narrative_dag.storyworld.errors import StoryworldError
from narrative_dag.storyworld.model import Key, Mode
from narrative_dag.storyworld.sweepweave.files import parse, read_bytes, read_document
from narrative_dag.storyworld.sweepweave.loading import loads

TOLERANCE = 1e-12
"""Largest accepted difference of a value."""
_END = "END"
_PARTS = ConfigDict(frozen=True, extra="ignore")


class Step(BaseModel):
    """A page and what was chosen on it; without a choice it is the last page."""

    model_config = _PARTS
    t: int = Field(description="turn, from 1")
    e: str = Field(description="encounter id")
    v: list[str] = Field(description="visible option ids")
    p: list[str] = Field(description="performable option ids")
    o: str | None = Field(description="chosen option id")
    oi: int = Field(default=-1, description="position of the chosen option")
    r: str | None = Field(default=None, description="id of the reaction that ran")
    ri: int | None = Field(default=None, description="position of that reaction")
    s: list[float | None] = Field(default=[], description="values after the effects, aligned with `vars`")
    a: list[str] = Field(default=[], description="active spools after the effects")
    n: str | None = Field(default=None, description="next encounter id, or END")


class End(BaseModel):
    """How a play ended."""

    model_config = _PARTS
    kind: Literal["the_end", "no_options", "blocked", "max_steps"] = Field(description="kind of ending")
    turn: int = Field(description="turn at the end")
    e: str | None = Field(default=None, description="last page; for max_steps the page not entered")


class Play(BaseModel):
    """One recorded playthrough."""

    model_config = _PARTS
    start: str | None = Field(description="first encounter id")
    steps: list[Step] = Field(description="pages in order")
    end: End = Field(description="ending")


class Trace(BaseModel):
    """Recorded playthroughs of one world in one mode."""

    model_config = _PARTS
    format: Literal["swtrace-1"] = Field(description="format version")
    sha256: str = Field(description="of the world's unpacked bytes")
    mode: Mode = Field(description="mode that was recorded")
    max_steps: int = Field(description="choices after which a play stops")
    vars: list[tuple[str, tuple[str, ...]]] = Field(description="variables that were recorded")
    init: list[float | None] = Field(description="starting values, aligned with `vars`")
    spools: list[str] = Field(description="spool ids")
    plays: list[Play] = Field(description="playthroughs")


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A place of the trace where play went otherwise."""

    place: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.place}: expected {self.expected}, found {self.found}"


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """What was replayed: plays, steps (last pages included) and every difference."""

    plays: int
    steps: int
    mismatches: tuple[Mismatch, ...]


def read_trace(path: str | Path) -> Trace:
    """A trace file, `.json` or `.json.gz`.

    Raises:
        StoryworldError: the file cannot be read or is no trace; names the first place that is wrong.
    """
    document = read_document(Path(path))
    try:
        return Trace.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise StoryworldError(f"is no swtrace-1 trace: {first['msg']}", where=f"{path}: {place}") from error


def replay(world_path: str | Path, trace_path: str | Path) -> ReplayResult:
    """Play a world's recorded choices in the trace's mode and compare.

    Raises:
        StoryworldError: either file cannot be read, or the mode refuses the world.
    """
    raw = read_bytes(Path(world_path))
    trace = read_trace(trace_path)
    loaded = loads(parse(raw, str(world_path)), trace.mode, str(world_path))
    comparison = _Comparison(Engine(loaded.world), trace)
    comparison.same("sha256", trace.sha256, hashlib.sha256(raw).hexdigest())
    comparison.run()
    return ReplayResult(len(trace.plays), comparison.steps, tuple(comparison.mismatches))


class _Comparison:
    def __init__(self, engine: Engine, trace: Trace) -> None:
        self.engine = engine
        self.trace = trace
        self.mismatches: list[Mismatch] = []
        self.steps = 0

    def same(self, place: str, expected: object, found: object) -> bool:
        if expected != found:
            self.mismatches.append(Mismatch(place, str(expected), str(found)))
        return expected == found

    def run(self) -> None:
        world = self.engine.world
        self.same("spools", self.trace.spools, [spool.id for spool in world.spools])
        self._values("init", self.trace.init, world.initial)
        for i, play in enumerate(self.trace.plays):
            self._play(f"plays[{i}]", play)

    def _values(self, place: str, expected: Sequence[float | None], numbers: Mapping[Key, float]) -> None:
        self.same(f"{place} (count)", len(expected), len(self.trace.vars))
        for key, wanted in zip(self.trace.vars, expected, strict=False):
            found = numbers.get(key)
            if wanted is None and found is None:
                continue
            if wanted is None or found is None or not abs(wanted - found) <= TOLERANCE:
                self.mismatches.append(Mismatch(f"{place}: {key[0]} {list(key[1])}", str(wanted), str(found)))

    def _play(self, place: str, play: Play) -> None:
        playthrough = self.engine.start()
        self.same(f"{place}.start", play.start or _END, self._encounter(playthrough))
        for j, step in enumerate(play.steps):
            self.steps += 1
            if not self._step(f"{place}.steps[{j}]", step, playthrough):
                return
        choices = sum(step.o is not None for step in play.steps)
        ending = playthrough.ending
        kind = None if ending is None else ending.kind
        if choices == self.trace.max_steps and playthrough.page is not None:
            kind = "max_steps"
        self.same(f"{place}.end.kind", play.end.kind, kind)
        self.same(f"{place}.end.turn", play.end.turn, playthrough.state.turn)
        self.same(f"{place}.end.e", play.end.e or _END, self._encounter(playthrough))

    def _encounter(self, playthrough: Playthrough) -> str:
        page = playthrough.page
        return _END if page is None else self.engine.world.encounters[page.encounter].id

    def _step(self, place: str, step: Step, playthrough: Playthrough) -> bool:
        """Compare a page and, where a choice was made, its outcome; whether the play can go on."""
        page, state = playthrough.page, playthrough.state
        if page is None:
            return self.same(f"{place}.e", step.e, _END)
        encounter = self.engine.world.encounters[page.encounter]
        self.same(f"{place}.t", step.t, state.turn)
        self.same(f"{place}.e", step.e, encounter.id)
        self.same(f"{place}.v", step.v, [encounter.options[o].id for o in page.visible])
        self.same(f"{place}.p", step.p, [encounter.options[o].id for o in page.performable])
        if step.o is None:
            return True
        if step.oi not in page.performable:
            return self.same(f"{place}.oi", step.oi, f"one of {page.performable}")
        self.same(f"{place}.o", step.o, encounter.options[step.oi].id)
        reaction = playthrough.choose(step.oi)
        ran = None if reaction is None else encounter.options[step.oi].reactions[reaction].id
        self.same(f"{place}.ri", step.ri, reaction)
        self.same(f"{place}.r", step.r, ran)
        self._values(f"{place}.s", step.s, state.numbers)
        self.same(f"{place}.a", sorted(step.a), sorted(state.active_spools))
        return self.same(f"{place}.n", step.n, self._encounter(playthrough))
