import resource
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def children_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_importing_the_package_costs_next_to_nothing() -> None:
    before = children_seconds()
    subprocess.run([sys.executable, "-c", "import narrative_dag"], cwd=ROOT, check=True)
    assert children_seconds() - before < 0.3


def complaints(file: str, code: str) -> str:
    command = [sys.executable, "-m", "ruff", "check", "--output-format", "concise", "--stdin-filename", file, "-"]
    return subprocess.run(command, cwd=ROOT, input=code, capture_output=True, text=True).stdout


@pytest.mark.parametrize("package", ["torch", "transformers", "mlflow", "ray", "numba"])
@pytest.mark.parametrize(
    "file", ["assets/a.py", "resources/a.py", "narrative_dag/definitions.py", "narrative_dag/policy/config.py"]
)
def test_the_linter_bans_training_libraries_where_the_definitions_load(file: str, package: str) -> None:
    assert "TID253" in complaints(file, f'"""A module."""\n\nimport {package}\n\n{package}.a()\n')
    assert "TID253" not in complaints(file, f'"""A module."""\n\nimport json\n\njson.dumps({package!r})\n')


@pytest.mark.parametrize("file", ["assets/a.py", "resources/a.py"])
def test_the_linter_bans_postponed_annotations(file: str) -> None:
    assert "TID251" in complaints(file, '"""A module."""\n\nfrom __future__ import annotations\n')
