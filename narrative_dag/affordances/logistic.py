"""The predictive family of the coupling: many small ridge logistic regressions at once, by damped Newton steps."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
_STEPS = 50
_HALVINGS = 12
_GRADIENT = 1e-7


def intercept_only(y: Floats) -> Floats:
    """The log odds of labels y [m, n] with half a success and half a failure added, [m]."""
    ones = y.sum(axis=1) + 0.5
    return np.asarray(np.log(ones / (y.shape[1] + 1.0 - ones)))


def fit(x: Floats, y: Floats, ridge: float) -> Floats:
    """Coefficients [m, 1 + F], the intercept first, of m regressions of labels y [m, n] on inputs x [m, n, F].

    Minimises the summed log loss (nats) + ridge / 2 * |slopes|^2 + half a success and half a failure at x = 0, so that
    the minimum exists and is unique for any labels, and a model without inputs is `intercept_only`.
    """
    m, n, inputs = x.shape
    design = np.concatenate([np.ones((m, n, 1)), x], axis=2)
    penalty = np.full(inputs + 1, ridge)
    penalty[0] = 0.0
    beta = np.zeros((m, inputs + 1))
    beta[:, 0] = intercept_only(y)
    value = _objective(design, y, beta, penalty)
    for _ in range(_STEPS):
        p = _sigmoid(_logits(design, beta))
        p0 = _sigmoid(beta[:, 0])
        gradient = np.einsum("mnf,mn->mf", design, p - y) + penalty * beta
        gradient[:, 0] += p0 - 0.5
        if np.abs(gradient).max() < _GRADIENT * n:
            break
        hessian = (design * (p * (1 - p))[:, :, None]).transpose(0, 2, 1) @ design + np.diag(penalty)
        hessian[:, 0, 0] += p0 * (1 - p0)
        step = np.linalg.solve(hessian, gradient[:, :, None])[:, :, 0]
        size = np.ones(m)
        for _ in range(_HALVINGS):
            proposed = beta - size[:, None] * step
            new = _objective(design, y, proposed, penalty)
            worse = new > value + 1e-12 * np.abs(value)
            if not worse.any():
                break
            size[worse] /= 2.0
        better = new <= value + 1e-12 * np.abs(value)
        beta = np.where(better[:, None], proposed, beta)
        value = np.where(better, new, value)
    return beta


def log_loss(logits: Floats, y: Floats) -> Floats:
    """Log loss in bits of labels under log odds, elementwise."""
    return np.asarray((np.logaddexp(0.0, logits) - y * logits) / np.log(2))


def predict(x: Floats, beta: Floats) -> Floats:
    """Log odds [m, n] for inputs x [m, n, F]."""
    return np.asarray(beta[:, :1] + (x @ beta[:, 1:, None])[:, :, 0])


def _logits(design: Floats, beta: Floats) -> Floats:
    return np.asarray((design @ beta[:, :, None])[:, :, 0])


def _objective(design: Floats, y: Floats, beta: Floats, penalty: Floats) -> Floats:
    logits = _logits(design, beta)
    pseudo = np.logaddexp(0.0, beta[:, 0]) - 0.5 * beta[:, 0]
    return np.asarray(
        (np.logaddexp(0.0, logits) - y * logits).sum(axis=1) + pseudo + 0.5 * (penalty * beta**2).sum(axis=1)
    )


def _sigmoid(logits: Floats) -> Floats:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * logits)))
