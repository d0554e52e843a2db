"""Scripts of effects."""

from narrative_dag.storyworld.model import Effect, SetNumber, SetSpool
from narrative_dag.storyworld.script import clamp
from narrative_dag.storyworld.simulator import nodes, opcodes
from narrative_dag.storyworld.simulator.nodes import CONST, NOTHING, NUMBER, REGISTER, Node, Typing
from narrative_dag.storyworld.simulator.places import Places
from narrative_dag.storyworld.simulator.scripts import SCRATCH, Label, Scripts


class EffectScripts:
    """Writes the effects of reactions.

    Args:
        places: where variables and flags are.
        typing: makes nodes.
        scripts: the code.
    """

    def __init__(self, places: Places, typing: Typing, scripts: Scripts) -> None:
        self._places = places
        self._typing = typing
        self._scripts = scripts

    def write(self, effects: tuple[Effect, ...]) -> int:
        """Where the script of a reaction's effects begins."""
        at = self._scripts.begin()
        run = -1
        for effect in effects:
            if isinstance(effect, SetSpool):
                self._set_spool(effect)
            else:
                run = self._set_number(effect, run)
        self._scripts.code.append(opcodes.RETURN_TRUE)
        return at

    def _set_spool(self, effect: SetSpool) -> None:
        node = self._typing.node(effect.value)
        if node[0] & nodes.BOOLEAN:
            register = self._scripts.register(node)
            self._scripts.code.extend((opcodes.STORE_SPOOL, self._places.spool(effect.spool), register))
        else:
            self._scripts.code.append(opcodes.STORE_NOTHING)

    def _set_number(self, effect: SetNumber, run: int) -> int:
        """Write the instructions of an effect.

        Args:
            effect: the effect.
            run: where the count of a run of nudges is that this effect may lengthen, if the code still ends with it.
        """
        code, scripts = self._scripts.code, self._scripts
        target = effect.target
        value = self._typing.node(effect.value)
        key = self._places.write_key((target.character, target.keyring))
        if key is None or not value[0] & NUMBER:
            code.append(opcodes.STORE_NOTHING)
            return -1
        if target.coefficient != 1.0:
            value = nodes.operation("Multiplication", [value, nodes.constant(target.coefficient)])
        slot = self._places.slots[key]
        before = self._places.read((target.character, target.keyring))
        presence = self._places.presence_of(slot)
        plain = presence is None and before[1] == REGISTER and before[2] == slot
        nudged = value[1] == nodes.PLAIN and value[2] == "Nudge"
        if plain and nudged and value[3][0][2] == slot and value[3][0][1] == REGISTER and value[3][1][1] == CONST:
            return self._nudge(slot, value[3][1][2], run)
        changed, unchanged = Label(), Label()
        if value[0] != NUMBER:
            register = scripts.register(value)
            scripts.jump(unchanged, opcodes.JUMP_NO_NUMBER, register)
            value = (NUMBER, REGISTER, register, None)
        clamped = not self._places.official
        if value[1] == CONST and clamped:
            value, clamped = nodes.constant(clamp(value[2], -1.0, 1.0)), False
        elif nudged:
            clamped = False
        if plain:
            self._store(slot, value, clamped)
        else:
            register = scripts.register(value)
            if clamped:
                within = scripts.temporary()
                code.extend((opcodes.CLAMP, within, register, scripts.number(-1.0), scripts.number(1.0)))
                register = within
            # null differs from every number, and so does NaN
            old = scripts.number(float("nan")) if before is NOTHING else scripts.register(before)
            code.extend((opcodes.STORE_ELSEWHERE, slot, register, old, SCRATCH if presence is None else presence))
        if unchanged.sources:
            scripts.jump(changed, opcodes.JUMP)
            scripts.bind(unchanged)
            code.append(opcodes.STORE_NOTHING)
            scripts.bind(changed)
        return -1

    def _store(self, slot: int, value: Node, clamped: bool) -> None:
        """Assign a number to a variable that exists; the frequent forms take one instruction."""
        code, scripts = self._scripts.code, self._scripts
        name, operands = (value[2], value[3]) if value[1] == nodes.PLAIN else ("", [])
        if name == "Nudge" and operands[0][1] == REGISTER and operands[0][2] == slot:
            amount = scripts.register(operands[1])
            code.extend((opcodes.STORE_NUDGED, slot, amount))
        elif clamped and name == "Addition":
            words = scripts.linear(operands)
            code.extend((opcodes.STORE_LINEAR, slot, *words))
        elif clamped and name == "Multiplication" and len(operands) == 2:
            registers = [scripts.register(operand) for operand in operands]
            code.extend((opcodes.STORE_PRODUCT, slot, *registers))
        else:
            register = scripts.register(value)
            code.extend((opcodes.STORE_CLAMPED if clamped else opcodes.STORE, slot, register))

    def _nudge(self, slot: int, amount: float, run: int) -> int:
        code = self._scripts.code
        if run >= 0 and len(code) == run + 1 + 2 * code[run]:
            code[run] += 1
        else:
            code.append(opcodes.STORE_NUDGES)
            run = len(code)
            code.append(1)
        code.extend((slot, self._scripts.factor(amount)))
        return run
