"""The warehouse's tables: every column once, with its type and meaning.

The Parquet writer, the DuckDB catalog, the schema checks, Dagster's column metadata and docs/tables.md all read this.
Every table has one more column, `cycle`, from its folder's name: `cycle-0000`, or `seeds` and `imported` before any
cycle.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pyarrow as pa

STATE_DIMENSIONS = 128
"""Length of the state vector."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: Arrow type, meaning, whether null is allowed."""

    name: str
    type: pa.DataType
    description: str
    nullable: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the warehouse."""

    name: str
    description: str
    columns: tuple[Column, ...]

    @property
    def schema(self) -> pa.Schema:
        """The Arrow schema, nullability and descriptions included."""
        return pa.schema(
            [
                pa.field(c.name, c.type, nullable=c.nullable, metadata={"description": c.description})
                for c in self.columns
            ]
        )


_S, _I, _F, _B = pa.string(), pa.int32(), pa.float64(), pa.bool_()

_STORYWORLD = Column("storyworld_id", _S, "sha256 of the canonical draft; of the raw text where it is no valid draft")
_PLAYTHROUGH = Column("playthrough", _I, "playthrough of this storyworld, from 0")
_STEP = Column("step", _I, "page within the playthrough, from 0")
_SAE = Column("sae", _I, "position of the autoencoder in the checkpoint, from 0")
_FEATURE = Column("feature", _I, "feature of that autoencoder, from 0")

TABLES: Mapping[str, Table] = {
    table.name: table
    for table in (
        Table(
            "storyworlds",
            "One row a storyworld that was written, generated or imported.",
            (
                Column("position", _I, "place in its batch, from 0"),
                _STORYWORLD,
                Column("source", _S, "policy, seed or imported"),
                Column("prompt", _S, "the text that the policy was given; empty for other sources"),
                Column("text", _S, "what was written, prompt included; the file's name for imported ones"),
                Column("tokens", _I, "length of the text in the policy's tokens, prompt included; 0 for imported ones"),
                Column("truncated", _B, "the policy hit its length limit"),
                Column("valid_json", _B, "the text parses as JSON"),
                Column("valid", _B, "the text compiles to a playable storyworld"),
                Column("draft", _S, "the canonical draft", nullable=True),
                Column("structural_hash", _S, "sha256 of the draft without its prose and names", nullable=True),
                Column("title", _S, "title", nullable=True),
                Column("theme", _S, "theme", nullable=True),
                Column("error", _S, "why it is not playable, with the place", nullable=True),
            ),
        ),
        Table(
            "verdicts",
            "One row for each storyworld and reward component, and one named `reward` for the weighted sum.",
            (
                Column("position", _I, "place of the storyworld in its batch"),
                _STORYWORLD,
                Column("component", _S, "verifier"),
                Column("score", _F, "score in [0, 1]"),
                Column("weight", _F, "weight of the component in the reward"),
                Column("detail", _S, "why: what was counted, found or missing"),
            ),
        ),
        Table(
            "rollouts",
            "One row a page met in play, endings included.",
            (
                _STORYWORLD,
                Column("source", _S, "policy, seed or imported"),
                _PLAYTHROUGH,
                _STEP,
                Column("turn", _I, "SweepWeave's turn, from 1"),
                Column("encounter", _S, "encounter id"),
                Column("visible", pa.list_(_S), "ids of the visible options"),
                Column("performable", pa.list_(_S), "ids of the options that can be chosen"),
                Column("choice", _S, "id of the option chosen; null where none can be", nullable=True),
                Column("reaction", _S, "id of the reaction that ran; null where none did", nullable=True),
                Column("next", _S, "id of the next encounter; null where play ends", nullable=True),
                Column(
                    "end", _S, "kind of end: the_end, no_options, blocked, max_steps; last page only", nullable=True
                ),
                Column("state", pa.list_(pa.float32(), STATE_DIMENSIONS), "state vector before the choice"),
            ),
        ),
        Table(
            "features",
            "Sparse long form: one row for each feature that fires on a page.",
            (
                _STORYWORLD,
                _PLAYTHROUGH,
                _STEP,
                _SAE,
                _FEATURE,
                Column("activation", pa.float32(), "activation, above 0"),
            ),
        ),
        Table(
            "feature_catalog",
            "One row a feature.",
            (
                _SAE,
                _FEATURE,
                Column("density", _F, "share of pages on which it fires"),
                Column("mean_activation", _F, "mean activation where it fires; 0 for a dead feature"),
                Column("stability", _F, "largest decoder cosine to a feature of another seed's autoencoder"),
                Column("label", _S, "the state dimensions that its decoder direction moves most"),
                Column("open_options_correlation", _F, "Pearson correlation with the number of open options", True),
                Column("top_storyworld", _S, "storyworld of its strongest page", nullable=True),
                Column("top_playthrough", _I, "playthrough of its strongest page", nullable=True),
                Column("top_step", _I, "step of its strongest page", nullable=True),
            ),
        ),
        Table(
            "affordance_coupling",
            "One row for each live feature and decidable affordance: I(feature; availability | context) in bits.",
            (
                _STORYWORLD,
                Column("encounter", _S, "encounter of the option"),
                Column("option", _S, "option id"),
                _SAE,
                _FEATURE,
                Column("pages", _I, "pages of that context"),
                Column("bits", _F, "plug-in estimate less the mean of the permutations, bits"),
                Column("p", _F, "permutation p, whole playthroughs moved"),
                Column("q", _F, "Benjamini-Hochberg q over all pairs of the cycle"),
                Column("u", _F, "bits over the entropy of availability given the context"),
                Column("correlation", _F, "Pearson correlation of activation and availability"),
            ),
        ),
        Table(
            "training_log",
            "One row a metric, for every training of the cycle.",
            (
                Column("stage", _S, "asset that was trained, such as sae_checkpoint; sae on the command line"),
                Column("run", _S, "which of the stage's runs: a seed, an architecture, or empty"),
                Column("step", _I, "optimiser step, epoch or evaluation, as the metric's name says"),
                Column("metric", _S, "metric name"),
                Column("value", _F, "value"),
            ),
        ),
        Table(
            "lineage",
            "One row a materialization: what was made, from what, by which run.",
            (
                Column("asset", _S, "asset"),
                Column("content_hash", _S, "sha256 of the content; equal hashes mean equal results"),
                Column(
                    "parents",
                    pa.list_(pa.struct([("asset", _S), ("cycle", _S), ("content_hash", _S)])),
                    "what it was made from",
                ),
                Column("code_version", _S, "version of the code that made it"),
                Column("dagster_run", _S, "Dagster run id"),
                Column("mlflow_run", _S, "MLflow run id", nullable=True),
                Column("rows", pa.int64(), "rows written over all tables"),
                Column("bytes", pa.int64(), "bytes written, tables and artefacts"),
                Column("seconds", _F, "wall seconds"),
            ),
        ),
    )
}


def training_log(stage: str, rows: Iterable[tuple[str, int, str, float]]) -> pa.Table:
    """The table `training_log` from (run, step, metric, value) rows."""
    return pa.Table.from_pylist(
        [
            {"stage": stage, "run": run, "step": step, "metric": metric, "value": float(value)}
            for run, step, metric, value in rows
        ],
        schema=TABLES["training_log"].schema,
    )


def markdown() -> str:
    """The tables as a page of documentation."""
    lines = ["# The warehouse's tables", "", str(__doc__).split("\n\n", 1)[1].strip(), ""]
    for table in TABLES.values():
        lines += [f"## {table.name}", "", table.description, "", "| column | type | meaning |", "|---|---|---|"]
        lines += [
            f"| `{c.name}` | {c.type}{', null allowed' if c.nullable else ''} | {c.description} |"
            for c in table.columns
        ]
        lines.append("")
    return "\n".join(lines)
