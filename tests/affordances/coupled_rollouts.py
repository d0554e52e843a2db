"""Rollouts with a known coupling: gates on coordinates of the state."""

import numpy as np
import polars as pl

D = 16


def rollouts(worlds=2, playthroughs=120, pages=6, encounters=3, seed=0, gate=True):
    """Each encounter has `open` (always performable), `gated` and `never`; `gated` opens when a coordinate is above 0.

    With `gate` False `gated` opens by a coin instead. The last page is an ending without options.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for w in range(worlds):
        for p in range(playthroughs):
            for step in range(pages):
                e, last = int(rng.integers(encounters)), step == pages - 1
                state = np.maximum(rng.normal(size=D), -0.5).astype(np.float32)
                opened = state[e] > 0 if gate else rng.random() < 0.5
                rows.append(
                    {
                        "storyworld_id": f"w{w}",
                        "source": "policy",
                        "playthrough": p,
                        "step": step,
                        "turn": step + 1,
                        "encounter": "end" if last else f"e{e}",
                        "visible": [] if last else ["never", "open"] + (["gated"] if opened else []),
                        "performable": [] if last else ["open"] + (["gated"] if opened else []),
                        "state": state,
                    }
                )
    integers = dict.fromkeys(("playthrough", "step", "turn"), pl.Int32)
    return pl.DataFrame(rows, schema_overrides={"state": pl.Array(pl.Float32, D), **integers})
