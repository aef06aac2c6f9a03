"""Binary values, each of which depends on all that come before it.

References
----------
Frey, B. J. Graphical models for machine learning and digital communication. MIT Press,
1998. (Chains of logistic regressions.)
Germain, M. et al. MADE: masked autoencoder for distribution estimation. ICML 2015.
Gulrajani, I. et al. PixelVAE: a latent variable model for natural images. ICLR 2017.
(An autoregressive p(x | h).)
McKay, M. D., Beckman, R. J. and Conover, W. J. A comparison of three methods for
selecting values of input variables in the analysis of output from a computer code.
Technometrics 21, 1979. (Latin hypercubes.)
"""

import itertools
from numbers import Integral

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from skgen.vae.likelihoods.base import VALUES_PER_CHUNK, Likelihood, first_place
from skgen.vae.likelihoods.binary import Bernoulli
from skgen.vae.likelihoods.tree import chow_liu_tree
from skgen.vae.networks import linear, zero_linear

_N_DRAWS = 128  # of each row, behind its mean
_REMEDY = (
    "An autoregressive likelihood needs complete rows: fill in what is missing first, "
    "or take likelihood='chow_liu'."
)


class Autoregressive(Bernoulli):
    """Binary values in an order: given h, each depends on all columns before it.

    x_i = 1 with probability sigmoid(output_i + f_i(x)), where f_i sees the columns
    before i, and not h. It is a linear map plus a network of one hidden layer. Parents
    in the tree of Chow and Liu come before their children. Training starts from that
    tree. Memory grows with the square of the number of columns.

    Rows must be complete: the sum over what is missing has no short form. ``mean`` is
    an average over 128 draws, always the same; its standard error is at most 0.045.

    Parameters
    ----------
    n_hidden : int, default=200
        Units of the hidden layer. With few rows take few.

    Examples
    --------
    The third column is 1 where exactly one of the others is, which no tree can say:

    >>> import numpy as np
    >>> from skgen import VariationalAutoencoder
    >>> X = np.repeat([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]], 100, axis=0)
    >>> vae = VariationalAutoencoder(
    ...     1, likelihood="autoregressive", learning_rate=0.01, random_state=0
    ... ).fit(X)
    >>> bool(vae.score(X) > np.log(1 / 4) - 0.05)
    True
    """

    def __init__(self, n_hidden: int = 200) -> None:
        if not isinstance(n_hidden, Integral) or n_hidden < 1:
            raise ValueError(f"n_hidden is {n_hidden!r}, not an integer of at least 1.")
        super().__init__()
        self.n_hidden = n_hidden

    def extra_repr(self):
        return f"n_hidden={self.n_hidden}"

    def build(self, n_features):
        built, n_hidden = super().build(n_features), self.n_hidden
        generator = torch.Generator("cpu").manual_seed(0)
        direct = torch.zeros(n_features, n_features, dtype=torch.float32, device="cpu")
        built.direct = nn.Parameter(direct)
        built.inward = linear(n_features, n_hidden, generator)
        built.outward = zero_linear(n_hidden, n_features)
        # a unit sees the columns at so many places from the first on
        share = torch.arange(n_hidden, device="cpu") / n_hidden
        built.register_buffer("n_seen", 1 + (share * (n_features - 1)).long())
        built.register_buffer("order", torch.arange(n_features, device="cpu"))
        return built

    @torch.no_grad()
    def prepare(self, X):
        order, parents, logits = map(torch.from_numpy, chow_liu_tree(X))
        children = order[1:]
        slopes = (logits[1] - logits[0]).to(self.direct)
        self.direct.zero_()[children, parents[children]] = slopes[children]
        self.outward.bias.copy_(logits[0])
        self.order.copy_(order)

    def start(self, mean, std):
        return Likelihood.start(self, mean, std)

    def check(self, X, first_row=0, columns=None):
        super().check(X, first_row, columns)
        gaps = np.isnan(X)
        if gaps.any():
            place = first_place(gaps, first_row, columns)
            raise ValueError(f"NaN at {place}. {_REMEDY}")

    def terms(self, outputs, X):
        """log p of each column given those before it."""
        return super().terms(outputs + self._given_others(X), X)

    def surrogate(self, outputs, X):
        return super().surrogate(outputs + self._given_others(X), X)

    def log_prob_of_pairs(self, outputs, X, observed=None):
        return Likelihood.log_prob_of_pairs(self, outputs, X, observed)

    def observed_log_prob(self, outputs, X, observed):
        _check_complete(observed)
        return self.log_prob(outputs, X)

    def observed_surrogate(self, outputs, X, observed):
        _check_complete(observed)
        return self.surrogate(outputs, X)

    def conditional_mean(self, outputs, X, observed):
        _check_complete(observed)
        return X.to(outputs).expand_as(outputs)

    def conditional_sample(self, outputs, X, observed, generator):
        return self.conditional_mean(outputs, X, observed)

    @torch.no_grad()
    def mean(self, outputs):
        uniform = _latin_hypercube(_N_DRAWS, outputs)
        size = max(1, VALUES_PER_CHUNK // uniform.numel())
        rows = outputs.reshape(-1, 1, outputs.shape[-1])
        means = [
            self._drawn(some.expand(-1, _N_DRAWS, -1), uniform)[1].mean(dim=1)
            for some in rows.split(size)
        ]
        return torch.cat(means).reshape(outputs.shape)

    @torch.no_grad()
    def sample(self, outputs, generator):
        uniform = torch.empty_like(outputs).uniform_(generator=generator)
        return self._drawn(outputs, uniform)[0]

    def _given_others(self, X):
        """f(x): what the columns before it add to the logit of each."""
        place, n_seen = torch.argsort(self.order), self.n_seen[:, None]
        direct = self.direct * (place[:, None] > place)
        inward = self.inward.weight * (place < n_seen)
        outward = self.outward.weight * (place[:, None] >= n_seen.T)
        hidden = functional.silu(functional.linear(X, inward, self.inward.bias))
        return X @ direct.T + functional.linear(hidden, outward, self.outward.bias)

    def _drawn(self, outputs, uniform):
        """Rows made of uniform numbers, and each column's probability of 1 in them."""
        order, place = self.order, torch.argsort(self.order)
        direct, outward = self.direct[order][:, order], self.outward.weight[order]
        inward, bias = self.inward.weight[:, order], self.inward.bias[:, None]
        logits = (outputs + self.outward.bias)[..., order].flatten(0, -2).T.contiguous()
        uniform = uniform.expand_as(outputs)[..., order].flatten(0, -2).T
        rows = torch.empty_like(logits)
        hidden = logits.new_empty(len(bias), logits.shape[1])
        # units that see the first i columns or fewer come first
        places = torch.arange(len(order), device=order.device)
        n_ready = torch.searchsorted(self.n_seen, places, right=True).tolist()
        for i, (known, ready) in enumerate(itertools.pairwise([0, *n_ready])):
            new = slice(known, ready)
            hidden[new] = functional.silu(inward[new, :i] @ rows[:i] + bias[new])
            logits[i] += direct[i, :i] @ rows[:i] + outward[i, :ready] @ hidden[:ready]
            rows[i] = uniform[i] < torch.sigmoid(logits[i])
        both = rows[place].T, torch.sigmoid(logits)[place].T
        return tuple(part.reshape(outputs.shape) for part in both)

    def _n_weights(self, n_features):
        return n_features * (n_features + 2 * self.n_hidden)

    def _plain_parameters(self):
        return {"n_hidden": self.n_hidden}


def _latin_hypercube(n_draws, outputs):
    """Uniform numbers, (n_draws, n_outputs), whose columns are each evenly spaced."""
    generator = torch.Generator(outputs.device).manual_seed(0)
    noise = outputs.new_empty(n_draws, outputs.shape[-1]).uniform_(generator=generator)
    return (torch.argsort(noise, dim=0) + 0.5).to(outputs) / n_draws


def _check_complete(observed):
    if not observed.all():
        raise ValueError(_REMEDY)
