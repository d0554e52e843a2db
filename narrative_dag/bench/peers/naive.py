"""The loop that such code starts as: a `DataLoader` over rows of a table, autograd, a loss read every step."""

from collections.abc import Callable
from typing import Any

from narrative_dag.bench.peers.case import Array, Case, Train, Trained, by_torch

BATCH = 32
"""States of a batch in the first version of such code."""


def trainer() -> Train:
    """Rows one by one in batches of `BATCH`; modules, Adam and `torch.utils.data` with their defaults."""
    from torch.utils.data import DataLoader, Dataset

    class Rows(Dataset[Any]):
        def __init__(self, rows: list[list[float]]) -> None:
            self.rows = rows

        def __len__(self) -> int:
            return len(self.rows)

        def __getitem__(self, index: int) -> Any:
            import torch

            return (torch.tensor(self.rows[index], dtype=torch.float32),)

    def loader(states: Array, case: Case) -> Any:
        return DataLoader(Rows(states.tolist()), batch_size=BATCH, shuffle=True, drop_last=True)

    return loop(loader)


def loop(loader: Callable[[Array, Case], Any]) -> Train:
    """The loop on batches of one tensor; decoder columns of unit norm."""
    import torch
    from torch import nn

    class Autoencoder(nn.Module):
        def __init__(self, case: Case) -> None:
            super().__init__()
            self.case = case
            self.encoder = nn.Linear(case.d, case.k_features)
            self.decoder = nn.Linear(case.k_features, case.d)

        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            codes = torch.relu(self.encoder(x))
            if self.case.architecture == "topk":
                values, indices = codes.topk(self.case.k, dim=-1)
                codes = torch.zeros_like(codes).scatter(-1, indices, values)
            return self.decoder(codes), codes

    def fit(states: Array, case: Case) -> Trained:
        torch.manual_seed(0)
        model = Autoencoder(case)
        optimizer = torch.optim.Adam(model.parameters(), lr=case.lr)
        batches = loader(states, case)
        losses, seen = [], 0
        for _ in range(case.epochs):
            for (x,) in batches:
                reconstruction, codes = model(x)
                loss = nn.functional.mse_loss(reconstruction, x)
                if case.architecture == "standard":
                    loss = loss + case.l1 * codes.abs().sum(dim=1).mean()
                optimizer.zero_grad()
                torch.autograd.backward(loss)
                optimizer.step()
                with torch.no_grad():
                    weight = model.decoder.weight
                    weight /= weight.norm(dim=0, keepdim=True)
                losses.append(loss.item())
                seen += len(x)
        return Trained(seen, by_torch(lambda held: model(held)[0]))

    return fit
