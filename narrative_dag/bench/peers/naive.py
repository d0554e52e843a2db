"""The loop that such code starts as: a `DataLoader` that stacks single states, autograd, a loss read every step."""

from narrative_dag.bench.peers.case import Array, Case, Train, Trained, by_torch


def trainer() -> Train:
    """`torch.nn`, `torch.optim.Adam` and `torch.utils.data` with their defaults; decoder columns of unit norm."""
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

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
        loader = DataLoader(
            TensorDataset(torch.from_numpy(states)), batch_size=case.batch_size, shuffle=True, drop_last=True
        )
        losses, seen = [], 0
        for _ in range(case.epochs):
            for (x,) in loader:
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
