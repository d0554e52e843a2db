"""When a training rises, stays, falls and ends: all in shares of its steps."""

from dataclasses import dataclass


@dataclass
class Schedule:
    """The learning rate's course, and its early end.

    A rise of `warmup` of the steps, a plateau, a linear fall to 0 over `decay` of them. When the plateau is left early
    the fall is as long as it would have been.

    Attributes:
        steps: planned.
        warmup: share of the steps.
        decay: share of the steps.
        falls_from: step at which the fall begins.
    """

    steps: int
    warmup: float
    decay: float
    falls_from: int = -1

    def __post_init__(self) -> None:
        if self.falls_from < 0:
            self.falls_from = self.steps - self._fall

    @property
    def _fall(self) -> int:
        return round(self.decay * self.steps)

    @property
    def end(self) -> int:
        """Steps that will be made."""
        return self.falls_from + self._fall

    def factor(self, step: int) -> float:
        """The share of the peak learning rate at `step`, from 0."""
        rise = self.warmup * self.steps
        up = (step + 1) / rise if rise > 0 else 1.0
        down = (self.end - step) / self._fall if self._fall > 0 else 1.0
        return min(1.0, up, down)

    def leave_plateau(self, step: int) -> None:
        """Begin to fall at `step`, unless that has begun."""
        self.falls_from = min(self.falls_from, step)
