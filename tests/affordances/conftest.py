import pytest
from coupled_rollouts import rollouts


@pytest.fixture(scope="session")
def gated():
    return rollouts()


@pytest.fixture(scope="session")
def ungated():
    return rollouts(gate=False)
