"""One autoencoder's features against the affordances of a cycle: the table of pairs and the headline figures."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from narrative_dag.affordances.conditional import benjamini_hochberg, conditional_information
from narrative_dag.affordances.controls import principal_components, random_features, raw_dimensions
from narrative_dag.affordances.correlation import open_options_correlation, pearson
from narrative_dag.affordances.coupling import HeldOutLoss, Predictors, bootstrap_shares, held_out_loss
from narrative_dag.affordances.errors import AffordanceError
from narrative_dag.affordances.levels import positive_levels
from narrative_dag.affordances.options import EncounterAffordances, decidable, encounter_affordances, open_options
from narrative_dag.sae.rollouts import held_out, playthrough_numbers, state_matrix

Array = npt.NDArray[np.float32]

_TYPES: dict[str, Any] = {
    "storyworld_id": pl.String,
    "encounter": pl.String,
    "option": pl.String,
    "sae": pl.Int32,
    "feature": pl.Int32,
    "pages": pl.Int32,
    "bits": pl.Float64,
    "p": pl.Float64,
    "q": pl.Float64,
    "u": pl.Float64,
    "correlation": pl.Float64,
}


class CouplingConfig(BaseModel):
    """How features are measured against affordances."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    permutations: int = Field(
        default=1000,
        ge=1,
        description="permutations of whole playthroughs within a context; p is at least 1 / (permutations + 1), "
        "q at least that over the share of coupled pairs",
    )
    minimum_pages: int = Field(default=50, ge=2, description="pages below which a context's options are undecidable")
    levels: int = Field(
        default=3, ge=1, le=20, description="quantile levels of positive activations; 1: the gate alone"
    )
    selected: int = Field(default=10, ge=1, description="features that predict an affordance in U_S")
    ridge: float = Field(default=1.0, gt=0, description="penalty of the logistic slopes on standardised features")
    test_share: float = Field(default=0.3, gt=0, lt=1, description="share of playthroughs held out for U_S")
    bootstrap: int = Field(default=1000, ge=10, description="resamples of held-out playthroughs")
    confidence: float = Field(default=0.95, gt=0, lt=1, description="confidence of the intervals")
    false_discovery: float = Field(default=0.05, gt=0, lt=1, description="q at which a pair counts as significant")


class Share(BaseModel):
    """A share of H_V(A | C) removed on held-out playthroughs, with its bootstrap interval."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: float = Field(description="1 - informed loss / base loss; below 0 when the predictors mislead")
    low: float = Field(description="lower end of the interval")
    high: float = Field(description="upper end of the interval")


class CouplingSummary(BaseModel):
    """The figures of a measurement; shares are None when no affordance can be predicted on held-out playthroughs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    affordances: int = Field(description="options seen")
    too_few_pages: int = Field(description="options whose encounter has fewer pages than the minimum")
    constant: int = Field(description="options with H(a | C) = 0")
    decidable: int = Field(description="options that are left")
    live_features: int = Field(description="features that fire on some page")
    pairs: int = Field(description="live features times decidable affordances")
    significant_pairs: int = Field(description="pairs with q below the false discovery rate and bits above 0")
    coupled_features: int = Field(description="features with a significant pair")
    max_bits: float = Field(description="largest bits of a significant pair; 0 when there is none")
    features_above_04: int = Field(description="features with a significant pair above 0.4 bits")
    best_bits: float = Field(description="mean over decidable affordances of the best pair's bits")
    u_s: Share | None = Field(description="coupling of the autoencoder's features")
    controls: dict[str, Share] = Field(description="the same for `random`, `raw` and `pca` predictors")
    margins: dict[str, Share] = Field(description="u_s minus each control, with the interval of the difference")
    seen_share: float | None = Field(
        description="share of the held-out pages that decide u_s whose exact state is also a training page's: near 1, "
        "u_s says that states tell options apart, not that features generalise"
    )


class CouplingResult(NamedTuple):
    """The table `affordance_coupling`, the summary, and the open-options correlation of each feature [k]."""

    table: pl.DataFrame
    summary: CouplingSummary
    open_options_correlation: npt.NDArray[np.float64]


def measure_coupling(
    rollouts: pl.DataFrame, codes: Array, seed: int, config: CouplingConfig | None = None, *, sae: int = 0
) -> CouplingResult:
    """Measures the codes [n, k] of one autoencoder against the affordances of `rollouts` (n rows).

    Tertiles are those of a context's own pages, so bits bound I(z; a | C) from below. Where a feature does not vary on
    the context's pages nothing can be tested: bits and `correlation` are 0, p and q 1, and the pair is not counted
    among the hypotheses that q corrects for. U_S splits playthroughs by `seed`; an autoencoder that has seen the states
    of held-out pages has not seen their availabilities.

    Raises:
        AffordanceError: the codes do not belong to the rollouts, or are negative or not finite.
    """
    config = config or CouplingConfig()
    if codes.ndim != 2 or len(codes) != len(rollouts):
        raise AffordanceError(f"codes of shape {list(codes.shape)} do not belong to {len(rollouts)} pages")
    if not np.isfinite(codes).all() or (codes < 0).any():
        raise AffordanceError("codes must be finite and not negative")
    states, playthroughs = state_matrix(rollouts), playthrough_numbers(rollouts)
    affordances, counts = decidable(encounter_affordances(rollouts), config.minimum_pages)
    live = np.flatnonzero((codes > 0).any(axis=0))
    table = _pairs(affordances, codes, live, playthroughs, seed, config, sae)
    significant = table.filter((pl.col("q") <= config.false_discovery) & (pl.col("bits") > 0))
    best = table.group_by("storyworld_id", "encounter", "option", maintain_order=True).agg(pl.col("bits").max())["bits"]
    shares = _shares(affordances, states, codes, playthroughs, seed, config)
    seen = _seen_share(affordances, states, held_out(playthroughs, config.test_share, seed)) if shares else None
    summary = CouplingSummary(
        affordances=counts.total,
        too_few_pages=counts.too_few_pages,
        constant=counts.constant,
        decidable=counts.decidable,
        live_features=len(live),
        pairs=len(table),
        significant_pairs=len(significant),
        coupled_features=significant["feature"].n_unique(),
        max_bits=float(significant["bits"].to_numpy().max(initial=0.0)),
        features_above_04=significant.filter(pl.col("bits") > 0.4)["feature"].n_unique(),
        best_bits=float(best.to_numpy().mean()) if len(best) else 0.0,
        u_s=shares.get("features"),
        controls={name: share for name, share in shares.items() if name in ("random", "raw", "pca")},
        margins={name[1:]: share for name, share in shares.items() if name.startswith("-")},
        seen_share=seen,
    )
    return CouplingResult(table, summary, open_options_correlation(codes, open_options(rollouts)))


def _pairs(
    affordances: list[EncounterAffordances],
    codes: Array,
    live: npt.NDArray[np.int64],
    playthroughs: npt.NDArray[np.int64],
    seed: int,
    config: CouplingConfig,
    sae: int,
) -> pl.DataFrame:
    if not affordances or not len(live):
        return pl.DataFrame(schema=_TYPES)
    frames, testable = [], []
    for encounter in affordances:
        values = codes[np.ix_(encounter.rows, live)]
        information = conditional_information(
            positive_levels(values, config.levels),
            encounter.availability,
            np.zeros(len(values), dtype=np.int64),
            playthroughs[encounter.rows],
            permutations=config.permutations,
            seed=int(np.random.SeedSequence([seed, encounter.context]).generate_state(1)[0]),
        )
        options, features = len(encounter.options), len(live)
        columns = {
            "storyworld_id": [encounter.storyworld_id] * (options * features),
            "encounter": [encounter.encounter] * (options * features),
            "option": np.repeat(np.array(encounter.options, dtype=object), features),
            "sae": np.full(options * features, sae),
            "feature": np.tile(live, options),
            "pages": np.full(options * features, len(values)),
            "bits": information.bits.T.ravel(),
            "p": information.p.T.ravel(),
            "q": np.ones(options * features),
            "u": information.u.T.ravel(),
            "correlation": np.nan_to_num(pearson(values, encounter.availability)).T.ravel(),
        }
        frames.append(pl.DataFrame(columns, schema=_TYPES, strict=False))
        testable.append(np.tile((values != values[:1]).any(axis=0), options))
    table = pl.concat(frames)
    tested = np.concatenate(testable)
    q = np.ones(len(table))
    q[tested] = benjamini_hochberg(table["p"].to_numpy()[tested])
    return table.with_columns(pl.Series("q", q))


def _shares(
    affordances: list[EncounterAffordances],
    states: Array,
    codes: Array,
    playthroughs: npt.NDArray[np.int64],
    seed: int,
    config: CouplingConfig,
) -> dict[str, Share]:
    """`features`, the controls by name, and the margins over them by `-name`; empty when nothing can be predicted."""
    if not affordances or len(np.unique(playthroughs)) < 2:
        return {}
    test = held_out(playthroughs, config.test_share, seed)
    candidates = {
        "features": Predictors(codes, lambda v: positive_levels(v, config.levels)),
        "random": random_features(states, codes, ~test, seed, config.levels),
        "raw": raw_dimensions(states, config.levels),
        "pca": principal_components(states, ~test, config.levels),
    }
    losses: dict[str, HeldOutLoss] = {
        name: held_out_loss(affordances, predictors, playthroughs, test, selected=config.selected, ridge=config.ridge)
        for name, predictors in candidates.items()
    }
    if losses["features"].base.sum() == 0:
        return {}
    samples = bootstrap_shares(list(losses.values()), config.bootstrap, seed)
    values = np.array([loss.share_removed for loss in losses.values()])
    shares = {name: _share(values[i], samples[:, i], config) for i, name in enumerate(losses)}
    for i, name in enumerate(losses):
        if name != "features":
            shares[f"-{name}"] = _share(values[0] - values[i], samples[:, 0] - samples[:, i], config)
    return shares


def _seen_share(affordances: list[EncounterAffordances], states: Array, test: npt.NDArray[np.bool_]) -> float | None:
    """Share of the held-out pages of decidable encounters whose state is that of a training page there."""
    seen = total = 0
    for encounter in affordances:
        held = test[encounter.rows]
        known = {state.tobytes() for state in states[encounter.rows[~held]]}
        seen += sum(state.tobytes() in known for state in states[encounter.rows[held]])
        total += int(held.sum())
    return seen / total if total else None


def _share(value: float, samples: npt.NDArray[np.float64], config: CouplingConfig) -> Share:
    tail = (1 - config.confidence) / 2
    low, high = np.nanquantile(samples, [tail, 1 - tail])
    return Share(value=float(value), low=float(low), high=float(high))
