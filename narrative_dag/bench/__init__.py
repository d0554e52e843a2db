"""Benchmarks: figures of the product, measured on the machine that runs them."""
