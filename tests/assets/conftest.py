from dataclasses import replace
from pathlib import Path

import pytest
from small_cycles import SMALL, Command, Finished
from small_worlds import write_worlds


@pytest.fixture(scope="session")
def config(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("config") / "small.toml"
    file.write_text(SMALL)
    return file


@pytest.fixture(scope="session")
def finished(tmp_path_factory, config) -> Finished:
    """A home, never disturbed, with a cycle that imported nothing and one that imported a folder of worlds."""
    command = Command(tmp_path_factory.mktemp("finished") / "home", config)
    first = command.cycles(1)
    importing = replace(command, worlds=write_worlds(tmp_path_factory.mktemp("worlds")))
    return Finished(importing, first, importing.cycles(1))
