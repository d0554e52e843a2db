"""Breadth-first search on the compiled simulator: what the kernel needs to know, and what becomes of what it finds."""

import dataclasses

import numpy as np
import numpy.typing as npt

from narrative_dag.storyworld.engine import Engine
from narrative_dag.storyworld.explore import search_arrays as arrays
from narrative_dag.storyworld.explore import search_kernel
from narrative_dag.storyworld.explore.graph import Found, Selections, StateGraph
from narrative_dag.storyworld.explore.liveness import Liveness, read_chain
from narrative_dag.storyworld.explore.positions import Positions
from narrative_dag.storyworld.model import Encounter, Option, Storyworld
from narrative_dag.storyworld.script import Constant
from narrative_dag.storyworld.simulator import layout
from narrative_dag.storyworld.simulator.compiler import compile_world

Ints = npt.NDArray[np.int64]

_START = 512
"""States that the first arrays have room for."""


def with_probe(world: Storyworld) -> Storyworld:
    """The storyworld with one more encounter, which nothing leads to: its options are visible when an encounter, by
    position, is acceptable."""
    empty = Constant("")
    probes = tuple(Option("", empty, encounter.acceptability, Constant(False), ()) for encounter in world.encounters)
    probe = Encounter("", "", empty, Constant(False), Constant(0.0), probes)
    return dataclasses.replace(world, encounters=(*world.encounters, probe))


class CompiledSearch:
    """A search on the simulator.

    Args:
        engine: the storyworld with its lookups.
        positions: its numbering.
        liveness: what makes states distinct.
        selections: also note wild selections and the values that gates read.
    """

    def __init__(self, engine: Engine, positions: Positions, liveness: Liveness, selections: bool) -> None:
        self.engine, self.positions, self.liveness = engine, positions, liveness
        self.world = engine.world
        self.selections = selections
        self.program = program = compile_world(with_probe(self.world) if selections else self.world)
        self.flags = int(program.code[layout.F_UNSEEN]) - program.presence
        self.slots = {key: i for i, key in enumerate(program.keys)}
        self.shape = shape = np.zeros(arrays.SHAPE, dtype=np.int64)
        most = max((len(encounter.options) for encounter in self.world.encounters), default=0)
        shape[arrays.NUMBERS] = len(program.keys)
        shape[arrays.FLAGS] = self.flags
        shape[arrays.FLAG_WORDS] = (self.flags + 63) // 64
        shape[arrays.SELECTION_WORDS] = 2 * int(program.code[layout.N_WORDS])
        shape[arrays.OPTION_WORDS] = (most + 63) // 64
        shape[arrays.ROW] = sum(int(shape[i]) for i in range(arrays.ROW) if i != arrays.FLAGS)
        shape[arrays.FIRST_FLAG] = program.presence
        shape[arrays.MOST_OPTIONS] = most
        shape[arrays.PROBE] = len(self.world.encounters) if selections else -1

    def _live(self) -> arrays.Live:
        """What makes states distinct, as places in a program."""
        program = self.program
        spools = {spool: program.spool_flags + i for i, spool in enumerate(program.spools)}
        history = {place: program.history_flags + i for i, place in enumerate(program.history)}
        created = {key: program.presence + i for i, key in enumerate(program.keys[program.initial_count :])}
        first, numbers = [0], list[int]()
        bits = np.zeros((len(self.liveness.parts) + 1, self.shape[arrays.FLAG_WORDS]), dtype=np.uint64)
        cache: dict[int, list[int]] = {}
        for e, parts in enumerate(self.liveness.parts):
            numbers += [self.slots[key] for key in parts.numbers]
            first.append(len(numbers))
            words = cache.get(id(parts))
            if words is None:
                flags = [spools[spool] for spool in parts.spools]
                flags += [program.seen_flags + place for place in parts.seen]
                # a flag that nothing can set has no place
                flags += [history[place] for place in (*parts.options, *parts.reactions) if place in history]
                if not self.engine.official:
                    flags += [created[key] for key in parts.numbers if key in created]
                words = cache[id(parts)] = [0] * bits.shape[1]
                for flag in flags:
                    at = flag - program.presence
                    words[at >> 6] |= 1 << (at & 63)
            bits[e] = words
        first.append(len(numbers))
        return arrays.Live(np.array(first, dtype=np.int64), np.array(numbers, dtype=np.int64), bits.view(np.int64))

    def _chains(self) -> tuple[Ints, Ints, npt.NDArray[np.float64]]:
        """Where the gate variables are read."""
        program = self.program
        first, places, absent = [0], list[tuple[int, int]](), list[float]()
        for key in self.positions.gate_variables:
            for found in read_chain(self.engine, key, self.slots):
                created = self.slots[found] - program.initial_count
                presence = -1 if self.engine.official or created < 0 else program.presence + created
                places.append((program.variables + self.slots[found], presence))
            first.append(len(places))
            null = self.engine.official and self.engine.read_key(key) is None
            absent.append(np.nan if null else 0.0)
        table = np.array(places, dtype=np.int64).reshape(-1, 2)
        return np.array(first, dtype=np.int64), table, np.array(absent, dtype=np.float64)

    def _spools(self) -> tuple[Ints, Ints]:
        """The spool flags of each encounter, in compressed rows."""
        program = self.program
        flags: list[list[int]] = [[] for _ in self.world.encounters]
        for spool in self.world.spools:
            for e in spool.members:
                flags[e].append(program.spool_flags + program.spools.index(spool.id))
        first = np.concatenate([[0], np.cumsum([len(own) for own in flags])]).astype(np.int64)
        return first, np.array([flag for own in flags for flag in own], dtype=np.int64)

    def run(self, max_states: int) -> Found:
        """Search up to a bound."""
        program, shape = self.program, self.shape
        stem, frame = program.frame.copy(), program.frame.copy()
        cursor = np.zeros(4, dtype=np.int64)
        live, notes, tallies = self._live(), self._notes(), self._tallies()
        most = int(shape[arrays.MOST_OPTIONS])
        room = _START + most
        states = _states(room, int(shape[arrays.ROW]))
        edges = np.empty((2 * room, 3), dtype=np.int64)
        table = _table(room)
        codes = program.code.ctypes.data, stem.ctypes.data, frame.ctypes.data
        while not search_kernel.expand(*codes, shape, max_states, cursor, states, table, edges, live, tallies, notes):
            if cursor[arrays.NODES] + most >= room:
                room = min(2 * room, max_states + 2 * most + 1)
                states = _grown(states, room)
                table = _table(room)
                search_kernel.rehash(states.hashes, cursor[arrays.NODES], table)
            else:
                larger = np.empty((2 * len(edges) + most, 3), dtype=np.int64)
                larger[: len(edges)] = edges
                edges = larger
        nodes, expanded, made = (int(cursor[i]) for i in (arrays.NODES, arrays.EXPANDED, arrays.EDGES))
        graph = StateGraph(
            states.encounter[:nodes].astype(np.int32),
            states.end[:nodes].astype(np.int8),
            states.parent[:nodes].astype(np.int32),
            states.parent_option[:nodes].astype(np.int32),
            states.first_edge[: expanded + 1].copy(),
            *(edges[:made, i].astype(np.int32) for i in range(3)),
        )
        noted = None
        if self.selections:
            ran = int(cursor[arrays.SELECTIONS])
            noted = Selections(ran, notes.considered, notes.acceptable, notes.low, notes.high)
        return Found(graph, *tallies, noted)

    def _tallies(self) -> arrays.Tallies:
        options, effects = len(self.positions.options), len(self.positions.effects)
        sizes = (options, 0), (options, 0), (options, -1), (effects, 0), (effects, -1)
        return arrays.Tallies(*(np.full(size, value, dtype=np.int64) for size, value in sizes))

    def _notes(self) -> arrays.Notes:
        encounters = len(self.world.encounters)
        counts = np.zeros(encounters, dtype=np.int64), np.zeros(encounters, dtype=np.int64)
        low = np.full((encounters + 1, len(self.positions.gate_variables)), np.inf)
        return arrays.Notes(*self._chains(), *self._spools(), *counts, low, -low)


def _states(room: int, width: int) -> arrays.States:
    """Arrays for some states."""
    rows, first_edge = np.empty((room, width), dtype=np.int64), np.zeros(room + 1, dtype=np.int64)
    encounter, end, parent, option, hashes = (np.empty(room, dtype=np.int64) for _ in range(5))
    return arrays.States(rows, encounter, end, parent, option, hashes, first_edge)


def _grown(states: arrays.States, room: int) -> arrays.States:
    """Copies with room for more."""
    larger = _states(room, states.rows.shape[1])
    for old, new in zip(states, larger, strict=True):
        new[: len(old)] = old
    return larger


def _table(room: int) -> Ints:
    """An empty hash table, at most half full with so many states."""
    return np.full(1 << (2 * room - 1).bit_length(), -1, dtype=np.int64)
