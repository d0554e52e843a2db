import numpy as np
from sklearn.linear_model import LogisticRegression

from narrative_dag.affordances.logistic import fit, intercept_only, log_loss, predict


def problems(m=4, n=200, features=3, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(m, n, features))
    beta = rng.normal(size=(m, features)) * 2
    y = (rng.random((m, n)) < 1 / (1 + np.exp(-(x @ beta[:, :, None])[:, :, 0]))).astype(float)
    return x, y


def test_coefficients_are_those_of_an_independent_solver():
    x, y = problems()
    beta = fit(x, y, ridge=3.0)
    for i in range(len(x)):
        # the two half observations at 0 are two weighted rows
        inputs = np.concatenate([x[i], np.zeros((2, 3))])
        labels = np.concatenate([y[i], [0, 1]])
        weights = np.concatenate([np.ones(200), [0.5, 0.5]])
        model = LogisticRegression(C=1 / 3.0, tol=1e-10, max_iter=1000).fit(inputs, labels, sample_weight=weights)
        np.testing.assert_allclose(beta[i], [model.intercept_[0], *model.coef_[0]], atol=1e-4)


def test_without_inputs_the_fit_is_the_smoothed_frequency():
    y = np.array([[1.0, 1, 1, 0], [1, 1, 1, 1]])
    np.testing.assert_allclose(fit(np.zeros((2, 4, 1)), y, 1.0)[:, 0], intercept_only(y), atol=1e-6)
    np.testing.assert_allclose(1 / (1 + np.exp(-intercept_only(y))), [3.5 / 5, 4.5 / 5])


def test_separable_labels_have_finite_coefficients():
    x = np.linspace(-1, 1, 20)[None, :, None]
    beta = fit(x, (x[:, :, 0] > 0).astype(float), ridge=0.01)
    assert np.isfinite(beta).all()
    assert beta[0, 1] > 5


def test_log_loss_is_in_bits():
    np.testing.assert_allclose(log_loss(np.zeros(2), np.array([0.0, 1.0])), 1.0)
    np.testing.assert_allclose(predict(np.ones((1, 2, 2)), np.array([[1.0, 2.0, 3.0]])), [[6.0, 6.0]])
