"""Where the policy computes: device, precision, threads."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from narrative_dag.policy.config import PolicyConfig
from narrative_dag.policy.errors import PolicyError


@dataclass(frozen=True, slots=True)
class Compute:
    """A resolved device. `bfloat16`: matrix products in bfloat16, weights and sums in float32."""

    device: torch.device
    bfloat16: bool
    threads: int

    @contextmanager
    def session(self) -> Iterator[None]:
        """Run with this number of CPU threads, and with autocast where products are in bfloat16."""
        before = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        try:
            # no cache: it would keep the weights of the first step for the whole session
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16, cache_enabled=False):
                yield
        finally:
            torch.set_num_threads(before)


def resolve_compute(config: PolicyConfig) -> Compute:
    """The device and precision that a configuration means on this machine.

    Raises:
        PolicyError: the device does not exist here.
    """
    name = config.device
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise PolicyError(f"unknown device {name!r}", where="device", hint="auto, cpu, cuda or cuda:N") from error
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise PolicyError(f"{name} is not on this machine", where="device", hint="use auto or cpu")
    if config.dtype == "auto":
        return Compute(device, _multiplies_bfloat16(device), config.threads)
    return Compute(device, config.dtype == "bfloat16", config.threads)


def _multiplies_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        # the flag is of the running CPU; oneDNN emulates elsewhere, slower than float32
        return bool(torch.cpu._is_avx512_bf16_supported()) or bool(torch.cpu._is_amx_tile_supported())
    return False
