"""Random valid drafts in canonical form, written from the rules of the language and not by its printer."""

from typing import Any

from hypothesis import strategies as st

OR, AND, NOT, COMPARISON, TERM = range(5)
"""How tightly a piece of text binds; a place asks for a least one and anything looser gets parentheses."""

FIXED = [("blend", 3, 3), ("nudge", 2, 2), ("closeness", 2, 2)]

Piece = tuple[str, int]

NAMES = ["Mara", "Oren", "Zed_2", "_x"]
PROPERTIES = ["Trust", "Fear", "hope", "P_1"]
SPOOLS = ["act_1", "act_2", "main", "open"]

numbers = st.one_of(
    st.sampled_from([0.0, 0.99, -0.99, 0.5, -0.25, 1e-05]),
    st.floats(-0.99, 0.99).map(lambda x: x + 0.0),
)
prose = st.text(st.characters(codec="utf-8"), max_size=12)


def shortest(value: float) -> str:
    """A number in canonical spelling."""
    return repr(int(value)) if value == int(value) else repr(value)


def fit(piece: Piece, least: int) -> str:
    """The text of a piece in a place that asks for at least this binding."""
    return piece[0] if piece[1] >= least else f"({piece[0]})"


class Vocabulary:
    """Strategies for canonical expression text over the names of one draft."""

    def __init__(self, variables: list[str], spools: list[str], shape: dict[str, list[int]]) -> None:
        self.variables, self.spools, self.shape = variables, spools, shape

    @st.composite
    @staticmethod
    def number(draw: Any, self: "Vocabulary", depth: int = 2) -> Piece:
        """A number expression."""
        leaves = ["constant", *(["variable", "scaled"] if self.variables else [])]
        kind = draw(st.sampled_from(leaves + (["negation", "call", "call", "if"] if depth else [])))
        if kind == "constant":
            return shortest(draw(numbers)), TERM
        if kind == "variable":
            return draw(st.sampled_from(self.variables)), TERM
        if kind == "scaled":
            coefficient = draw(st.one_of(st.just(-1.0), numbers))
            return f"{shortest(coefficient)}*{draw(st.sampled_from(self.variables))}", TERM
        inner = Vocabulary.number(self, depth - 1)
        if kind == "negation":
            text, binding = draw(inner)
            bare = text[0].isdigit() or (text[0] == "-" and text[1].isdigit())
            return (f"-({text})" if bare or binding < TERM else f"-{text}"), TERM
        if kind == "if":
            return draw(self.choice(inner, depth)), TERM
        name, least, most = draw(st.sampled_from([("abs", 1, 1), ("min", 2, 4), ("max", 2, 4), ("mean", 2, 4), *FIXED]))
        operands = draw(st.lists(inner, min_size=least, max_size=most))
        return f"{name}({','.join(text for text, _ in operands)})", TERM

    @st.composite
    @staticmethod
    def _choice(draw: Any, self: "Vocabulary", inner: Any, depth: int) -> str:
        branches = draw(st.integers(1, 2))
        words = []
        for _ in range(branches):
            words += [draw(Vocabulary.condition(self, depth - 1))[0], draw(inner)[0]]
        return f"if({','.join([*words, draw(inner)[0]])})"

    def choice(self, inner: Any, depth: int) -> Any:
        """An `if` over values of one type."""
        return Vocabulary._choice(self, inner, depth)

    @st.composite
    @staticmethod
    def condition(draw: Any, self: "Vocabulary", depth: int = 2) -> Piece:
        """A condition."""
        leaves = ["constant", "seen", "active", "compare", "equal"]
        kind = draw(st.sampled_from(leaves + (["not", "and", "or", "same", "if"] if depth else [])))
        less = max(depth - 1, 0)
        if kind == "constant":
            return draw(st.sampled_from(["true", "false"])), TERM
        if kind == "active":
            word = draw(st.sampled_from(["active", "inactive"]))
            return f"{word}({draw(st.sampled_from(self.spools))})", TERM
        if kind == "seen":
            word, encounter = draw(st.sampled_from(["seen", "unseen"])), draw(st.sampled_from(sorted(self.shape)))
            places = [encounter]
            options = self.shape[encounter]
            if options and draw(st.booleans()):
                option = draw(st.integers(0, len(options) - 1))
                places.append(str(option))
                if draw(st.booleans()):
                    places.append(str(draw(st.integers(0, options[option] - 1))))
            return f"{word}({','.join(places)})", TERM
        if kind == "compare":
            left, right = draw(Vocabulary.number(self, less)), draw(Vocabulary.number(self, less))
            return f"{fit(left, TERM)} {draw(st.sampled_from(['>', '>=', '<', '<=']))} {fit(right, TERM)}", COMPARISON
        if kind == "equal":
            operands = draw(st.lists(Vocabulary.number(self, less), min_size=2, max_size=3))
            return " == ".join(fit(operand, TERM) for operand in operands), COMPARISON
        inner = Vocabulary.condition(self, less)
        if kind == "if":
            return draw(self.choice(inner, depth)), TERM
        if kind == "not":
            return f"not {fit(draw(inner), NOT)}", NOT
        operands = draw(st.lists(inner, min_size=2, max_size=3))
        word, own, least = {"and": ("and", AND, NOT), "or": ("or", OR, AND), "same": ("==", COMPARISON, TERM)}[kind]
        return f" {word} ".join(fit(operand, least) for operand in operands), own

    @st.composite
    @staticmethod
    def effect(draw: Any, self: "Vocabulary") -> str:
        """An effect."""
        verbs = ["open", "close", *(["set", "nudge", "blend", "reverse", "approach"] if self.variables else [])]
        verb = draw(st.sampled_from(verbs))
        if verb in ("open", "close"):
            return f"{verb} {draw(st.sampled_from(self.spools))}"
        target = draw(st.sampled_from(self.variables))
        value = fit(draw(Vocabulary.number(self)), TERM)
        if verb == "reverse":
            return f"reverse {target}"
        if verb == "blend":
            return f"blend {target} {value} {fit(draw(Vocabulary.number(self)), TERM)}"
        # these say what a verb of their own says shorter
        if verb == "set" and value.startswith((f"nudge({target},", f"blend({target},", f"-{target}")):
            verb = "nudge"
        if verb == "nudge" and value.endswith(f",-1*{target})"):
            value = "0.5"
        return f"{verb} {target} {value}"


@st.composite
def _cast(draw: Any) -> dict[str, dict[str, Any]]:
    names = draw(st.lists(st.sampled_from(NAMES), max_size=3, unique=True))
    perceived = {p: len(names) > 1 and draw(st.booleans()) for p in PROPERTIES}
    order: list[str] = []
    cast: dict[str, dict[str, Any]] = {}
    for name in names:
        wanted = draw(st.lists(st.sampled_from(PROPERTIES), max_size=3, unique=True))
        order += [p for p in wanted if p not in order]
        cast[name] = {}
        for p in order:
            if p in wanted and perceived[p]:
                others = draw(st.lists(st.sampled_from([n for n in names if n != name]), unique=True))
                cast[name][p] = {other: draw(numbers) for other in sorted(others, key=names.index)}
            elif p in wanted:
                cast[name][p] = draw(numbers)
    return cast


def variables_of(cast: dict[str, dict[str, Any]]) -> list[str]:
    """Every variable of a cast, as text."""
    return [
        text
        for name, values in cast.items()
        for p, value in values.items()
        for text in ([f"{name}.{p}[{o}]" for o in value] if isinstance(value, dict) else [f"{name}.{p}"])
    ]


@st.composite
def canonical_documents(draw: Any) -> dict[str, Any]:
    """The JSON document of a draft that compiles and is canonical; its first encounter can open the story."""
    cast = draw(_cast())
    spools = {name: draw(st.booleans()) for name in draw(st.lists(st.sampled_from(SPOOLS), min_size=1, unique=True))}
    first = next(iter(spools))
    spools[first] = True
    ids = [f"e{i}" for i in range(draw(st.integers(1, 3)))]
    shape = {e: draw(st.lists(st.integers(1, 2), max_size=2)) for e in ids}
    words = Vocabulary(variables_of(cast), list(spools), shape)

    def script(key: str, strategy: Any, default: str) -> dict[str, str]:
        text = draw(st.one_of(st.just(default), strategy.map(lambda piece: piece[0])))
        return {} if text == default else {key: text}

    def reaction() -> dict[str, Any]:
        effects = draw(st.lists(Vocabulary.effect(words), max_size=2))
        to = draw(st.sampled_from([None, *ids]))
        return {
            "text": draw(prose),
            **script("weight", Vocabulary.number(words), "0"),
            **({"do": effects} if effects else {}),
            **({"to": to} if to else {}),
        }

    def option(reactions: int) -> dict[str, Any]:
        gates = {
            **script("show", Vocabulary.condition(words), "true"),
            **script("if", Vocabulary.condition(words), "true"),
        }
        return {"text": draw(prose), **gates, "reactions": [reaction() for _ in range(reactions)]}

    def encounter(position: int) -> dict[str, Any]:
        members = draw(st.lists(st.sampled_from(list(spools)), unique=True)) if position else [first]
        members.sort(key=list(spools).index)
        title = draw(st.one_of(st.none(), prose))
        gates = {}
        if position:
            gates |= script("when", Vocabulary.condition(words), "true")
            gates |= script("urgency", Vocabulary.number(words), "0")
        alone = len(spools) == 1 and members
        return {
            "id": ids[position],
            **({} if alone else {"spool": members[0] if len(members) == 1 else members}),
            **({"title": title} if title is not None and title != ids[position] else {}),
            "text": draw(prose),
            **gates,
            **({"options": [option(n) for n in shape[ids[position]]]} if shape[ids[position]] else {}),
        }

    return {
        "theme": draw(prose),
        "title": draw(prose),
        "characters": cast,
        **({} if spools == {"main": True} else {"spools": spools}),
        "encounters": [encounter(i) for i in range(len(ids))],
    }
