"""A good loop in plain torch: states in memory, autograd, fused Adam, unit-norm decoder, nothing read back."""

from narrative_dag.bench.peers.case import Array, Case, Train, Trained, batches, by_torch, shuffled


def trainer() -> Train:
    """What a careful user writes in an afternoon, without dead-feature handling or logs; on a CPU or a GPU."""
    import torch

    def encode(x: torch.Tensor, W_enc: torch.Tensor, b_enc: torch.Tensor, case: Case) -> torch.Tensor:
        codes = torch.addmm(b_enc, x, W_enc).relu()
        if case.architecture == "topk":
            top = codes.topk(case.k, dim=1, sorted=False)
            codes = torch.zeros_like(codes).scatter(1, top.indices, top.values)
        return codes

    def fit(states: Array, case: Case) -> Trained:
        data = torch.from_numpy(states).to(case.device)
        generator = torch.Generator().manual_seed(0)
        rows = torch.nn.functional.normalize(torch.randn(case.k_features, case.d, generator=generator)).to(case.device)
        W_enc = rows.T.contiguous().requires_grad_()
        W_dec = rows.requires_grad_()
        b_enc = torch.zeros(case.k_features, device=case.device, requires_grad=True)
        b_dec = torch.zeros(case.d, device=case.device, requires_grad=True)
        optimizer = torch.optim.Adam([W_enc, W_dec, b_enc, b_dec], lr=case.lr, fused=True)
        steps = case.epochs * batches(len(data), case.batch_size)
        rise, fall = max(1.0, case.warmup * steps), max(1.0, case.decay * steps)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: min(1.0, (step + 1) / rise, max(0.0, (steps - step) / fall))
        )
        for x in shuffled(data, case):
            codes = encode(x, W_enc, b_enc, case)
            loss = (torch.addmm(b_dec, codes, W_dec) - x).square().mean()
            if case.architecture == "standard":
                loss = loss + case.l1 * codes.sum() / len(x)
            torch.autograd.backward(loss)
            gradient = W_dec.grad
            assert gradient is not None
            with torch.no_grad():
                gradient -= (gradient * W_dec).sum(dim=1, keepdim=True) * W_dec
                optimizer.step()
                W_dec /= W_dec.norm(dim=1, keepdim=True)
            optimizer.zero_grad()
            schedule.step()
        if case.device == "cuda":
            torch.cuda.synchronize()
        return Trained(
            len(data) * case.epochs,
            by_torch(lambda held: encode(held, W_enc, b_enc, case) @ W_dec + b_dec, case.device),
        )

    return fit
