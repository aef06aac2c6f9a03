"""Training by several processes at once: the same model on every one of them.

Every process is given the same rows and draws the same batches and noise, of which it
takes its share; gradients are added up over the processes. So the model is that of one
process, up to rounding. (Not so with batch normalisation in a user's network, which
sees a process's share of a batch only.)

References
----------
Li, S. et al. PyTorch Distributed: experiences on accelerating data parallel training.
VLDB 2020.
"""

import os
from typing import NamedTuple

import numpy as np
from scipy import sparse
from torch import distributed
from torch.nn.parallel import DistributedDataParallel


class Rank(NamedTuple):
    """Which of how many processes this is, and which device of its machine it takes."""

    number: int
    n_ranks: int
    local: int

    def share(self, values, dim=0):
        """Every n_ranks-th of the values along a dimension, from its own number on."""
        if self.n_ranks == 1:
            return values
        index = [slice(None)] * dim + [slice(self.number, None, self.n_ranks)]
        return values[tuple(index)]


def rank():
    """This process among those of ``torch.distributed``; alone if that is not set up.

    Examples
    --------
    >>> from skgen.vae.parallel import rank
    >>> rank()
    Rank(number=0, n_ranks=1, local=0)
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return Rank(0, 1, 0)
    number = distributed.get_rank()
    local = int(os.environ.get("LOCAL_RANK", number))
    return Rank(number, distributed.get_world_size(), local)


def synchronized(module):
    """The module, with gradients that are the mean over all processes.

    Examples
    --------
    >>> import torch
    >>> from skgen.vae.parallel import synchronized
    >>> synchronized(torch.nn.Linear(2, 1))  # of one process
    Linear(in_features=2, out_features=1, bias=True)
    """
    if rank().n_ranks == 1:
        return module
    return DistributedDataParallel(module)


def common(value):
    """The value that the first process has, on all of them.

    Examples
    --------
    >>> from skgen.vae.parallel import common
    >>> common(3)  # of one process
    3
    """
    if rank().n_ranks == 1:
        return value
    shared = [value]
    distributed.broadcast_object_list(shared, src=0)
    return shared[0]


def share_buffers(module):
    """Let the module's buffers, such as running means, be those of the first process.

    Examples
    --------
    >>> import torch
    >>> from skgen.vae.parallel import share_buffers
    >>> share_buffers(torch.nn.BatchNorm1d(2))  # of one process: no change
    """
    if rank().n_ranks > 1:
        for buffer in module.buffers():
            distributed.broadcast(buffer, src=0)


def check_same(X):
    """Raise ValueError unless X is the same on all processes.

    Examples
    --------
    >>> import numpy as np
    >>> from skgen.vae.parallel import check_same
    >>> check_same(np.eye(2))
    """
    n_ranks = rank().n_ranks
    if n_ranks == 1:
        return
    told = [None] * n_ranks
    values = X.data if sparse.issparse(X) else X
    total = float(np.nansum(values, dtype=np.float64))
    distributed.all_gather_object(told, (X.shape, total))
    if len(set(told)) > 1:
        raise ValueError(
            f"X must be the same on all {n_ranks} processes, each of which takes its "
            f"share of every batch, but their shapes and sums are {told}: give all of "
            f"them all of the rows."
        )
