"""Real values whose noise is correlated.

References
----------
Pourahmadi, M. Joint mean-covariance models with applications to longitudinal data.
Biometrika 86, 1999.
"""

import torch

from skgen.vae.likelihoods.base import LOG_2_PI, Likelihood
from skgen.vae.likelihoods.gaussian import Gaussian


class FullGaussian(Gaussian):
    """Real values: x ~ N(mean, C), where the mean and the covariance depend on h.

    Each column is regressed on those before it: its noise is a sum of theirs, each
    times a coefficient, and of noise of its own. The decoder emits the means, the
    logarithms of the variances of that own noise, and the n (n - 1) / 2 coefficients.
    So the cost grows with the square of the number of columns.

    Examples
    --------
    Two columns of unit variance whose noise is correlated by 0.5:

    >>> import torch
    >>> from skgen.vae.likelihoods import FullGaussian
    >>> likelihood = FullGaussian().build(2)
    >>> outputs = torch.tensor([[0.0, 0.0, 0.0, torch.log(torch.tensor(0.75)), 0.5]])
    >>> normal = torch.distributions.MultivariateNormal(
    ...     torch.zeros(2), torch.tensor([[1.0, 0.5], [0.5, 1.0]])
    ... )
    >>> x = torch.tensor([[0.3, -1.2]])
    >>> bool(torch.isclose(likelihood.log_prob(outputs, x), normal.log_prob(x)))
    True
    """

    def __init__(self) -> None:
        super().__init__("heteroscedastic")

    def extra_repr(self):
        return ""

    def build(self, n_features):
        built = super().build(n_features)
        built.n_features = n_features
        places = torch.tril_indices(n_features, n_features, -1, device="cpu")
        built.n_outputs += places.shape[1]
        built.register_buffer("places", places, persistent=False)
        return built

    def _n_weights(self, n_features):
        return n_features * (n_features - 1) // 2  # of the decoder's last layer

    def rescale(self, ratio, mean, std, fresh):
        factor, shift = super().rescale(ratio, mean, std, fresh)
        row, column = self.places
        stays = ~fresh[row] & ~fresh[column]
        coefficients = (ratio[column] / ratio[row]).where(stays, 0)
        zero = torch.zeros_like(coefficients)
        return torch.cat([factor, coefficients]), torch.cat([shift, zero])

    def terms(self, outputs, X):
        """log p of each column given those before it."""
        mean, log_variance = self._moments(outputs)
        rest = X - mean
        own = rest - (self._coefficients(outputs) @ rest[..., None])[..., 0]
        squares = own.square() * torch.exp(-log_variance)
        return -0.5 * (squares + log_variance + LOG_2_PI)

    log_prob = Likelihood.log_prob

    def sample(self, outputs, generator):
        mean = self._moments(outputs)[0]
        noise = torch.empty_like(mean).normal_(generator=generator)
        return mean + _solved(self._whitening(outputs), noise, upper=False)

    def observed_log_prob(self, outputs, X, observed):
        _, residual, root = self._conditional(outputs, X, observed)
        volume = self._moments(outputs)[1].sum(dim=-1)
        volume = volume + 2 * root.diagonal(dim1=-2, dim2=-1).abs().log().sum(dim=-1)
        constant = LOG_2_PI * observed.to(residual).sum(dim=-1)
        return -0.5 * (residual.square().sum(dim=-1) + volume + constant)

    def conditional_mean(self, outputs, X, observed):
        rest, _, _ = self._conditional(outputs, X, observed)
        return self._moments(outputs)[0] + rest

    def conditional_sample(self, outputs, X, observed, generator):
        rest, _, root = self._conditional(outputs, X, observed)
        noise = torch.empty_like(rest).normal_(generator=generator)
        noise = _solved(root, noise, upper=True).where(~observed, 0)
        return self._moments(outputs)[0] + rest + noise

    def _conditional(self, outputs, X, observed):
        """The missing entries given the observed ones.

        Returns X less the means, with its expectation where it is missing; what is
        left of it once whitened; and R, where R'R is the precision of the missing
        entries, and the identity of observed ones.
        """
        whitening = self._whitening(outputs)
        rest = (X - self._moments(outputs)[0]).where(observed, 0)
        white = (whitening @ rest[..., None])[..., 0]
        missing = whitening * ~observed[..., None, :]
        identity = torch.diag_embed(observed.to(missing))
        # a least squares problem: the normal equations would round badly
        stacked = torch.cat([missing, identity.expand_as(missing)], dim=-2)
        Q, root = torch.linalg.qr(stacked)
        Q = Q[..., : self.n_features, :]
        share = (Q.mT @ white[..., None])[..., 0]
        residual = white - (Q @ share[..., None])[..., 0]
        expected = -_solved(root, share, upper=True)
        return rest.where(observed, expected), residual, root

    def _whitening(self, outputs):
        """The lower triangular W for which W (x - mean) is standard normal."""
        coefficients = self._coefficients(outputs)
        settings = {"dtype": outputs.dtype, "device": outputs.device}
        identity = torch.eye(self.n_features, **settings)
        scale = torch.exp(-0.5 * self._moments(outputs)[1])
        return scale[..., None] * (identity - coefficients)

    def _coefficients(self, outputs):
        """Of each column's noise on that of others, (..., n_features, n_features)."""
        n, (row, column) = self.n_features, self.places
        matrix = outputs.new_zeros(*outputs.shape[:-1], n * n)
        matrix[..., row * n + column] = outputs[..., 2 * n :]
        return matrix.unflatten(-1, (n, n))

    def _moments(self, outputs):
        return super()._moments(outputs[..., : 2 * self.n_features])

    def _plain_parameters(self):
        return {}


def _solved(root, values, upper):
    """The solution of triangular systems, (..., n)."""
    return torch.linalg.solve_triangular(root, values[..., None], upper=upper)[..., 0]
