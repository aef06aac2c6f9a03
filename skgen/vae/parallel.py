"""Training by several processes at once: each has rows of its own, all one model.

An epoch has as many updates on every process. Gradients are summed over the rows of all
of them, and what else decides on training, such as moments, bounds and when to stop, is
exchanged between epochs. Whatever is exchanged carries an error with it, if a process
has one: it ends all of them, and none waits for another in vain.

References
----------
Li, S. et al. PyTorch Distributed: experiences on accelerating data parallel training.
VLDB 2020.
"""

import os
from contextlib import contextmanager
from functools import reduce
from typing import NamedTuple

import numpy as np
import torch
from scipy import sparse
from torch import distributed

_SAMPLED = 2**22  # values of rows of all processes, by which a model starts


class Rank(NamedTuple):
    """This process's number, how many there are, and its number on this machine."""

    number: int
    n_ranks: int
    local: int


class Ended(RuntimeError):
    """What a process raises where another one has failed, or is gone."""


def rank():
    """The rank in ``torch.distributed``; of a single process if that is not set up."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return Rank(0, 1, 0)
    number = distributed.get_rank()
    local = int(os.environ.get("LOCAL_RANK", number))
    return Rank(number, distributed.get_world_size(), local)


def exchanged(value, error=None):
    """The values of all processes, in the order of their numbers.

    Raises RuntimeError with the error of a process that has failed.
    """
    if rank().n_ranks == 1:
        return [value]
    every = [None] * rank().n_ranks
    with _told_of_lost_processes():
        distributed.all_gather_object(every, (value, error))
    for number, (_, message) in enumerate(every):
        if message is not None and error is None:
            raise Ended(f"Process {number} has failed: {message}")
    return [one for one, _ in every]


@contextmanager
def failing_together():
    """An error in the block ends the other processes, too, at their next exchange."""
    try:
        yield
        exchanged(None)
    except Ended:
        raise
    except BaseException as error:
        if rank().n_ranks > 1:
            exchanged(None, f"{type(error).__name__}: {error}")
        raise


@contextmanager
def _told_of_lost_processes():
    try:
        yield
    except RuntimeError as error:  # distributed.DistError among them
        raise Ended(
            f"Another process of this training has ended or cannot be reached: {error}"
        ) from error


def of_first(value):
    """The first process's value, on every process."""
    return exchanged(value if rank().number == 0 else None)[0]


def merged(value, merge):
    """One value of the values of all processes, joined two by two."""
    return reduce(merge, exchanged(value))


def anywhere(flag):
    """Whether the flag is set on any process."""
    return any(exchanged(bool(flag)))


def gathered(X):
    """Some rows of all processes, of each in proportion to its rows, dense or CSR."""
    if rank().n_ranks == 1:
        return X
    total = sum(exchanged(X.shape[0]))
    share = min(1, _SAMPLED / (total * X.shape[1]))
    chosen = np.linspace(0, X.shape[0] - 1, max(1, int(share * X.shape[0])))
    parts = exchanged(X[chosen.round().astype(int)])
    if len({part.shape[1] for part in parts}) > 1:
        raise ValueError(
            f"X has {[part.shape[1] for part in parts]} columns on the processes: pass "
            f"rows of the same columns to all of them."
        )
    return sparse.vstack(parts, "csr") if sparse.issparse(X) else np.concatenate(parts)


def mean(values, n):
    """The mean over all processes of values that are means of n rows each, or NaN."""
    if rank().n_ranks == 1:
        return values
    every = exchanged((np.asarray(values, np.float64), n))
    total = sum(n for _, n in every)
    sums = [n * part for part, n in every if n]
    return sum(sums) / total if total else np.asarray(values, np.float64)


@torch.no_grad()
def copy_buffers_of_first(module):
    """Copy the first process's buffers, such as running means, to every process."""
    if rank().n_ranks > 1:
        for buffer, first in zip(module.buffers(), of_first([*module.buffers()])):
            buffer.copy_(first)


class NoCallbacks:
    """Takes the place of a callback context on all processes but the first."""

    def subcontext(self, name):
        """The same for an epoch."""
        return self

    def call_on_fit_task_begin(self, **hooks):
        """Call nobody."""
        return self

    def call_on_fit_task_end(self, **hooks):
        """Call nobody; training goes on."""
        return False


def summed_gradients(parameters, n_rows, failed=False):
    """Sum the gradients over all processes in place; the number of their rows.

    A process that `failed` takes part once more, so that the others learn of it here.
    """
    if rank().n_ranks == 1:
        return n_rows
    parameters = list(parameters)
    numbers = parameters[0].new_tensor([n_rows, float(failed)], requires_grad=False)
    gradients = [
        torch.zeros_like(p) if p.grad is None or failed else p.grad for p in parameters
    ]
    flat = torch.cat([numbers, *(gradient.reshape(-1) for gradient in gradients)])
    with _told_of_lost_processes():
        distributed.all_reduce(flat)
    sizes = [gradient.numel() for gradient in gradients]
    numbers, *parts = flat.split([2, *sizes])
    n_rows, n_failed = numbers.tolist()
    if n_failed:
        if not failed:
            exchanged(None)  # which raises the error
        return n_rows
    for parameter, part in zip(parameters, parts):
        parameter.grad = part.view_as(parameter).clone()
    return n_rows
