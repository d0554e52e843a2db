"""Sparse codes on a CPU: selection, decoding and gradients that touch active features alone.

Codes are kept by rows (`starts` [b + 1], then feature and value of each active one, [m]). For the gradients they are
sorted by feature, so that each row of a gradient is summed where it lies and written once.
"""

import numpy as np
import numpy.typing as npt

from narrative_dag.kernel_cache import vector_kernel

Floats = npt.NDArray[np.float32]
Places = npt.NDArray[np.int64]


@vector_kernel
def compress(pre: Floats, floors: Floats, most: int) -> tuple[bool, Places, Places, Floats]:
    """The entries of `pre` [b, k] that are positive and at least their row's floor, [b]: by rows.

    Returns:
        Whether there are at most `most`; if so starts, features, values.
    """
    rows, k = pre.shape
    starts = np.zeros(rows + 1, np.int64)
    # room for one more row: writing first and counting after needs no branch
    features = np.empty(most + k, np.int64)
    values = np.empty(most + k, pre.dtype)
    count = 0
    for r in range(rows):
        row = pre[r]
        floor = floors[r]
        for j in range(k):
            features[count] = j
            values[count] = row[j]
            count += (row[j] > 0) & (row[j] >= floor)
        if count > most:
            return False, starts, features, values
        starts[r + 1] = count
    return True, starts, features[:count], values[:count]


@vector_kernel
def _add(out: Floats, row: Floats, factor: float) -> None:
    for c in range(len(out)):
        out[c] += factor * row[c]


@vector_kernel
def _add_four(out: Floats, rows: Floats, places: Places, factors: Floats) -> None:
    """Four rows at once: `out` is read and written a quarter as often."""
    a, b, c, d = rows[places[0]], rows[places[1]], rows[places[2]], rows[places[3]]
    p, q, r, s = factors[0], factors[1], factors[2], factors[3]
    for i in range(len(out)):
        out[i] += p * a[i] + q * b[i] + r * c[i] + s * d[i]


@vector_kernel
def reconstruct(
    starts: Places, features: Places, values: Floats, W_dec: Floats, b_dec: Floats, x: Floats, error: Floats
) -> float:
    """Writes `codes W_dec + b_dec - x` to `error` [b, d]; the sum of its squares."""
    rows, d = x.shape
    total = np.float64(0.0)
    for r in range(rows):
        out = error[r]
        truth = x[r]
        for c in range(d):
            out[c] = b_dec[c] - truth[c]
        m, end = starts[r], starts[r + 1]
        while m + 4 <= end:
            _add_four(out, W_dec, features[m : m + 4], values[m : m + 4])
            m += 4
        for at in range(m, end):
            _add(out, W_dec[features[at]], values[at])
        squares = np.float32(0.0)
        for c in range(d):
            squares += out[c] * out[c]
        total += squares
    return float(total)


@vector_kernel
def code_gradients(starts: Places, features: Places, error: Floats, scale: float, W_dec: Floats) -> Floats:
    """`scale * error W_dec^T` at the active features alone, [m]."""
    result = np.empty(len(features), error.dtype)
    factor = np.float32(scale)
    d = error.shape[1]
    for r in range(len(starts) - 1):
        row = error[r]
        for m in range(starts[r], starts[r + 1]):
            atom = W_dec[features[m]]
            product = np.float32(0.0)
            for c in range(d):
                product += row[c] * atom[c]
            result[m] = factor * product
    return result


@vector_kernel
def weight_gradients(
    starts: Places,
    features: Places,
    values: Floats,
    slopes: Floats,
    error: Floats,
    scale: float,
    x: Floats,
    g_dec: Floats,
    g_enc: Floats,
    g_bias: Floats,
) -> npt.NDArray[np.bool_]:
    """Writes the gradients of decoder and encoder [k, d] and encoder bias [k].

    `values` are the codes and `slopes` the gradients of the loss by pre-activation, [m]. Where both
    gradients are one array, as a tied encoder's are, it takes the sum.

    Returns:
        The features that are active in some row, bool [k].
    """
    k, d = g_dec.shape
    ends = np.zeros(k + 1, np.int64)
    for m in range(len(features)):
        ends[features[m] + 1] += 1
    for j in range(k):
        ends[j + 1] += ends[j]
    place = ends[:-1].copy()
    rows = np.empty(len(features), np.int64)
    order = np.empty(len(features), np.int64)
    by_value, by_slope = np.empty_like(values), np.empty_like(slopes)
    for r in range(len(starts) - 1):
        for m in range(starts[r], starts[r + 1]):
            at = place[features[m]]
            rows[at] = r
            order[at] = m
            place[features[m]] = at + 1
    factor = np.float32(scale)
    fired = np.zeros(k, np.bool_)
    for j in range(k):
        dec, enc = g_dec[j], g_enc[j]
        for c in range(d):
            dec[c] = 0.0
            enc[c] = 0.0
        bias = np.float32(0.0)
        at, end = ends[j], ends[j + 1]
        for i in range(at, end):
            by_value[i] = factor * values[order[i]]
            by_slope[i] = slopes[order[i]]
            bias += by_slope[i]
        while at + 4 <= end:
            _add_four(dec, error, rows[at : at + 4], by_value[at : at + 4])
            _add_four(enc, x, rows[at : at + 4], by_slope[at : at + 4])
            at += 4
        for i in range(at, end):
            _add(dec, error[rows[i]], by_value[i])
            _add(enc, x[rows[i]], by_slope[i])
        g_bias[j] = bias
        fired[j] = ends[j + 1] > ends[j]
    return fired


@vector_kernel
def adam(
    weights: Floats,
    gradients: Floats,
    first: Floats,
    second: Floats,
    rate: float,
    beta1: float,
    beta2: float,
    correction: float,
    epsilon: float,
    unit: bool,
) -> None:
    """One step of Adam on rows, all [n, d], in place; see `narrative_dag.sae.adam`.

    With `unit` the gradient along a row is dropped first and the row brought back to unit norm after it.
    """
    n, d = weights.shape
    lr, b1, b2 = np.float32(rate), np.float32(beta1), np.float32(beta2)
    c1, c2 = np.float32(1 - beta1), np.float32(1 - beta2)
    root, eps, one = np.float32(correction), np.float32(epsilon), np.float32(1.0)
    for j in range(n):
        w, g, m, v = weights[j], gradients[j], first[j], second[j]
        along = np.float32(0.0)
        if unit:
            for c in range(d):
                along += g[c] * w[c]
        square = np.float32(0.0)
        for c in range(d):
            slope = g[c] - along * w[c]
            m[c] = b1 * m[c] + c1 * slope
            v[c] = b2 * v[c] + c2 * slope * slope
            w[c] -= lr * m[c] / (np.sqrt(v[c]) * root + eps)
            square += w[c] * w[c]
        if unit:
            norm = one / max(np.sqrt(square), np.float32(1e-8))
            for c in range(d):
                w[c] *= norm


@vector_kernel
def normalize(states: Floats, mean: Floats, inverse: Floats) -> None:
    """`(states - mean) * inverse`, in place; states [n, d], the others [d]."""
    n, d = states.shape
    for r in range(n):
        row = states[r]
        for c in range(d):
            row[c] = (row[c] - mean[c]) * inverse[c]
