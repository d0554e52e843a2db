"""The naive loop on a tensor, in batches as large as everyone's: as many optimiser steps."""

from typing import Any

from narrative_dag.bench.peers.case import Array, Case, Train
from narrative_dag.bench.peers.naive import loop


def trainer() -> Train:
    """A `DataLoader` of a `TensorDataset`; the rest as `naive`."""
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    def loader(states: Array, case: Case) -> Any:
        data = TensorDataset(torch.from_numpy(states))
        return DataLoader(data, batch_size=case.batch_size, shuffle=True, drop_last=True)

    return loop(loader)
