"""The state of training a VAE, and the stochastic gradient steps that change it.

References
----------
Kingma, D. P. and Welling, M. Auto-encoding variational Bayes. ICLR 2014.
Kingma, D. P. and Ba, J. Adam: a method for stochastic optimization. ICLR 2015.
"""

import copy
import threading
import warnings
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from skgen.run import averaging_share
from skgen.vae import parallel
from skgen.vae.bounds import elbo_terms, log_mean_weight, log_weights
from skgen.vae.likelihoods import holds_counts
from skgen.vae.missing import observed_entries
from skgen.vae.networks import Autoencoder
from skgen.vae.units import Moments, Units
from skgen.validation import row_blocks, rows_as_float
from skgen.views import batches
from skgen.weights import shuffled_rows

_AVERAGE_EVERY = 10  # updates; the average costs a pass over the weights
# with the usual 0.999 for the second, one wild gradient moves the weights three times
# as far and is remembered ten times as long, which was seen to ruin the training
_ADAM_BETAS = (0.9, 0.99)
_LONGEST_GRADIENT = 2.0  # times the usual length
_FEWEST_DRAWS = 500  # behind a mean bound; few rows are repeated
_NORMS = nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm
_USES_GLOBAL_GENERATORS = threading.RLock()


class Settings(NamedTuple):
    """How an update is made; the fields are parameters of the estimator."""

    batch_size: int
    objective: str
    n_importance_samples: int
    weight_decay: float
    averaging: float
    precision: str
    compile: bool


class TrainingState(NamedTuple):
    """All that training needs to continue; it is updated in place.

    `model` is the last iterate; fit returns `average`, the running average of weights.
    `rng` shuffles the rows and seeds the torch generator of every epoch. The models
    see rows in these `units`, chosen by the `moments` of all rows so far.
    """

    model: Autoencoder
    average: Autoencoder
    optimizer: torch.optim.Optimizer
    n_updates: int
    rng: np.random.Generator
    units: Units | None = None
    moments: Moments | None = None

    @torch.no_grad()
    def copied_onto(self, other):
        """A copy of this state in the memory of another state of the same training."""
        torch._foreach_copy_(other._tensors(), self._tensors())
        return other._replace(n_updates=self.n_updates, rng=copy.deepcopy(self.rng))

    def _tensors(self):
        memories = map(self.optimizer.state.__getitem__, self.model.parameters())
        tensors = [memory[name] for memory in memories for name in sorted(memory)]
        for module in (self.model, self.average):
            tensors += [*module.parameters(), *module.buffers()]
        return tensors


def initial_state(model, rng, units=None, moments=None):
    """The state before the first update, the memory of the optimiser included.

    AdamW would make its memory at the first update. Made here, a state has the same
    arrays at any time, so a fresh one can be filled with those of a file.
    """
    parameters = list(model.parameters())
    matrices = [p for p in parameters if p.ndim > 1]  # subject to weight decay
    vectors = [p for p in parameters if p.ndim <= 1]
    groups = [{"params": group} for group in (matrices, vectors) if group]
    optimizer = torch.optim.AdamW(groups, betas=_ADAM_BETAS, weight_decay=0, fused=True)
    for parameter in parameters:
        optimizer.state[parameter] = {
            "step": parameter.new_zeros((), requires_grad=False),
            "exp_avg": torch.zeros_like(parameter, requires_grad=False),
            "exp_avg_sq": torch.zeros_like(parameter, requires_grad=False),
        }
    average = copy.deepcopy(model).requires_grad_(False)
    return TrainingState(model, average, optimizer, 0, rng, units, moments)


def to_device(state, device):
    """The state with its modules and its optimiser's memory moved to a device."""
    if state.average.center.device == device:
        return state
    state.model.to(device)
    state.average.to(device)
    for memory in state.optimizer.state.values():
        for name, value in memory.items():
            memory[name] = value.to(device)
    return state


@contextmanager
def seeded_modules(device, rng):
    """Seed torch's global generators, which modules draw from, and restore them.

    Threads wait for one another.
    """
    seed, cuda = int(rng.integers(2**62)), device.type == "cuda"
    devices = [device] if cuda else []
    with _USES_GLOBAL_GENERATORS, torch.random.fork_rng(devices=devices):
        torch.default_generator.manual_seed(seed)
        if cuda:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield


class Objective(nn.Module):
    """Minus the sum of the rows' bounds, or a function with the same gradient."""

    def __init__(self, model, objective):
        super().__init__()
        self.model = model
        self.objective = objective

    def forward(self, X, noise, kl_weight):
        if self.objective == "iwae" and noise.ndim == 3:  # of one draw it is the ELBO
            weights = log_weights(self.model, X, noise, doubly=True)
            # only the gradient equals the one of the bound, the value does not
            normalized = torch.softmax(weights.detach(), dim=0)
            return -(normalized * weights).sum()
        reconstruction, kl = elbo_terms(self.model, X, noise, surrogate=True)
        return (kl_weight * kl - reconstruction).sum()


class _Compiled:
    """Calls a module compiled, or uncompiled with a warning if torch cannot."""

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
                f"compile=True has no effect: torch could not compile the training "
                f"step, for which it needs a C++ compiler. It says: "
                f"{str(error).strip().splitlines()[0]}",
                RuntimeWarning,
                stacklevel=2,
            )
            self.call = self.module
            return self.module(*inputs)


class Trainer:
    """Trains models on the rows X, a tensor on their device or a CSR matrix.

    With `resample`, X holds probabilities, and rows are drawn anew in every epoch. With
    `weights`, every epoch draws which rows it has. The objective is compiled once for
    all epochs of the same model.
    """

    def __init__(self, X, settings, resample=False, weights=None):
        self.X = X
        self.settings = settings
        self.weights = weights
        self.resample = resample
        self.rank = parallel.rank()
        self._model = self._objective = None
        n_rows, size = sum(parallel.exchanged(X.shape[0])), settings.batch_size
        n_updates = -(-n_rows // size)
        if n_rows % size == 1 < n_updates:
            n_updates -= 1  # a single row has no variance for batch normalisation
        # of all processes, which may have other numbers of rows
        self._size = size if self.rank.n_ranks == 1 else -(-X.shape[0] // n_updates)
        starts = range(0, n_updates * self._size, self._size)
        self._starts = [min(start, X.shape[0]) for start in starts]

    @property
    def n_updates(self):
        """Updates per epoch; the last short batch counts as one."""
        return len(self._starts)

    def epoch(self, state, learning_rates, kl_weights):
        """The state after one pass over the rows in shuffled mini-batches.

        Raises FloatingPointError if a weight is no longer finite.
        """
        device = next(state.model.parameters()).device
        seed, rng = int(state.rng.integers(2**62)), state.rng
        if self.rank.n_ranks > 1:  # other draws on each, from the same generator
            rng = np.random.default_rng([seed, self.rank.number])
            seed = int(rng.integers(2**62))
        generator = torch.Generator(device).manual_seed(seed)
        kl_weights = torch.as_tensor(kl_weights, dtype=torch.float32, device=device)
        n_averaged, last = state.n_updates, state.n_updates + self.n_updates
        parameters = list(state.model.parameters())
        try:
            _check_rows(state.model.train(), min(self.X.shape[0], self._size))
            rates = zip(learning_rates, kl_weights, strict=True)
            batches = self._batches(rng, device)
            for (part, rows), (rate, kl_weight) in zip(batches, rates, strict=True):
                state.optimizer.zero_grad()
                self._loss(state.model, part, rows, kl_weight, generator).backward()
                n_rows = parallel.summed_gradients(parameters, len(rows))
                state = state._replace(n_updates=state.n_updates + 1)
                _descend(state.optimizer, self.settings, float(rate), n_rows)
                if state.n_updates % _AVERAGE_EVERY == 0 or state.n_updates == last:
                    self._update_average(state, n_averaged)
                    n_averaged = state.n_updates
        except BaseException as error:
            if state.n_updates < last and not isinstance(error, parallel.Ended):
                # the others wait for gradients
                parallel.summed_gradients(parameters, 0, failed=True)
            raise
        _check_finite(state.model, learning_rates[0])
        return state

    def _batches(self, rng, device):
        order = shuffled_rows(self.X, self.weights, rng)
        if isinstance(self.X, torch.Tensor):
            order = torch.from_numpy(order).to(device)
        return batches(self.X, order, self._starts, self._size, rng)

    def _loss(self, model, part, rows, kl_weight, generator):
        """Minus the sum of the rows' bounds."""
        noise = self._noise(len(rows), model.n_components, generator)
        batch = self._batch(part, rows, generator)
        bfloat16 = self.settings.precision == "bfloat16"
        # a cache of weights would outlive an update where autocast is around training
        kind, options = generator.device.type, {"cache_enabled": False}
        with torch.autocast(kind, torch.bfloat16, enabled=bfloat16, **options):
            return self._objective_for(model)(batch, noise, kl_weight)

    def _objective_for(self, model):
        """The objective, compiled if asked for."""
        if model is not self._model:
            observed = observed_entries(model, self.X)
            objective = Objective(observed, self.settings.objective)
            compiled = self.settings.compile
            self._objective = _Compiled(objective) if compiled else objective
            self._model = model
        return self._objective

    def _noise(self, n_rows, n_components, generator):
        n_draws, device = self.settings.n_importance_samples, generator.device
        shape = n_draws, n_rows, n_components
        noise = torch.randn(
            shape, dtype=torch.float32, device=device, generator=generator
        )
        return noise if n_draws > 1 else noise[0]

    def _batch(self, part, rows, generator):
        """The rows as float32, drawn if X is probabilities."""
        if isinstance(part, torch.Tensor):
            batch = part.index_select(0, rows).float()
        else:
            batch = _dense(part, rows, generator.device)
        if self.resample:
            ones = torch.empty_like(batch).uniform_(generator=generator) < batch
            batch = torch.where(batch.isnan(), batch, ones.float())
        return batch

    @torch.no_grad()
    def _update_average(self, state, n_earlier):
        """Move the average, last moved at update n_earlier, as single steps would."""
        n_updates = state.n_updates - n_earlier
        share = averaging_share(self.settings.averaging, n_updates, n_earlier)
        for mean, value in zip(state.average.parameters(), state.model.parameters()):
            mean.lerp_(value, share)
        for mean, value in zip(state.average.buffers(), state.model.buffers()):
            mean.copy_(value)


@torch.no_grad()
def mean_bound(model, X, n_draws=1, beta=1.0):
    """Mean bound of rows in nats, by fixed draws, to compare epochs by.

    Of one draw it is the reconstruction minus `beta` times the KL term, of more draws
    the importance-weighted bound.
    """
    n_repeats = -(-_FEWEST_DRAWS // (n_draws * X.shape[0]))
    blocks = _blocks(model, X, n_draws * n_repeats)
    model = observed_entries(model, X).eval()
    generator = torch.Generator("cpu").manual_seed(0)
    total = 0.0
    for block in blocks:
        block = block.repeat_interleave(n_repeats, dim=0)
        shape = n_draws, len(block), model.n_components
        noise = torch.randn(
            shape, dtype=torch.float32, device="cpu", generator=generator
        ).to(block)
        if n_draws > 1:
            bounds = log_mean_weight(log_weights(model, block, noise))
        else:
            reconstruction, kl = elbo_terms(model, block, noise[0])
            bounds = reconstruction - beta * kl
        total += float(bounds.cpu().double().sum())  # mps has no float64
    return total / (n_repeats * X.shape[0])


@torch.no_grad()
def posterior_mean_variance(model, X):
    """Variance of each latent's posterior mean over the rows, (n_components,)."""
    blocks = _blocks(model, X)
    model = observed_entries(model, X).eval()
    means = [model.posterior(block)[0].cpu().double() for block in blocks]
    return torch.cat(means).var(dim=0, correction=0).numpy()


def _check_rows(model, n_rows):
    if n_rows == 1 and any(isinstance(m, _NORMS) for m in model.modules()):
        raise ValueError(
            "encoder or decoder uses batch normalisation, which takes at least two "
            "rows per update: pass more rows, raise batch_size, or use LayerNorm."
        )


def _descend(optimizer, settings, learning_rate, n_rows):
    """A step along gradients that are sums over so many rows."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
    optimizer.param_groups[0]["weight_decay"] = settings.weight_decay
    _shorten_gradient(optimizer, 1 / n_rows)
    optimizer.step()


def _shorten_gradient(optimizer, scale):
    """Scale a gradient, and cut it off at twice the usual length.

    A row far from what a small noise allows has a gradient thousands of times as long.
    Adam itself knows the usual length, the root of the mean square.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    gradients = [p.grad for p in parameters if p.grad is not None]
    memories = [optimizer.state[p] for p in parameters if p.grad is not None]
    length = scale * torch.stack(torch._foreach_norm(gradients)).norm()
    squares = torch._foreach_norm([memory["exp_avg_sq"] for memory in memories], 1)
    known = 1 - _ADAM_BETAS[1] ** memories[0]["step"]
    longest = _LONGEST_GRADIENT * (torch.stack(squares).sum() / known).sqrt()
    # in the first update nothing is known
    too_long = (known > 0) & (length > longest)
    torch._foreach_mul_(gradients, torch.where(too_long, longest / length, 1.0) * scale)


def _check_finite(model, learning_rate):
    if not all(value.isfinite().all() for value in model.parameters()):
        remedy = "put a StandardScaler before"
        if holds_counts(model.likelihood):  # which it would turn into other numbers
            remedy = "take np.log1p(X) with likelihood='gaussian'"
        raise FloatingPointError(
            f"training diverged, a weight is no longer finite: make learning_rate, "
            f"{learning_rate:.3g} at the start of the epoch, ten times smaller, or "
            f"{remedy} if X has large values."
        )


def _blocks(model, X, n_draws=1):
    """Blocks of the rows of X, to be decoded so often, as float32 on the device."""
    device = model.center.device
    for rows in row_blocks(X.shape[0], n_draws * model.width):
        yield _dense(X, rows, device)


def _dense(X, rows, device):
    return torch.from_numpy(rows_as_float(X, rows, np.float32)).to(device)
