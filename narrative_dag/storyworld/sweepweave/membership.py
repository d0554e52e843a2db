"""An order of the encounters that is every spool's own, and the spools that need splitting for it.

A project file has no order of members in a spool: it is the file's order of encounters. Spools that want contradictory
orders are split into runs that follow the file; the runs stand where the spool stood and are switched together.
"""

import heapq
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

from narrative_dag.storyworld.model import Spool
from narrative_dag.storyworld.sweepweave.identifiers import unused


@dataclass(frozen=True, slots=True)
class Membership:
    """Encounters and spools as a file can hold them.

    `order` lists the old positions in their new order; `spools` has members by new position, ascending; `runs` has the
    ids of the spools that stand for each old one, the first of which tells its status.
    """

    order: tuple[int, ...]
    spools: tuple[Spool, ...]
    runs: dict[str, tuple[str, ...]]

    @property
    def places(self) -> dict[int, int]:
        """New positions by old ones."""
        return {old: new for new, old in enumerate(self.order)}


def arrange(spools: Sequence[Spool], encounters: int) -> Membership:
    """The order nearest to the given one that suits the spools, earlier spools first where they contradict."""
    chains = [tuple(dict.fromkeys(spool.members)) for spool in spools]
    # a chain that ascends already constrains nothing that the given order does not
    kept = [chain for chain in chains if list(chain) == sorted(chain)]
    order = list(range(encounters))
    for chain in chains:
        if chain not in kept:
            found = _order([*kept, chain], encounters)
            if found is not None:
                kept.append(chain)
                order = found
    places = {old: new for new, old in enumerate(order)}
    taken = {spool.id for spool in spools}
    arranged: list[Spool] = []
    runs: dict[str, tuple[str, ...]] = {}
    for spool, chain in zip(spools, chains, strict=True):
        parts = _runs([places[old] for old in chain])
        ids = [spool.id, *(unused(f"{spool.id}_{n}", taken) for n in range(2, len(parts) + 1))]
        names = [spool.name, *(f"{spool.name} {n}" for n in range(2, len(parts) + 1))]
        arranged += [
            replace(spool, id=id_, name=name, members=part) for id_, name, part in zip(ids, names, parts, strict=True)
        ]
        runs[spool.id] = tuple(ids)
    return Membership(tuple(order), tuple(arranged), runs)


def _order(chains: Sequence[Sequence[int]], encounters: int) -> list[int] | None:
    """The topological order that always takes the least free position; None where the chains contradict."""
    after: list[set[int]] = [set() for _ in range(encounters)]
    waiting = [0] * encounters
    for chain in chains:
        for first, second in itertools.pairwise(chain):
            if second not in after[first]:
                after[first].add(second)
                waiting[second] += 1
    free = [position for position in range(encounters) if not waiting[position]]
    order = []
    while free:
        position = heapq.heappop(free)
        order.append(position)
        for second in after[position]:
            waiting[second] -= 1
            if not waiting[second]:
                heapq.heappush(free, second)
    return order if len(order) == encounters else None


def _runs(places: Sequence[int]) -> list[tuple[int, ...]]:
    """The maximal ascending runs; one empty run for no places."""
    runs: list[list[int]] = [[]]
    for place in places:
        if runs[-1] and place < runs[-1][-1]:
            runs.append([])
        runs[-1].append(place)
    return [tuple(run) for run in runs]
