from small_cycles import Command

UNTRAINED = """
seeds = 10
rollouts = 2
[policy]
layers = 1
width = 32
heads = 1
vocabulary = 500
[warm_start]
steps = 2
[sampling]
max_tokens = 20
"""


def test_a_blocking_check_that_fails_ends_the_demo_with_one_line_and_status_one(tmp_path):
    config = tmp_path / "untrained.toml"
    config.write_text(UNTRAINED)
    process = Command(tmp_path / "home", config).start("demo", "--cycles", "1")
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 1
    assert output == ""
    *_, stage, error = errors.splitlines()
    assert stage == "storyworlds of cycle-0000: 1 of 1"
    assert error.startswith("error: cycle_job of cycle-0000: check a_valid_storyworld of storyworlds failed: 0 of 2")
