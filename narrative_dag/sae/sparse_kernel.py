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
        for m in range(starts[r], starts[r + 1]):
            value = values[m]
            atom = W_dec[features[m]]
            for c in range(d):
                out[c] += value * atom[c]
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
    tied: bool,
) -> npt.NDArray[np.bool_]:
    """Writes the gradients of decoder and encoder [k, d] and encoder bias [k].

    `values` are the codes and `slopes` the gradients of the loss by pre-activation, [m]. With `tied` the decoder's
    takes the sum of both, and the encoder's is not used.

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
        if not tied:
            for c in range(d):
                enc[c] = 0.0
        bias = np.float32(0.0)
        for at in range(ends[j], ends[j + 1]):
            value, slope = factor * values[order[at]], slopes[order[at]]
            remainder, state = error[rows[at]], x[rows[at]]
            if tied:
                for c in range(d):
                    dec[c] += value * remainder[c] + slope * state[c]
            else:
                for c in range(d):
                    dec[c] += value * remainder[c]
                    enc[c] += slope * state[c]
            bias += slope
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
