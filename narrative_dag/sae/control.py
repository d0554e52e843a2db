"""A penalty's coefficient moved in training so that states come to a wanted number of active features."""

from typing import TYPE_CHECKING

from narrative_dag.sae.architecture import Parameters

if TYPE_CHECKING:
    import torch

GAIN = 30.0
"""How many factors e the coefficient moves in a whole training while active features are e times too many."""
LEAD = 0.06
"""Share of a training by which the number of active features is looked ahead.

It follows the coefficient that late: without looking ahead the coefficient is far past its place when they arrive.
"""
SMOOTHING = 0.01
"""Share of a training over which the number is averaged, for its trend."""


def controlled(start: float) -> Parameters:
    """The buffers of a controlled coefficient: `l1`, and `log_l0`, the smoothed logarithm of active features."""
    import torch

    return {"l1": torch.tensor(start), "log_l0": torch.tensor(torch.nan)}


def control(buffers: Parameters, active: "torch.Tensor | float", target: float, pace: float) -> None:
    """Moves `buffers["l1"]` after a batch with `active` features a state, so that they come to `target`.

    An integral controller of logarithms that looks ahead along the trend, clipped to one factor e; it moves 5 % a step
    at most. `pace` is one over the steps of the training.
    """
    import torch

    now = torch.as_tensor(active, dtype=torch.float32).clamp_min(0.1).log()
    smoothed = buffers["log_l0"]
    before = torch.where(smoothed.isnan(), now.to(smoothed), smoothed)
    smoothed.copy_(torch.lerp(before, now.to(smoothed), min(1.0, pace / SMOOTHING)))
    trend = (smoothed - before) / pace
    excess = smoothed - torch.log(torch.tensor(target)) + LEAD * trend
    buffers["l1"].mul_((excess.clamp(-1.0, 1.0) * min(GAIN * pace, 0.05)).exp())
