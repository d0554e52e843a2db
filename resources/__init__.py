"""Dagster resources: where tables, models and runs are kept, and where stages run."""
