"""Runs in the environment of `make peers`: what SAELens makes of a checkpoint. Arguments: folders, each holds one.

Reads `checkpoint/` and `states.npy` of a folder; writes `codes.npy`, `reconstruction.npy`, and `loaded.json`: what was
loaded, or the error.
"""

import json
import sys
import traceback
from pathlib import Path

import numpy as np
import torch
from sae_lens import SAE


def load(folder):
    sae = SAE.load_from_disk(folder / "checkpoint", device="cpu")
    with torch.no_grad():
        codes = sae.encode(torch.from_numpy(np.load(folder / "states.npy")))
        reconstruction = sae.decode(codes)
    np.save(folder / "codes.npy", codes.numpy())
    np.save(folder / "reconstruction.npy", reconstruction.numpy())
    return {"architecture": sae.cfg.architecture(), "d": sae.cfg.d_in}


def main():
    for folder in map(Path, sys.argv[1:]):
        try:
            result = load(folder)
        except Exception:
            # one checkpoint that cannot be read must not hide the others
            result = {"error": traceback.format_exc()}
        (folder / "loaded.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main()
