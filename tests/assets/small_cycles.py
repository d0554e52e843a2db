import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

SMALL = """
seed = 5
seeds = 10
rollouts = 8
playthroughs = 12
imported_playthroughs = 4
max_steps = 10
sae_states = 1000
mixture_states = 200
[author]
broken_json = 0.0
dangling = 0.0
[policy]
layers = 2
width = 96
heads = 3
vocabulary = 500
[warm_start]
steps = 220
batch = 4
checkpoint_every = 20
[sampling]
temperature = 0.3
max_tokens = 500
[sae]
epochs = 8
[rl]
epochs = 2
rollouts = 8
minibatches = 2
[rl.sampling]
max_tokens = 500
[evaluation]
samples = 8
"""


@dataclass(frozen=True)
class Command:
    """`narrative-dag` on one home, with a configuration of seconds."""

    home: Path
    config: Path
    worlds: Path | None = None

    @property
    def environment(self) -> dict[str, str]:
        names = ("NARRATIVE_WORLDS", "MLFLOW_TRACKING_URI", "DAGSTER_HOME")
        kept = {name: value for name, value in os.environ.items() if name not in names}
        worlds = {} if self.worlds is None else {"NARRATIVE_WORLDS": str(self.worlds)}
        return {**kept, **worlds, "NARRATIVE_HOME": str(self.home), "NARRATIVE_CONFIG": str(self.config)}

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", "from narrative_dag.cli.app import main; main()", *arguments]
        return subprocess.Popen(
            command, cwd=ROOT, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def run(self, *arguments: str) -> str:
        process = self.start(*arguments)
        output, errors = process.communicate(timeout=500)
        assert process.returncode == 0, errors[-3000:]
        return output

    def cycles(self, count: int) -> dict[str, object]:
        """What `cycle run` says in its last line."""
        return json.loads(self.run("cycle", "run", "--cycles", str(count)).splitlines()[-1])


@dataclass(frozen=True)
class Finished:
    """A home of two cycles, and what the commands that made them said."""

    command: Command
    first: dict[str, object]
    second: dict[str, object]
