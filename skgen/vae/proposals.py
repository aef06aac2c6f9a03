"""Proposals for importance sampling: for each row a distribution close to p(h | x).

The encoder's q(h | x) is a poor proposal for an unusual row, and for a row with gaps,
which leave more uncertainty than the encoder believes. So Newton's method climbs from
the encoder's mean to a mode of p(x, h), and the proposal is the normal distribution
with that mode and curvature, exact for a linear model. Where it does not fit, weighted
draws tell a better mean and covariance.

Small shares of wider normal distributions and of the prior bound the weights.

References
----------
Tierney, L. and Kadane, J. B. Accurate approximations for posterior moments and marginal
densities. Journal of the American Statistical Association 81, 1986.
Hesterberg, T. Weighted average importance sampling and defensive mixture distributions.
Technometrics 37, 1995.
Bugallo, M. F. et al. Adaptive importance sampling: the past, the present, and the
future. IEEE Signal Processing Magazine 34, 2017.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from scipy.special import ndtri
from scipy.stats import qmc

_N_NEWTON_STEPS = 10
_N_HALVINGS = 8
_SMALLEST_DECREMENT = 1e-3  # nats that a further Newton step would gain
_SMALLEST_PRECISION = 0.1  # of the latents, whose prior precision is about 1
_SCALES = 1.0, 1.5, 2.5  # of the proposal's normal distributions
_SHARES = 0.8125, 0.0625, 0.0625, 0.0625  # of these and of the prior


class Draws(NamedTuple):
    """Quasi-random numbers that all rows share.

    `normal`, (k, n_components), is standard normal, `part` and `prior_part`, (k,), are
    uniform: they choose a part of the proposal, and of a prior that is a mixture.
    """

    normal: torch.Tensor
    part: torch.Tensor
    prior_part: torch.Tensor

    def piece(self, start, stop):
        """Draws from number `start` to number `stop`."""
        return Draws(*(values[start:stop] for values in self))

    def split(self, size):
        """Consecutive pieces of at most this many draws."""
        return map(Draws, *(values.split(size) for values in self))

    def to(self, X):
        """The same on the device and in the dtype of X."""
        return Draws(*(values.to(X) for values in self))


def quasi_random_draws(n_draws, n_components, seed):
    """The first of a scrambled Sobol sequence; best if their number is a power of 2."""
    sequence = qmc.Sobol(n_components + 2, seed=np.random.default_rng(seed))
    uniform = sequence.random_base2(max(0, int(n_draws - 1).bit_length()))[:n_draws]
    uniform += 2.0**-31  # multiples of 2^-30, moved off 0
    normal, uniform = ndtri(uniform[:, :-2]), uniform[:, -2:].T.copy()
    return Draws(*map(torch.from_numpy, (normal, *uniform)))


def standardized(normal):
    """The draws with mean 0 and variance 1 of each latent; a single one stays.

    With a diagonal Gaussian that makes the ELBO of a linear model exact.
    """
    if len(normal) == 1:
        return normal
    return (normal - normal.mean(dim=0)) / normal.std(dim=0, correction=0)


class Proposal(NamedTuple):
    """For each row a mixture of normal distributions around a mean, and the prior.

    `mean` has shape (n, n_components); `root`, (n, n_components, n_components), is the
    lower triangular root of the covariance of the narrowest.
    """

    mean: torch.Tensor
    root: torch.Tensor

    def __getitem__(self, rows):
        return Proposal(self.mean[rows], self.root[rows])

    def sample(self, draws, from_prior):
        """Latents of every row, (k, n, n_components).

        Some of them are taken from draws of the prior, (k, n_components).
        """
        part = torch.bucketize(draws.part, draws.part.new_tensor(_SHARES).cumsum(0))
        scales = draws.normal.new_tensor([*_SCALES, 0.0])[part.clamp(max=len(_SCALES))]
        steps = torch.einsum("nij,kj->kni", self.root, scales[:, None] * draws.normal)
        is_prior = (scales == 0)[:, None, None]
        return torch.where(is_prior, from_prior[:, None], self.mean + steps)

    def log_prob(self, H, log_prior):
        """Log densities at latents of every row: of the mixture, and of its first part.

        These and log p(h), which is given, have the shape (k, n); nats.
        """
        steps = (H - self.mean).permute(1, 2, 0)
        normal = torch.linalg.solve_triangular(self.root, steps, upper=False)
        squares, d = normal.square().sum(dim=1).T, H.shape[-1]
        volume = self.root.diagonal(dim1=-2, dim2=-1).log().sum(dim=-1)
        constant = volume + 0.5 * d * math.log(2 * math.pi)
        parts = [
            -0.5 * squares / scale**2 - d * math.log(scale) - constant
            for scale in _SCALES
        ]
        parts.append(log_prior)
        shares = [part + math.log(share) for part, share in zip(parts, _SHARES)]
        return torch.logsumexp(torch.stack(shares), dim=0), parts[0]


def log_joint(model, prior, X, H):
    """log p(x, h) of the rows at latents of shape (..., n, n_components), nats."""
    return model.likelihood.log_prob(model.decode(H), X) + prior.log_prob(H)


def laplace(model, prior, X, candidates):
    """Proposals at modes of p(x, h): climb from the encoder's mean or a candidate.

    The best of them is the start. Candidates, (k, n_components), are latents that all
    rows share.
    """
    H = _best_start(model, prior, X, candidates)
    active = torch.arange(len(X), device=X.device)
    for _ in range(_N_NEWTON_STEPS):
        value, gradient, curvature = _derivatives(model, prior, X[active], H[active])
        precision, axes = _positive(-curvature)
        scaled = (axes.mT @ gradient[..., None])[..., 0]
        step = (axes @ (scaled / precision)[..., None])[..., 0]
        climbs = (scaled.square() / precision).sum(dim=-1) > 2 * _SMALLEST_DECREMENT
        active, start = active[climbs], (value[climbs], H[active[climbs]])
        if len(active) == 0:
            break
        H[active] = _line_search(model, prior, X[active], start, step[climbs])
    precision, axes = _positive(-_derivatives(model, prior, X, H)[2])
    return Proposal(H, _triangular_root((axes * precision.rsqrt()[:, None]).mT))


def matched(proposal, H, log_weights, effective_size):
    """The proposals with mean and covariance of weighted draws, (k, n, n_components).

    The old moments keep a half if there are d (d + 3) / 4 effective draws, half as many
    as a mean and a covariance have numbers.
    """
    d = H.shape[-1]
    share = (effective_size / (effective_size + d * (d + 3) / 4))[:, None]
    weights = torch.softmax(log_weights, dim=0)
    mean = torch.einsum("kn,kni->ni", weights, H)
    new = (weights * share.T).sqrt()[..., None] * (H - mean)
    old = (1 - share).sqrt()[..., None] * proposal.root.mT
    both = torch.cat([new.transpose(0, 1), old], dim=1)
    return Proposal(torch.lerp(proposal.mean, mean, share), _triangular_root(both))


def _best_start(model, prior, X, candidates):
    best = model.posterior(X)[0].clone()
    value = log_joint(model, prior, X, best).nan_to_num(nan=-torch.inf)
    outputs, log_prior = model.decode(candidates), prior.log_prob(candidates)
    for H, output, log_p in zip(candidates, outputs, log_prior):
        new = model.likelihood.log_prob(output, X) + log_p
        best = torch.where((new > value)[:, None], H, best)
        value = torch.fmax(value, new)
    return best


def _derivatives(model, prior, X, H):
    """log p(x, h) of each row, its gradient and its matrix of second derivatives."""
    with torch.enable_grad():
        H = H.detach().requires_grad_()
        value = log_joint(model, prior, X, H)
        (gradient,) = torch.autograd.grad(value.sum(), H, create_graph=True)
        rows = [
            torch.autograd.grad(column.sum(), H, retain_graph=True)[0]
            for column in gradient.unbind(dim=1)
        ]
    derivatives = gradient.detach(), torch.stack(rows, dim=1)
    finite = (d.nan_to_num(0, posinf=0, neginf=0) for d in derivatives)
    return value.detach(), *finite


def _positive(matrix):
    """Eigenvalues, made positive, and eigenvectors of symmetric matrices."""
    values, vectors = torch.linalg.eigh(0.5 * (matrix + matrix.mT))
    return values.abs().clamp(min=_SMALLEST_PRECISION), vectors


def _triangular_root(matrix):
    """L with L L' = A'A for matrices A, without forming A'A, which may round badly."""
    upper = torch.linalg.qr(matrix, mode="r").R
    return upper.mT * upper.diagonal(dim1=-2, dim2=-1).sign()[:, None]


def _line_search(model, prior, X, start, step):
    """The first point on the way back from H + step that is better than H, or H."""
    value, H = start
    found, best = torch.zeros_like(value, dtype=torch.bool), H
    for halvings in range(_N_HALVINGS):
        new = H + 0.5**halvings * step
        better = ~found & (log_joint(model, prior, X, new) > value)
        best, found = torch.where(better[:, None], new, best), found | better
        if found.all():
            break
    return best
