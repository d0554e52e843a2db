"""Dagster assets, one module a stage: each reads, calls one library function, and hands over what it made."""

import warnings

import dagster as dg

# Partitioned checks are the one preview feature in use; the version is pinned, and the tests cover them.
warnings.filterwarnings("ignore", "Specifying a partitions_def on an AssetCheckSpec", category=dg.PreviewWarning)
