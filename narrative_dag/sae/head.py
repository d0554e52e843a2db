"""What the head of a multi-task autoencoder predicts, and how well."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from narrative_dag.sae.architecture import Array
from narrative_dag.sae.errors import SaeError
from narrative_dag.sae.folded import FoldedSae

Floats = npt.NDArray[np.floating[Any]]


class HeadLoss(NamedTuple):
    """Log loss in bits per label that applies, on held-out rows.

    `head` is that of the head, `base_rate` that of each label's share of ones in training, (ones + 1) / (labels + 2);
    `labels` is how many labels of the held-out rows apply.
    """

    head: float
    base_rate: float
    labels: int


def head_logits(sae: FoldedSae, codes: Array) -> Array:
    """Log odds of the labels, [n, a], of codes [n, k].

    Raises:
        SaeError: the autoencoder has no head.
    """
    if "W_head" not in sae.extras:
        raise SaeError("the autoencoder has no head", where=sae.config.architecture, hint="train multitask")
    logits: Array = codes @ sae.extras["W_head"] + sae.extras["b_head"]
    return logits


def head_log_loss(sae: FoldedSae, states: Floats, labels: Floats, trained_on: Floats) -> HeadLoss:
    """How well the head predicts held-out rows.

    Args:
        sae: a multi-task autoencoder.
        states: raw, [n, d].
        labels: their labels, [n, a], NaN where one does not apply.
        trained_on: labels of the training rows, [m, a], for the base rate.

    Raises:
        SaeError: the autoencoder has no head, the labels do not fit it, or none applies.
    """
    logits = head_logits(sae, sae.encode(states)).astype(np.float64)
    if labels.shape != logits.shape or trained_on.shape[1:] != logits.shape[1:]:
        raise SaeError(
            f"labels of shapes {list(labels.shape)} and {list(trained_on.shape)}, the head gives {list(logits.shape)}"
        )
    applies = ~np.isnan(labels)
    if not applies.any():
        raise SaeError("no label applies to the held-out rows")
    known = np.sum(~np.isnan(trained_on), axis=0)
    rate = (np.nansum(trained_on, axis=0, dtype=np.float64) + 1) / (known + 2)
    base = np.broadcast_to(np.log(rate / (1 - rate)), logits.shape)
    return HeadLoss(_bits(logits[applies], labels[applies]), _bits(base[applies], labels[applies]), int(applies.sum()))


def _bits(logits: Floats, truth: Floats) -> float:
    return float(np.mean(np.logaddexp(0, logits) - truth * logits) / np.log(2))
