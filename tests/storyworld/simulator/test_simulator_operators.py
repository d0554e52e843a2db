"""Operator by operator: the machine gives what `script.evaluate` gives."""

import itertools
import math
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from narrative_dag.kernel_cache import kernel
from narrative_dag.storyworld.errors import StoryworldError
from narrative_dag.storyworld.script import (
    OPERATORS,
    Constant,
    Event,
    Expression,
    Operation,
    Value,
    Variable,
    evaluate,
    truthy,
)
from narrative_dag.storyworld.simulator import layout, opcodes
from narrative_dag.storyworld.simulator.machine import run
from narrative_dag.storyworld.simulator.nodes import NUMBER, REGISTER, Typing, operation
from narrative_dag.storyworld.simulator.scripts import Label, Scripts, value_bits

NUMBERS = [0.0, -0.0, 0.99, -0.99, 0.3, -1.5, 1.0, 1e308, math.inf, -math.inf, math.nan]
GRID: list[Value] = [None, True, False, "", "x", *NUMBERS]
MOST = 4
SAMPLE = 3000
"""Operand tuples for each operator and count of operands: all when there are no more."""


@kernel
def run_all(code: Any, frame: Any, first: int, inputs: Any, at: int, results: Any) -> None:
    """Put each row of inputs into the frame, run the script, keep the bits of its value."""
    values = results.view(np.float64)
    for i in range(inputs.shape[0]):
        for k in range(inputs.shape[1]):
            frame[first + k] = inputs[i, k]
        values[i] = run(code.ctypes.data, at, frame.ctypes.data)


class Scripted:
    """An expression as a value and as a gate, over variables x0, x1, ... of one character."""

    def __init__(self, expression: Expression, variables: int) -> None:
        def no_event(event: Event) -> tuple[int, ...] | None:
            raise AssertionError(event)

        typing = Typing(lambda key: (NUMBER, REGISTER, layout.SCALARS + int(key[1][0][1:]), None), no_event, int)
        scripts = Scripts([0] * layout.HEADER)
        node = typing.node(expression)
        self.value = scripts.begin()
        scripts.code.extend((opcodes.RETURN, scripts.register(node)))
        self.gates = []
        for wanted in (True, False):
            self.gates.append(scripts.begin())
            label = Label()
            scripts.branch(node, wanted, label)
            scripts.code.append(opcodes.RETURN_FALSE if wanted else opcodes.RETURN_TRUE)
            scripts.bind(label)
            scripts.code.append(opcodes.RETURN_TRUE if wanted else opcodes.RETURN_FALSE)
        constants = layout.SCALARS + variables
        temporaries = constants + len(scripts.constants)
        self.code = scripts.placed(temporaries, constants, 0, 0)
        self.frame = np.zeros(temporaries + scripts.temporaries, dtype=np.int64)
        self.frame[constants:temporaries] = scripts.constants

    def run(self, at: int, inputs: np.ndarray[Any, np.dtype[np.int64]]) -> list[int]:
        results = np.zeros(len(inputs), dtype=np.int64)
        run_all(self.code, self.frame, layout.SCALARS, inputs, at, results)
        return [value_bits(value) if math.isnan(value) and not tagged(bits) else bits for bits, value in pairs(results)]

    def check(self, rows: Sequence[Sequence[float]], expected: Sequence[Value]) -> None:
        inputs = np.array([list(row) for row in rows], dtype=np.float64).reshape(len(rows), -1).view(np.int64)
        assert self.run(self.value, inputs) == [value_bits(value) for value in expected]
        for gate in self.gates:
            assert self.run(gate, inputs) == [value_bits(float(truthy(value))) for value in expected]


def pairs(results: np.ndarray[Any, np.dtype[np.int64]]) -> list[tuple[int, float]]:
    return list(zip(results.tolist(), results.view(np.float64).tolist(), strict=True))


def tagged(bits: int) -> bool:
    return bits & opcodes.TAG_MASK == opcodes.TAG


def number(i: int) -> Expression:
    return Variable("ann", (f"x{i}",))


def boolean(i: int) -> Expression:
    return Operation("Equal To", (number(i), Constant(1.0)))


def anything(i: int) -> Expression:
    """A value of the grid that a variable picks: its type is known only in play."""
    operands: list[Expression] = []
    for k, value in enumerate(GRID[1:], 1):
        operands += (Operation("Equal To", (number(i), Constant(float(k)))), constant(value))
    return Operation("If Then", (*operands, constant(None)))


def constant(value: Value) -> Expression:
    return Operation("Neither And nor Or", ()) if value is None else Constant(value)


def counts(name: str) -> range:
    operator = OPERATORS[name]
    return range(operator.least, (MOST if operator.most is None else operator.most) + 1)


def tuples(values: Sequence[Any], count: int, name: str) -> list[tuple[Any, ...]]:
    if len(values) ** count <= SAMPLE:
        return list(itertools.product(values, repeat=count))
    chance = random.Random(f"{name}/{count}")
    return [tuple(chance.choices(values, k=count)) for _ in range(SAMPLE)]


@pytest.mark.parametrize("name", OPERATORS)
def test_values_of_types_known_only_in_play(name: str) -> None:
    for count in counts(name):
        scripted = Scripted(Operation(name, tuple(anything(i) for i in range(count))), count)
        rows = tuples(range(len(GRID)), count, name)
        scripted.check(rows, [OPERATORS[name].apply([GRID[k] for k in row]) for row in rows])


@pytest.mark.parametrize("name", OPERATORS)
def test_numbers(name: str) -> None:
    for count in counts(name):
        scripted = Scripted(Operation(name, tuple(number(i) for i in range(count))), count)
        rows = tuples(NUMBERS, count, name)
        scripted.check(rows, [OPERATORS[name].apply(row) for row in rows])


@pytest.mark.parametrize("name", OPERATORS)
def test_booleans(name: str) -> None:
    for count in counts(name):
        scripted = Scripted(Operation(name, tuple(boolean(i) for i in range(count))), count)
        rows = tuples([0.0, 1.0], count, name)
        scripted.check(rows, [OPERATORS[name].apply([x == 1.0 for x in row]) for row in rows])


@pytest.mark.parametrize("name", OPERATORS)
def test_constants_among_other_operands(name: str) -> None:
    """Folding, and what instructions do with constants: every pattern, sampled values."""
    chance = random.Random(name)
    for count in counts(name):
        for pattern in itertools.product("cnbv", repeat=count):
            values = chance.choices(GRID, k=count)
            operands = [
                constant(value) if kind == "c" else {"n": number, "b": boolean, "v": anything}[kind](i)
                for i, (kind, value) in enumerate(zip(pattern, values, strict=True))
            ]
            rows, expected = [], []
            for _ in range(12):
                row, given = [], []
                for kind, value in zip(pattern, values, strict=True):
                    x = chance.choice(NUMBERS) if kind == "n" else float(chance.randrange(len(GRID)))
                    row.append(x)
                    given.append({"c": value, "n": x, "b": x == 1.0, "v": GRID[int(x)] if kind == "v" else None}[kind])
                rows.append(row)
                expected.append(OPERATORS[name].apply(given))
            Scripted(Operation(name, tuple(operands)), count).check(rows, expected)


class Numbers:
    """A reader of x0, x1, ... and of nothing else."""

    def __init__(self, row: Sequence[float]) -> None:
        self.row = row

    def number(self, character: str, keyring: tuple[str, ...]) -> float | None:
        return self.row[int(keyring[0][1:])]

    def occurred(self, event: Event) -> bool:
        raise AssertionError(event)

    def active(self, spool: str) -> bool:
        raise AssertionError(spool)


@pytest.mark.parametrize("seed", range(150))
def test_nested_operators(seed: int) -> None:
    chance = random.Random(seed)

    def draw(depth: int) -> Expression:
        if depth == 0:
            pick = chance.random()
            if pick < 0.5:
                return Variable("ann", (f"x{chance.randrange(3)}",), chance.choice((1.0, 1.0, -1.0, 0.5, 3.0)))
            return boolean(chance.randrange(3)) if pick < 0.7 else constant(chance.choice(GRID))
        name = chance.choice(list(OPERATORS))
        return Operation(name, tuple(draw(depth - 1) for _ in range(chance.choice(counts(name)))))

    expression = draw(3)
    rows = [tuple(chance.choices([*NUMBERS, 1.0, 1.0], k=3)) for _ in range(60)]
    Scripted(expression, 3).check(rows, [evaluate(expression, Numbers(row)) for row in rows])


def test_an_operator_without_instructions_is_refused() -> None:
    variable = (NUMBER, REGISTER, layout.SCALARS, None)
    with pytest.raises(StoryworldError, match="no instructions for the operator Cube Root"):
        operation("Cube Root", [variable])
