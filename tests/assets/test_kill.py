import signal
import subprocess

import pytest
from small_cycles import Command

from narrative_dag.partitions import STAGES

MOMENTS = (
    "base_policy of seeds",
    "rollouts of cycle-0000",
    "sae_checkpoint of cycle-0000",
    "policy_checkpoint of cycle-0000",
)


def kill_within(command: Command, stage: str) -> None:
    """Start a run and SIGKILL it at the first sign of progress within a stage."""
    process: subprocess.Popen[str] = command.start("cycle", "run", "--cycles", "1")
    lines = []
    for line in process.stderr:
        lines.append(line)
        if any(earlier.startswith(f"{stage}: 0 of 1") for earlier in lines[:-1]):
            break
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL, "".join(lines)
    assert not any(line.startswith(f"{stage}: 1 of 1") for line in lines), "".join(lines)


@pytest.mark.timeout(600)
def test_a_run_killed_in_any_stage_goes_on_and_ends_with_the_same_content(tmp_path, config, finished):
    command = Command(tmp_path / "home", config)
    for moment in MOMENTS:
        kill_within(command, moment)
    said = command.cycles(1)["cycles"][0]
    undisturbed = finished[1]["cycles"][0]
    assert said["made"] == list(STAGES[STAGES.index("policy_checkpoint") :])
    assert said["content_hashes"] == undisturbed["content_hashes"]
    assert said["figures"] == undisturbed["figures"]
