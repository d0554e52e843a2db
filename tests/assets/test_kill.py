import pytest
from killing import Checkpoint, Part, Record, about, run_killed
from small_cycles import Command

from narrative_dag.partitions import BOOTSTRAP, STAGES

FIRST = "cycle-0000"


@pytest.fixture(scope="module")
def killed(tmp_path_factory, config) -> tuple[Command, dict[str, list[tuple[str, int, int]]]]:
    """A home where a run was killed again and again, and what each of these runs told."""
    folder = tmp_path_factory.mktemp("killed")
    command = Command(folder / "home", config)
    moments = {
        "base_policy checkpoint": Checkpoint("base_policy", "seeds"),
        "rollouts halfway": Part("play"),
        "sae checkpoint": Checkpoint("sae_checkpoint", FIRST),
        "sae published": Record("sae_checkpoint", after=False),
        "features recorded": Record("feature_table", after=True),
        "policy checkpoint": Checkpoint("policy_checkpoint", FIRST),
        "policy recorded": Record("policy_checkpoint", after=True),
    }
    told = {name: run_killed(command, moment, folder / "told") for name, moment in moments.items()}
    return command, told


def test_the_base_policy_goes_on_from_its_checkpoint(killed):
    before, after = (about(killed[1][name], "warm start") for name in ("base_policy checkpoint", "rollouts halfway"))
    assert before[0] == 1
    assert after[0] == before[-1] + 1 > 1


def test_the_autoencoders_go_on_from_their_checkpoint(killed):
    before, after = (about(killed[1][name], "train autoencoders") for name in ("sae checkpoint", "sae published"))
    assert before[-1] < after[0]
    assert before[-1] > 0


def test_the_policy_goes_on_from_the_epoch_that_was_not_finished(killed):
    update = "improve the policy: update"
    before, after = (about(killed[1][name], update) for name in ("policy checkpoint", "policy recorded"))
    assert (before.count(0), after.count(0)) == (1, 1)


def test_rollouts_that_were_killed_halfway_are_made_again(killed):
    halfway, after = (about(killed[1][name], "play") for name in ("rollouts halfway", "sae checkpoint"))
    assert halfway == [1]
    assert after[0] == 1
    assert after == list(range(1, after[-1] + 1))


def test_a_stage_killed_between_what_it_published_and_its_lineage_is_made_again(killed):
    assert about(killed[1]["features recorded"], f"sae_checkpoint of {FIRST}") == [0, 1]


def test_a_stage_killed_between_its_lineage_and_dagsters_event_is_made_again(killed):
    lines = killed[1]["policy checkpoint"]
    assert about(lines, f"sae_checkpoint of {FIRST}") == []
    assert about(lines, f"feature_table of {FIRST}") == [0, 1]


def test_the_run_that_is_let_live_makes_the_rest_and_ends_with_the_same_content(killed, finished):
    said = killed[0].cycles(1)
    assert said["bootstrap"] == []
    cycle, undisturbed = said["cycles"][0], finished.first["cycles"][0]
    assert cycle["made"] == list(STAGES[STAGES.index("policy_checkpoint") :])
    assert cycle["content_hashes"] == undisturbed["content_hashes"]
    assert cycle["figures"] == undisturbed["figures"]
    assert finished.first["bootstrap"] == list(BOOTSTRAP)
