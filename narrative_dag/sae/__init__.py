"""Sparse autoencoders of story states: architectures, one trainer, folded inference, metrics, ground truth."""
