from pathlib import Path

import pytest
from small_cycles import SMALL, Command


@pytest.fixture(scope="session")
def config(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("config") / "small.toml"
    file.write_text(SMALL)
    return file


@pytest.fixture(scope="session")
def finished(tmp_path_factory, config) -> tuple[Command, dict[str, object]]:
    """A home with two cycles, never disturbed, and what the command said."""
    command = Command(tmp_path_factory.mktemp("finished") / "home", config)
    return command, command.cycles(2)
