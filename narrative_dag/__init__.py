"""Train language models to write interactive storyworlds, in measured cycles.

Importing the package is cheap: rooms that need torch, transformers or Dagster load them on first use.
"""

__version__ = "0.1.0"
