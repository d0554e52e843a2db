"""Cycles and stages: partition keys, the order of stages, and what each is made from.

Inside a cycle the edges are Dagster dependencies. The edge from a cycle to the one before it is data only: Dagster
refuses it as a dependency, so `parents_of` is the one place that knows it.
"""

import re

from narrative_dag.errors import NarrativeError

CYCLES = 1000
CYCLE_KEYS: tuple[str, ...] = tuple(f"cycle-{n:04d}" for n in range(CYCLES))
"""Partition keys, in order."""

SEEDS = "seeds"
"""The key of what comes before the first cycle."""

IMPORTED = "imported"
"""The key of imported storyworlds."""

BOOTSTRAP: tuple[str, ...] = ("seed_storyworlds", "imported_storyworlds", "base_policy")
"""Unpartitioned assets, in order."""

STAGES: tuple[str, ...] = (
    "storyworlds",
    "rollouts",
    "sae_checkpoint",
    "feature_table",
    "affordance_coupling",
    "reward_model",
    "policy_checkpoint",
    "cycle_report",
)
"""Assets of a cycle, in order."""

_WITHIN_CYCLE: dict[str, tuple[str, ...]] = {
    "storyworlds": (),
    "rollouts": ("storyworlds",),
    "sae_checkpoint": ("rollouts",),
    "feature_table": ("rollouts", "sae_checkpoint"),
    "affordance_coupling": ("rollouts", "sae_checkpoint", "feature_table"),
    "reward_model": ("storyworlds", "rollouts", "sae_checkpoint", "affordance_coupling"),
    "policy_checkpoint": ("storyworlds", "reward_model"),
    "cycle_report": STAGES[:-1],
}

_KEY_OF_BOOTSTRAP = {"seed_storyworlds": SEEDS, "base_policy": SEEDS, "imported_storyworlds": IMPORTED}

Materialization = tuple[str, str]
"""(asset, key)."""


def cycle_key(number: int) -> str:
    """The key of a cycle, `number` in [0, CYCLES).

    Raises:
        NarrativeError: outside that range.
    """
    if not 0 <= number < CYCLES:
        raise NarrativeError(f"there are {CYCLES} cycles, from 0; got {number}", where="cycle")
    return CYCLE_KEYS[number]


def cycle_number(key: str) -> int:
    """The number of a cycle's key.

    Raises:
        NarrativeError: not the key of a cycle.
    """
    if not re.fullmatch(r"cycle-\d{4}", key):
        raise NarrativeError(f"no cycle is called {key!r}", where="cycle", hint="keys run from cycle-0000")
    return int(key.removeprefix("cycle-"))


def bootstrap_key(asset: str) -> str:
    """The key under which an unpartitioned asset is stored."""
    return _KEY_OF_BOOTSTRAP[asset]


def policy_before(key: str) -> Materialization:
    """The checkpoint that a cycle starts from: the one before, or the base policy."""
    number = cycle_number(key)
    return ("policy_checkpoint", cycle_key(number - 1)) if number else ("base_policy", SEEDS)


def parents_of(asset: str, key: str) -> tuple[Materialization, ...]:
    """Everything that a materialization reads, the cycle before included."""
    if asset in _KEY_OF_BOOTSTRAP:
        return (("seed_storyworlds", SEEDS),) if asset == "base_policy" else ()
    parents = [(parent, key) for parent in _WITHIN_CYCLE[asset]]
    if asset == "storyworlds":
        parents.append(policy_before(key))
    elif asset == "rollouts":
        parents.append(("imported_storyworlds", IMPORTED))
    elif asset == "policy_checkpoint":
        parents += dict.fromkeys([policy_before(key), ("base_policy", SEEDS)])
    return tuple(parents)
