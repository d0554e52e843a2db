"""Numerical gradients, and short trainings, for the tests of each architecture."""

import numpy as np
import torch

from narrative_dag.sae.architecture import Batch
from narrative_dag.sae.config import RunConfig, SaeConfig
from narrative_dag.sae.registry import build
from narrative_dag.sae.sources import InMemory
from narrative_dag.sae.trainer import Trainer

D, ROWS = 7, 9

# two threads of each test process would wait for each other
torch.set_num_threads(1)


def parameters_and_batch(config, seed=0, label_width=0):
    """Parameters, buffers and a batch [ROWS, D] in float64, away from where terms vanish by symmetry."""
    rng = np.random.default_rng(seed)
    rule = build(config)
    parameters = {name: value.double() for name, value in rule.initial(D, seed, label_width).items()}
    parameters = {
        name: value + 0.3 * torch.from_numpy(rng.normal(size=value.shape)) for name, value in parameters.items()
    }
    buffers = {name: value.double() for name, value in rule.buffers(D).items()}
    x = torch.from_numpy(rng.normal(size=(ROWS, D)))
    labels = None
    if label_width:
        drawn = rng.integers(0, 2, (ROWS, label_width)).astype(float)
        drawn[rng.random(drawn.shape) < 0.2] = np.nan
        labels = torch.from_numpy(drawn)
    return parameters, buffers, Batch(x, labels, seed=5)


def gradients_of(config, parameters, buffers, batch):
    """What the architecture writes out: gradients by parameter as arrays, and the step."""
    gradients = {name: torch.full_like(value, torch.nan) for name, value in parameters.items()}
    step = build(config).gradients(parameters, buffers, batch, gradients)
    return {name: value.numpy() for name, value in gradients.items()}, step


def arrays_of(parameters):
    """Copies, as arrays."""
    return {name: value.numpy().copy() for name, value in parameters.items()}


def differences(loss, parameters, step=1e-6):
    """Central differences of `loss(parameters)` by every number of every array."""
    result = {}
    for name, value in parameters.items():
        gradient = np.zeros_like(value)
        for index in np.ndindex(value.shape):
            kept = value[index]
            value[index] = kept + step
            up = loss(parameters)
            value[index] = kept - step
            gradient[index] = (up - loss(parameters)) / (2 * step)
            value[index] = kept
        result[name] = gradient
    return result


def trained(config, states, lr=1e-2, epochs=20, seed=0, labels=None, **settings):
    """A finished trainer of one run, and its folded autoencoder."""
    runs = (RunConfig(architecture=config, lr=lr, seed=seed),)
    settings = {"batch_size": 128, "device": "cpu", **settings}
    trainer = Trainer(InMemory(states, labels), SaeConfig(runs=runs, epochs=epochs, **settings), seed)
    with torch.no_grad():
        trainer.finish()
    return trainer, trainer.folded()[0]
