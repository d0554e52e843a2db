import dagster as dg
import pytest

from assets.storyworlds import storyworlds
from resources.compute import Compute
from resources.house import House
from resources.progress import log_progress


def materialize(home, key: str) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        [storyworlds],
        partition_key=key,
        resources={"house": House(home=str(home), compute=Compute()), "progress": log_progress()},
        raise_on_error=False,
    )


@pytest.mark.parametrize(
    ("key", "parent"),
    [("cycle-0000", "base_policy of seeds"), ("cycle-0006", "policy_checkpoint of cycle-0005")],
)
def test_a_cycle_without_its_parent_fails_at_once_and_says_what_is_missing(tmp_path, key, parent):
    result = materialize(tmp_path / "home", key)
    failure = next(event for event in result.all_events if event.is_step_failure).step_failure_data
    assert f"storyworlds of {key} needs {parent}" in failure.error.message
    assert failure.user_failure_data is not None
    assert not [event for event in result.all_events if event.event_type_value == "STEP_UP_FOR_RETRY"]
    assert not (tmp_path / "home").exists()
