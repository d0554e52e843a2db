import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from narrative_dag.policy.objective import (
    adapted_beta,
    clipped_ratio_loss,
    component_advantage,
    imitation_loss,
    kl_penalty,
    leave_one_out,
    length_penalty,
    policy_loss,
    reward_advantage,
    token_advantage,
)

REWARDS = hnp.arrays(np.float64, st.integers(2, 30), elements=st.floats(0, 1))


@given(rewards=REWARDS)
def test_leave_one_out_is_each_reward_less_the_mean_of_the_others(rewards: np.ndarray) -> None:
    expected = [r - np.mean(np.delete(rewards, i)) for i, r in enumerate(rewards)]
    np.testing.assert_allclose(leave_one_out(torch.from_numpy(rewards)).numpy(), expected, atol=1e-12)


@given(rewards=REWARDS)
def test_reward_advantage_has_unit_spread_before_the_clip(rewards: np.ndarray) -> None:
    found = reward_advantage(torch.from_numpy(rewards), clip=1e9).numpy()
    if rewards.std() * len(rewards) / (len(rewards) - 1) < 1e-6:
        assert not found.any()
    else:
        np.testing.assert_allclose([found.mean(), found.std()], [0, 1], atol=1e-6)


def test_advantage_is_clipped() -> None:
    rewards = torch.tensor([0.0] * 99 + [1.0])
    assert reward_advantage(rewards, 3.0).max() == 3.0


def test_component_advantage_against_numpy() -> None:
    rng = np.random.default_rng(0)
    values, weights, extra = rng.random((12, 3)), np.array([0.5, 0.3, 0.2]), -rng.random(12)
    total = np.zeros(12)
    for k in range(3):
        others = np.array([np.delete(values[:, k], i).mean() for i in range(12)])
        total += weights[k] * (values[:, k] - others) / (values[:, k].std() + 0.05)
    others = np.array([np.delete(extra, i).mean() for i in range(12)])
    total += 0.5 * (extra - others) / (extra.std() + 0.05)
    expected = np.clip(total / total.std(), -1.5, 1.5)
    found = component_advantage(*map(torch.from_numpy, (values, weights, extra)), floor=0.05, clip=1.5)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-9)


def test_component_advantage_lets_a_rare_component_speak() -> None:
    frequent = torch.tensor([0.0, 1.0] * 8)
    rare = torch.zeros(16)
    rare[0] = 0.1
    values, weights = torch.stack([frequent, rare], 1), torch.tensor([0.5, 0.5])
    plain = reward_advantage((values * weights).sum(1), 3.0)
    whitened = component_advantage(values, weights, torch.zeros(16), 0.05, 3.0)
    assert whitened[0] - whitened[2] > plain[0] - plain[2] > 0


def test_token_advantage_adds_local_credit() -> None:
    sequence, credit = torch.tensor([1.0, -1.0]), torch.tensor([[0.0, 2.0], [0.5, 0.0]])
    assert token_advantage(sequence, credit, 0.5).tolist() == [[1.0, 2.0], [-0.75, -1.0]]
    assert token_advantage(sequence, None, 0.5).tolist() == [[1.0], [-1.0]]


def test_loss_against_numpy() -> None:
    rng = np.random.default_rng(1)
    logp, old, ref = (-rng.random((4, 5)) * 2 for _ in range(3))
    advantage, mask = rng.normal(size=(4, 5)), (rng.random((4, 5)) < 0.7).astype(float)
    ratio = np.exp(logp - old)
    surrogate = -np.minimum(ratio * advantage, np.clip(ratio, 0.8, 1.28) * advantage)
    d = logp - ref
    for estimator, penalty in (("k2", d**2 / 2), ("k3", np.exp(-d) - 1 + d)):
        loss, sums = policy_loss(
            *map(torch.from_numpy, (logp, old, ref, advantage, mask)),
            low=0.2,
            high=0.28,
            beta=0.3,
            estimator=estimator,
            normaliser=40.0,
        )
        assert float(loss) == pytest.approx(((surrogate + 0.3 * penalty) * mask).sum() / 40)
        assert sums["tokens"] == mask.sum()
        assert sums["k3"] == pytest.approx(((np.exp(-d) - 1 + d) * mask).sum())
        held = np.clip(ratio, 0.8, 1.28) * advantage < ratio * advantage
        assert sums["clipped"] == (held * mask).sum()


@pytest.mark.parametrize("estimator", ["k2", "k3"])
def test_loss_gradient_against_finite_differences(estimator: str) -> None:
    rng = np.random.default_rng(2)
    old, ref = (torch.from_numpy(-rng.random((3, 4))) for _ in range(2))
    advantage, mask = torch.from_numpy(rng.normal(size=(3, 4))), torch.ones(3, 4, dtype=torch.float64)
    mask[1] = 0
    logp = (old + torch.from_numpy(rng.normal(scale=0.1, size=(3, 4)))).requires_grad_()

    def loss(x: torch.Tensor) -> torch.Tensor:
        return policy_loss(
            x, old, ref, advantage, mask, low=0.2, high=0.28, beta=0.1, estimator=estimator, normaliser=12.0
        )[0]

    assert torch.autograd.gradcheck(loss, (logp,), eps=1e-6, atol=1e-6)
    (gradient,) = torch.autograd.grad(loss(logp), logp)
    assert not gradient[1].any()


def test_clip_stops_the_gradient_only_where_it_would_go_on_in_that_direction() -> None:
    old = torch.zeros(4)
    logp = torch.log(torch.tensor([1.5, 1.5, 0.5, 0.5])).requires_grad_()
    loss, clipped = clipped_ratio_loss(logp, old, torch.tensor([1.0, -1.0, 1.0, -1.0]), 0.2, 0.28)
    loss.sum().backward()
    assert clipped.tolist() == [1.0, 0.0, 0.0, 1.0]
    assert (logp.grad != 0).tolist() == [False, True, True, False]


def test_k2_has_the_gradient_of_the_kl() -> None:
    logits = torch.tensor([0.3, -0.2, 0.9], dtype=torch.float64, requires_grad=True)
    reference = torch.log_softmax(torch.tensor([0.0, 0.5, -0.5], dtype=torch.float64), -1)
    log_p = torch.log_softmax(logits, -1)
    (exact,) = torch.autograd.grad((log_p.exp() * (log_p - reference)).sum(), logits, retain_graph=True)
    (found,) = torch.autograd.grad((log_p.exp().detach() * kl_penalty(log_p, reference, "k2")).sum(), logits)
    torch.testing.assert_close(found, exact)


def test_k3_is_an_unbiased_nonnegative_estimate() -> None:
    log_p = torch.log_softmax(torch.tensor([0.3, -0.2, 0.9]), -1)
    reference = torch.log_softmax(torch.tensor([0.0, 0.5, -0.5]), -1)
    k3 = kl_penalty(log_p, reference, "k3")
    assert (k3 >= 0).all()
    assert float((log_p.exp() * k3).sum()) == pytest.approx(float((log_p.exp() * (log_p - reference)).sum()), abs=1e-6)


def test_imitation_is_negative_log_likelihood() -> None:
    logp, mask = torch.tensor([[-1.0, -2.0], [-3.0, -4.0]]), torch.tensor([[1.0, 1.0], [1.0, 0.0]])
    assert float(imitation_loss(logp, mask, 3.0)) == 2.0


def test_length_penalty_starts_at_its_share_of_the_limit() -> None:
    found = length_penalty(torch.tensor([10, 80, 90, 100]), limit=100, soft=0.8, most=0.5)
    assert found.tolist() == pytest.approx([0.0, 0.0, -0.25, -0.5])


def test_beta_adapts_to_the_kl() -> None:
    assert adapted_beta(0.04, 0.06, 0.005, 0.05, 1.0) == 0.08
    assert adapted_beta(0.04, 0.02, 0.005, 0.05, 1.0) == 0.04
    assert adapted_beta(0.04, 0.001, 0.005, 0.05, 1.0) == 0.02
    assert adapted_beta(0.9, 0.06, 0.005, 0.05, 1.0) == 1.0
