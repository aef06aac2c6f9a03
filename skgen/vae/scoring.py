"""log p(x) of rows by importance sampling, with a proposal that is fitted to each row.

A row's log-likelihood is the logarithm of the mean weight p(x, h) / q(h) of draws
h ~ q. The effective sample size, of n draws n / (1 + relative variance), tells how well
the proposal q fits, and with it the standard error of the result. A row whose error is
too large gets a better proposal and twice as many draws, again and again. No draw that
made a proposal counts in the result, which would bias it. The narrowest part of the
proposal integrates to 1, so the error of that integral is known. As a control variate
it makes the result for a linear model exact.

The functions take an ``Autoencoder`` or ``ObservedEntries``. Layers that put out up to
`width` values per row limit how many rows and draws are decoded at a time.

References
----------
Owen, A. and Zhou, Y. Safe and effective importance sampling. Journal of the American
Statistical Association 95, 2000.
"""

import math
from typing import NamedTuple

import torch

from skgen.vae.likelihoods.base import VALUES_PER_CHUNK
from skgen.vae.proposals import Proposal, laplace, matched

MOST_DRAWS = 2**13
"""Draws for a row whose proposal does not fit, at most."""

FEWEST_DRAWS = 32
"""Fewer draws do not tell their error, and a control variate would bias them."""

LARGEST_ERROR = 0.04
"""Standard error of log p(x), nats: 99 % of the rows are within 0.1."""

_N_CANDIDATES = 32  # draws from the prior at which the search for a mode may start


class Estimate(NamedTuple):
    """log p(x) in nats and effective sample size of each row, (n,)."""

    log_likelihood: torch.Tensor
    effective_size: torch.Tensor


@torch.no_grad()
def adaptive_estimate(
    model, X, draws, n_draws, most_draws=MOST_DRAWS, width=1, error=LARGEST_ERROR
):
    """Each row's Estimate by n_draws or more, and its Proposal, one for every row.

    There are at least twice `most_draws` draws, which all rows share. Both numbers are
    powers of 2, for a block of the sequence that begins at such a number is balanced.
    """
    prior, draws = model.latent_prior(), draws.to(X)
    some = draws.piece(0, _N_CANDIDATES)
    candidates = prior.transport(some.normal, some.prior_part)
    _, size = _chunk_sizes(1, width)
    modes = [laplace(model, prior, part, candidates) for part in X.split(size)]
    proposal = Proposal(*map(torch.cat, zip(*modes)))
    estimate = Estimate(*(X.new_empty(len(X)) for _ in Estimate._fields))
    rows = torch.arange(len(X), device=X.device)
    while len(rows) and n_draws <= most_draws:
        block, poor = draws.piece(n_draws, 2 * n_draws), []
        parts = weighted_draws(model, prior, X, proposal, rows, block, width)
        for part, result, H, weights in parts:
            _assign(estimate, part, result)
            bad = ~(result.effective_size.reciprocal() <= 1 / n_draws + error**2)
            poor.append(part[bad])
            size = result.effective_size[bad]
            better = matched(proposal[part[bad]], H[:, bad], weights[:, bad], size)
            _assign(proposal, part[bad], better)
        rows, n_draws = torch.cat(poor), 2 * n_draws
    return _of_nothing(X, estimate), proposal


@torch.no_grad()
def estimate_by(model, X, proposal, draws, width=1):
    """Each row's Estimate by these draws from its proposal, a Proposal."""
    prior, rows = model.latent_prior(), torch.arange(len(X), device=X.device)
    draws = draws.to(X)
    parts = weighted_draws(model, prior, X, proposal, rows, draws, width)
    return _of_nothing(X, _joined(result for _, result, _, _ in parts))


@torch.no_grad()
def estimate_by_prior(model, X, draws, width=1):
    """Each row's Estimate by draws from the prior, which all rows share."""
    draws = draws.to(X)
    latents = model.latent_prior().transport(draws.normal, draws.prior_part)
    total, squares = X.new_full((2, len(X)), -torch.inf)
    samples, _ = _chunk_sizes(len(latents), width)
    size = max(1, VALUES_PER_CHUNK // samples)
    for some in latents.split(samples):
        outputs = model.decode(some)
        for start in range(0, len(X), size):
            rows = slice(start, start + size)
            weights = model.likelihood.log_prob_of_pairs(outputs, X[rows])
            top = weights.amax(dim=0).clamp(min=torch.finfo(X.dtype).min)
            weights.sub_(top).exp_()
            for result, power in ((total, 1), (squares, 2)):
                part = torch.log(torch.linalg.vector_norm(weights, power, dim=0))
                part = power * (part + top)
                result[rows] = torch.logaddexp(result[rows], part)
    effective_size = torch.exp(2 * total - squares).nan_to_num(0)
    return Estimate(total - math.log(len(latents)), effective_size)


def weighted_draws(model, prior, X, proposal, rows, draws, width):
    """Some of the rows at a time: their numbers, Estimate, latents and log-weights."""
    samples, size = _chunk_sizes(len(draws.part), width)
    parts = list(draws.split(samples))
    from_prior = [prior.transport(some.normal, some.prior_part) for some in parts]
    for part in rows.split(size):
        q, x = proposal[part], X[part]
        pieces = map(q.sample, parts, from_prior)
        weighted = [(H, *_weighted(model, prior, x, q, H)) for H in pieces]
        latents, weights, control = map(torch.cat, zip(*weighted))
        yield part, _estimate(weights, control), latents, weights


def _assign(tensors, rows, new):
    for values, value in zip(tensors, new):
        values[rows] = value


def _weighted(model, prior, X, proposal, H):
    """Log-weights of the latents, and a ratio of densities whose expectation is 1."""
    log_prior = prior.log_prob(H)
    mixture, first = proposal.log_prob(H, log_prior)
    log_p = model.likelihood.log_prob(model.decode(H), X)
    return log_p + log_prior - mixture, torch.exp(first - mixture)


def _estimate(log_weights, control=None):
    """The Estimate of weights (k, n), with a control variate of expectation 1."""
    unit = log_weights.amax(dim=0).clamp(min=torch.finfo(log_weights.dtype).min)
    weights = torch.exp(log_weights - unit)
    mean = weights.mean(dim=0)
    rest = weights - mean
    if control is not None and len(weights) >= FEWEST_DRAWS:
        known = control - control.mean(dim=0)
        slope = (rest * known).sum(dim=0) / known.square().sum(dim=0).clamp(min=1e-30)
        better = mean - slope * (control.mean(dim=0) - 1)
        rest = rest - slope * known
        # of few draws it may fall below zero
        mean = torch.where(better > 0.5 * mean, better, mean)
    size = len(weights) / (1 + rest.square().mean(dim=0) / mean.square())
    return Estimate(torch.log(mean) + unit, size)


def _joined(estimates):
    return Estimate(*map(torch.cat, zip(*estimates)))


def _of_nothing(X, estimate):
    """The estimate, exactly 0 for rows without any observed entry."""
    nothing = X.isnan().all(dim=1)
    return Estimate(estimate[0].masked_fill(nothing, 0), estimate.effective_size)


def _chunk_sizes(n_draws, width):
    """How many draws, and how many rows, are decoded at a time."""
    draws = max(1, min(n_draws, VALUES_PER_CHUNK // width))
    return draws, max(1, VALUES_PER_CHUNK // (width * draws))
