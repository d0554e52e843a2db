"""Sparse autoencoders of story states: architectures, one trainer, folded inference, metrics, synthetic ground truth."""
