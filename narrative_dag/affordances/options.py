"""Option-level affordances of rollouts: which option of which encounter could be chosen on which page.

An affordance is (storyworld, encounter, option); it is available on a page when the option is performable there, and it
lives on the pages of its own encounter. So the context of a page is (storyworld, encounter).
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from narrative_dag.affordances.contexts import Integers, rows_by_context


class EncounterAffordances(NamedTuple):
    """The options of one context: its number, the rows of its pages, option ids, availability [pages, options]."""

    context: int
    storyworld_id: str
    encounter: str
    rows: Integers
    options: tuple[str, ...]
    availability: npt.NDArray[np.bool_]

    def select(self, columns: npt.NDArray[np.bool_]) -> "EncounterAffordances":
        """The same context with some of its options."""
        options = tuple(option for option, kept in zip(self.options, columns, strict=True) if kept)
        return self._replace(options=options, availability=self.availability[:, columns])


class AffordanceCounts(NamedTuple):
    """How many affordances there are and how many can be decided.

    `total`: options that were visible or performable on some page. `too_few_pages`: their encounter has fewer pages
    than the minimum. `constant`: open on all of its encounter's pages or on none, H(a | C) = 0. The rest: `decidable`.
    """

    total: int
    too_few_pages: int
    constant: int
    decidable: int


def encounter_affordances(rollouts: pl.DataFrame) -> list[EncounterAffordances]:
    """Every context whose encounter showed an option, in the order of storyworld and encounter ids."""
    keys = rollouts.select(
        (pl.struct("storyworld_id", "encounter").rank("dense") - 1).cast(pl.Int64).alias("context"),
        "storyworld_id",
        "encounter",
    )
    contexts = keys["context"].to_numpy()
    performable = _long(rollouts, "performable", contexts)
    shown = pl.concat([_long(rollouts, "visible", contexts), performable]).select("context", "option").unique()
    options: dict[int, list[str]] = {}
    for context, option in shown.sort("context", "option").iter_rows():
        options.setdefault(context, []).append(option)
    opened: dict[int, pl.DataFrame] = {
        int(frame["context"][0]): frame for frame in performable.partition_by("context", maintain_order=True)
    }
    found = []
    for context, rows in rows_by_context(contexts):
        if context not in options:
            continue
        names = options[context]
        availability = np.zeros((len(rows), len(names)), dtype=bool)
        if context in opened:
            frame = opened[context]
            place = {name: i for i, name in enumerate(names)}
            columns = [place[name] for name in frame["option"].to_list()]
            availability[np.searchsorted(rows, frame["row"].to_numpy()), columns] = True
        first = int(rows[0])
        found.append(
            EncounterAffordances(
                context, keys["storyworld_id"][first], keys["encounter"][first], rows, tuple(names), availability
            )
        )
    return found


def decidable(
    affordances: list[EncounterAffordances], minimum_pages: int
) -> tuple[list[EncounterAffordances], AffordanceCounts]:
    """The affordances that vary on enough pages, and the counts.

    A context with too few pages is not merged with others: its options exist nowhere else, so it is undecidable.
    """
    kept, total, few, constant = [], 0, 0, 0
    for encounter in affordances:
        total += len(encounter.options)
        if len(encounter.rows) < minimum_pages:
            few += len(encounter.options)
            continue
        varies = np.asarray(encounter.availability.any(axis=0) & ~encounter.availability.all(axis=0))
        constant += int((~varies).sum())
        if varies.any():
            kept.append(encounter.select(varies))
    return kept, AffordanceCounts(total, few, constant, sum(len(encounter.options) for encounter in kept))


def open_options(rollouts: pl.DataFrame) -> npt.NDArray[np.float64]:
    """The number of performable options on each page, [n]; 0 on an ending."""
    return rollouts["performable"].list.len().fill_null(0).to_numpy().astype(np.float64)


def _long(rollouts: pl.DataFrame, column: str, contexts: Integers) -> pl.DataFrame:
    rows = pl.DataFrame({"row": np.arange(len(rollouts)), "context": contexts, "option": rollouts[column]})
    return rows.explode("option").drop_nulls("option")
