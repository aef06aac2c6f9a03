"""Training state of a VAE and the stochastic gradient step that moves it.

References
----------
Kingma, D. P. and Welling, M. Auto-encoding variational Bayes. ICLR 2014.
Kingma, D. P. and Ba, J. Adam: a method for stochastic optimization. ICLR 2015.
"""

import copy
import warnings
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from skgen.fitting import averaging_share
from skgen.vae import parallel
from skgen.vae.bounds import elbo_terms, log_mean_weight, log_weights
from skgen.vae.missing import for_rows
from skgen.vae.networks import Autoencoder
from skgen.validation import row_blocks, rows_as_float

_AVERAGE_EVERY = 10  # updates; the average costs a pass over the weights
# with the usual 0.999 for the second, one wild gradient moves the weights three times
# as far and is remembered ten times as long: training was seen to be lost to it
_ADAM_BETAS = (0.9, 0.99)


class Settings(NamedTuple):
    """How an update is made; the fields are parameters of the estimator."""

    batch_size: int
    objective: str
    n_importance_samples: int
    weight_decay: float
    averaging: float
    precision: str
    compile: bool


_PLAIN = Settings(1, "elbo", 1, 0.0, 0.0, "float32", False)  # the ELBO of one draw


class TrainingState(NamedTuple):
    """All that training goes on from; modules and optimiser are updated in place.

    Attributes
    ----------
    model : Autoencoder
        The last iterate.
    average : Autoencoder
        Running average of the iterates' weights: the model that fit returns.
    optimizer : torch.optim.Optimizer
    n_updates : int
    rng : numpy.random.Generator
        Orders the rows and seeds the torch generator of every epoch.
    """

    model: Autoencoder
    average: Autoencoder
    optimizer: torch.optim.Optimizer
    n_updates: int
    rng: np.random.Generator

    @torch.no_grad()
    def copied_onto(self, other):
        """A copy of this state, in the memory of another one of the same training."""
        mine, theirs = self._tensors(), other._tensors()
        if len(mine) != len(theirs):  # the optimiser's first update was in between
            return copy.deepcopy(self)
        torch._foreach_copy_(theirs, mine)
        return other._replace(n_updates=self.n_updates, rng=copy.deepcopy(self.rng))

    def _tensors(self):
        memories = (self.optimizer.state.get(p, {}) for p in self.model.parameters())
        tensors = [memory[name] for memory in memories for name in sorted(memory)]
        for module in (self.model, self.average):
            tensors += [*module.parameters(), *module.buffers()]
        return tensors


def initial_state(model, rng):
    """State before the first update.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from skgen.vae.likelihoods import Bernoulli
    >>> from skgen.vae.networks import Autoencoder
    >>> from skgen.vae.training import initial_state
    >>> linear = torch.nn.Linear
    >>> model = Autoencoder(linear(3, 4), linear(2, 3), Bernoulli().build(3), 2)
    >>> initial_state(model, np.random.default_rng(0)).n_updates
    0
    """
    parameters = list(model.parameters())
    groups = [  # only the first is subject to weight decay
        [p for p in parameters if p.ndim > 1],
        [p for p in parameters if p.ndim <= 1],
    ]
    optimizer = torch.optim.AdamW(
        [{"params": group} for group in groups if group],
        betas=_ADAM_BETAS,
        weight_decay=0.0,
        fused=True,
    )
    average = copy.deepcopy(model).requires_grad_(False)
    return TrainingState(model, average, optimizer, 0, rng)


def moved(state, device):
    """The state, its modules and optimiser on another device.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from skgen.vae.likelihoods import Bernoulli
    >>> from skgen.vae.networks import Autoencoder
    >>> from skgen.vae.training import initial_state, moved
    >>> linear = torch.nn.Linear
    >>> model = Autoencoder(linear(3, 4), linear(2, 3), Bernoulli().build(3), 2)
    >>> state = initial_state(model, np.random.default_rng(0))
    >>> next(moved(state, "cpu").model.parameters()).device
    device(type='cpu')
    """
    state.model.to(device)
    state.average.to(device)
    for memory in state.optimizer.state.values():
        for name, value in memory.items():
            memory[name] = value.to(device)
    return state


@contextmanager
def seeded_modules(device, rng):
    """Seed torch's global generators, which modules draw from, and put them back.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from skgen.vae.training import seeded_modules
    >>> before = torch.get_rng_state()
    >>> with seeded_modules(torch.device("cpu"), np.random.default_rng(0)):
    ...     layer = torch.nn.Linear(2, 2)
    >>> torch.equal(before, torch.get_rng_state())
    True
    """
    seed, cuda = int(rng.integers(2**62)), device.type == "cuda"
    with torch.random.fork_rng(devices=[device] if cuda else []):
        torch.default_generator.manual_seed(seed)
        if cuda:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield


class Objective(nn.Module):
    """Minus the sum of the rows' bounds, or what has the same gradient.

    Examples
    --------
    >>> import torch
    >>> from skgen.vae.likelihoods import Bernoulli
    >>> from skgen.vae.networks import Autoencoder
    >>> from skgen.vae.training import Objective
    >>> linear = torch.nn.Linear
    >>> model = Autoencoder(linear(3, 4), linear(2, 3), Bernoulli().build(3), 2)
    >>> objective = Objective(model, "elbo")
    >>> objective(torch.zeros(5, 3), torch.zeros(5, 2), torch.ones(())).shape
    torch.Size([])
    """

    def __init__(self, model, objective):
        super().__init__()
        self.model = model
        self.objective = objective

    def forward(self, X, noise, kl_weight):
        if self.objective == "iwae" and noise.ndim == 3:  # of one draw it is the ELBO
            weights = log_weights(self.model, X, noise, doubly=True)
            # its gradient is that of the bound, its value is not
            normalized = torch.softmax(weights.detach(), dim=0)
            return -(normalized * weights).sum()
        reconstruction, kl = elbo_terms(self.model, X, noise, surrogate=True)
        return (kl_weight * kl - reconstruction).sum()


def objective_of(model, settings):
    """The objective as it is to be called: compiled, and by all processes together.

    Examples
    --------
    >>> import torch
    >>> from skgen.vae.likelihoods import Bernoulli
    >>> from skgen.vae.networks import Autoencoder
    >>> from skgen.vae.training import Settings, objective_of
    >>> linear = torch.nn.Linear
    >>> model = Autoencoder(linear(3, 4), linear(2, 3), Bernoulli().build(3), 2)
    >>> settings = Settings(2, "elbo", 1, 0.0, 0.99, "float32", False)
    >>> objective_of(model, settings).objective
    'elbo'
    """
    objective = parallel.synchronized(Objective(model, settings.objective))
    return _Compiled(objective) if settings.compile else objective


class _Compiled:
    """Calls the module compiled, or as it is where torch cannot compile it."""

    def __init__(self, module):
        self.module = module
        cuda = next(module.parameters()).is_cuda
        self.call = torch.compile(module, mode="reduce-overhead" if cuda else None)

    def __call__(self, *inputs):
        try:
            return self.call(*inputs)
        except torch._dynamo.exc.TorchDynamoException as error:
            if self.call is self.module:
                raise
            warnings.warn(
                f"compile=True is without effect, torch could not compile the "
                f"training step, for which it needs a C++ compiler: "
                f"{str(error).strip().splitlines()[0]}",
                RuntimeWarning,
                stacklevel=2,
            )
            self.call = self.module
            return self.module(*inputs)


def train_epoch(
    state, X, settings, learning_rates, kl_weights, resample=False, objective=None
):
    """One pass over the rows of X in shuffled mini-batches.

    Parameters
    ----------
    state : TrainingState
    X : tensor on the model's device, or CSR matrix, of shape (n_samples, n_features)
    settings : Settings
    learning_rates, kl_weights : ndarray of shape (n_updates,)
        One for each batch.
    resample : bool, default=False
        Draw each row from its probabilities.
    objective : callable, default=None
        Of :func:`objective_of`; None: made for this epoch.

    Returns
    -------
    TrainingState

    Raises
    ------
    FloatingPointError
        If a weight is no longer finite.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from skgen.vae.likelihoods import Bernoulli
    >>> from skgen.vae.networks import Autoencoder
    >>> from skgen.vae.training import Settings, initial_state, train_epoch
    >>> linear = torch.nn.Linear
    >>> model = Autoencoder(linear(3, 4), linear(2, 3), Bernoulli().build(3), 2)
    >>> state = initial_state(model, np.random.default_rng(0))
    >>> settings = Settings(2, "elbo", 1, 0.0, 0.99, "float32", False)
    >>> X, one = torch.zeros(4, 3), np.ones(2)
    >>> train_epoch(state, X, settings, 1e-3 * one, one).n_updates
    2
    """
    device = next(state.model.parameters()).device
    generator = torch.Generator(device).manual_seed(int(state.rng.integers(2**62)))
    order = state.rng.permutation(X.shape[0])
    in_memory = isinstance(X, torch.Tensor)
    order = torch.from_numpy(order).to(device) if in_memory else order
    starts = range(0, len(order), settings.batch_size)
    batches = [order[start : start + settings.batch_size] for start in starts]
    n_averaged = state.n_updates
    state.model.train()
    rank = parallel.rank()
    objective = objective or objective_of(for_rows(state.model, X), settings)
    kl_weights = torch.as_tensor(kl_weights, dtype=torch.float32, device=device)
    for rows, rate, kl_weight in zip(batches, learning_rates, kl_weights, strict=True):
        noise = _noise(state.model, len(rows), settings, generator)
        batch = _batch(X, rows, rank, resample, generator)
        with torch.autocast(
            device.type, torch.bfloat16, enabled=settings.precision == "bfloat16"
        ):
            loss = objective(batch, rank.share(noise, dim=noise.ndim - 2), kl_weight)
        # the sum over all processes, whose gradients are averaged, over all rows
        _descend(state, loss * (rank.n_ranks / len(rows)), settings, float(rate))
        state = state._replace(n_updates=state.n_updates + 1)
        if state.n_updates % _AVERAGE_EVERY == 0:
            _follow(state, settings.averaging, state.n_updates - n_averaged)
            n_averaged = state.n_updates
    if not all(value.isfinite().all() for value in state.model.parameters()):
        raise FloatingPointError(
            f"training diverged, a weight is no longer finite. The likely cause is "
            f"learning_rate, {learning_rates[0]:.3g} at the start of the epoch, or "
            f"values of X too large for float32: make it ten times smaller, or put a "
            f"StandardScaler before."
        )
    if n_averaged < state.n_updates:
        _follow(state, settings.averaging, state.n_updates - n_averaged)
    return state


@torch.no_grad()
def mean_elbo(model, X):
    """Mean ELBO of rows by one fixed draw each, for comparison between epochs.

    Parameters
    ----------
    model : Autoencoder
    X : ndarray or CSR matrix of shape (n, n_features)

    Returns
    -------
    float
        Nats.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from skgen.vae.likelihoods import Bernoulli
    >>> from skgen.vae.networks import Autoencoder
    >>> from skgen.vae.training import mean_elbo
    >>> linear = torch.nn.Linear
    >>> model = Autoencoder(linear(3, 4), linear(2, 3), Bernoulli().build(3), 2)
    >>> mean_elbo(model, np.zeros((5, 3))) < 0
    True
    """
    return mean_bound(model, X, _PLAIN, beta=1.0)


@torch.no_grad()
def mean_bound(model, X, settings, beta):
    """Mean over rows of what training maximises, by fixed draws.

    Of "elbo" the reconstruction less `beta` times the KL term, of "iwae" the bound of
    as many draws as training takes. Arguments as in :func:`mean_elbo`.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from skgen.vae.likelihoods import Bernoulli
    >>> from skgen.vae.networks import Autoencoder
    >>> from skgen.vae.training import Settings, mean_bound, mean_elbo
    >>> linear = torch.nn.Linear
    >>> model = Autoencoder(linear(3, 4), linear(2, 3), Bernoulli().build(3), 2)
    >>> settings = Settings(2, "iwae", 50, 0.0, 0.99, "float32", False)
    >>> X = np.zeros((100, 3))
    >>> mean_bound(model, X, settings, 1.0) > mean_elbo(model, X)
    True
    """
    model = for_rows(model, X).eval()
    generator = torch.Generator().manual_seed(0)
    weighted = settings.objective == "iwae" and settings.n_importance_samples > 1
    total = 0.0
    for block in _blocks(model, X):
        shape = (len(block), model.n_components)
        if weighted:
            shape = (settings.n_importance_samples, *shape)
        noise = torch.randn(shape, generator=generator).to(block)
        if weighted:
            bounds = log_mean_weight(log_weights(model, block, noise))
        else:
            reconstruction, kl = elbo_terms(model, block, noise)
            bounds = reconstruction - beta * kl
        total += float(bounds.sum(dtype=torch.float64))
    return total / X.shape[0]


@torch.no_grad()
def posterior_mean_variance(model, X):
    """Variance over the rows of X of the posterior mean of each latent.

    Parameters
    ----------
    model : Autoencoder
    X : ndarray or CSR matrix of shape (n, n_features)

    Returns
    -------
    ndarray of shape (n_components,)

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from skgen.vae.likelihoods import Bernoulli
    >>> from skgen.vae.networks import Autoencoder
    >>> from skgen.vae.training import posterior_mean_variance
    >>> linear = torch.nn.Linear
    >>> model = Autoencoder(linear(3, 4), linear(2, 3), Bernoulli().build(3), 2)
    >>> posterior_mean_variance(model, np.zeros((5, 3)))
    array([0., 0.])
    """
    model = for_rows(model, X).eval()
    means = [model.posterior(block)[0].cpu().double() for block in _blocks(model, X)]
    return torch.cat(means).var(dim=0, correction=0).numpy()


def _blocks(model, X):
    """Blocks of the rows of X, float32, where the model is."""
    device = next(model.parameters()).device
    for rows in row_blocks(X.shape[0], 4 * X.shape[1]):
        yield _dense(X, rows, device)


def _batch(X, rows, rank, resample, generator):
    """The process's share of the rows, float32; of probabilities, draws."""
    device, some = generator.device, rank.share(rows)
    if isinstance(X, torch.Tensor):
        batch = X.index_select(0, some).float()
    else:
        batch = _dense(X, some, device)
    if resample:  # as one process draws for all of the rows
        uniform = torch.empty((len(rows), X.shape[1]), device=device)
        ones = rank.share(uniform.uniform_(generator=generator)) < batch
        batch = torch.where(batch.isnan(), batch, ones.float())
    return batch


def _noise(model, n_rows, settings, generator):
    n_draws = settings.n_importance_samples
    shape = (n_draws, n_rows) if n_draws > 1 else (n_rows,)
    return torch.randn(
        (*shape, model.n_components), device=generator.device, generator=generator
    )


def _descend(state, loss, settings, learning_rate):
    optimizer = state.optimizer
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
    optimizer.param_groups[0]["weight_decay"] = settings.weight_decay
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


@torch.no_grad()
def _follow(state, averaging, n_updates):
    """Move the average towards the iterate, by as much as n_updates single ones."""
    share = averaging_share(averaging, n_updates, state.n_updates - n_updates)
    for mean, value in zip(state.average.parameters(), state.model.parameters()):
        mean.lerp_(value, share)
    for mean, value in zip(state.average.buffers(), state.model.buffers()):
        mean.copy_(value)


def _dense(X, rows, device):
    return torch.from_numpy(rows_as_float(X, rows, np.float32)).to(device)
