"""EleutherAI's sparsify: its `SparseCoder`, TopK only."""

from importlib import import_module

from narrative_dag.bench.peers.case import Array, Case, Train, Trained, by_torch, shuffled


def trainer() -> Train:
    """Its coder and the statements of its trainer's step, with Adam.

    The trainer itself runs a language model, whose hooks call the step; they and their cost are left out here.
    """
    import torch

    package = import_module("sparsify")
    transformers = import_module("transformers")

    def fit(states: Array, case: Case) -> Trained:
        if case.architecture != "topk":
            raise ValueError("sparsify trains TopK autoencoders only")
        torch.manual_seed(0)
        data = torch.from_numpy(states)
        settings = package.SparseCoderConfig(num_latents=case.k_features, k=case.k)
        coder = package.SparseCoder(case.d, settings, case.device, dtype=torch.float32)
        optimizer = torch.optim.Adam(coder.parameters(), lr=case.lr)
        steps = case.steps(len(data))
        schedule = transformers.get_linear_schedule_with_warmup(optimizer, int(case.warmup * steps), steps)
        silent = torch.zeros(case.k_features, dtype=torch.long)
        fired = torch.zeros(case.k_features, dtype=torch.bool)
        unexplained = 0.0
        for step, x in enumerate(shuffled(data, case)):
            if step == 0:
                coder.b_dec.data = x.mean(0)
            coder.set_decoder_norm_to_unit_norm()
            out = coder(x=x, y=x, dead_mask=None, total_variance=(x - x.mean(0)).pow(2).sum())
            fired[out.latent_indices.flatten()] = True
            unexplained += float(out.fvu.detach())
            (out.fvu + out.multi_topk_fvu / 8).backward()
            coder.remove_gradient_parallel_to_decoder_directions()
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
            with torch.no_grad():
                silent += len(x)
                silent[fired] = 0
                fired.zero_()
        return Trained(len(data) * case.epochs, by_torch(lambda held: coder(held).sae_out))

    return fit
