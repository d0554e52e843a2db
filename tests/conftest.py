"""Makes the modules of this folder importable from tests in every folder below it."""
