"""New units for a model whose first rows told little about the spread of a column.

``partial_fit`` chooses units from the first batch. Where a later one shows another
spread, they are chosen again from all rows seen. For columns that keep their spread the
model stays the same function. Fresh columns start anew: their mean, and noise as large
as their variance.
"""

import copy

import torch
from torch import nn

from skgen.vae.networks import Affine, LinearSkip
from skgen.vae.units import merged

_NEW_SPREAD = 10  # times what it was


def adapted(state, moments):
    """The state, with units that fit rows of these moments and those before."""
    before, units = state.moments, state.units
    moments = merged(before, moments)
    state = state._replace(moments=moments)
    fresh = moments.std > _NEW_SPREAD * before.std
    if not fresh.any():
        return state
    likelihood = copy.deepcopy(state.model.likelihood)
    scale = likelihood.standardize(moments.mean, moments.std)[1]
    ratio = scale / units.scale
    fresh &= ratio != 1  # no units of counts and the like
    units = units._replace(scale=scale)
    moments = ratio, units.enter(moments.mean), moments.std / scale, fresh
    for model in (state.model, state.average):
        tensors = [torch.from_numpy(part).to(model.center.device) for part in moments]
        _change(model, *(t if t.dtype == torch.bool else t.float() for t in tensors))
    return state._replace(units=units)


@torch.no_grad()
def _change(model, ratio, mean, std, fresh):
    """The arguments are tensors: ratio of new and old units, moments in new ones."""
    factor, shift = model.likelihood.rescale(ratio, mean, std, fresh)
    for layer in _last_layers(model.decoder):
        layer.weight *= factor[:, None]
        layer.bias.mul_(factor).add_(shift)
        shift = torch.zeros_like(shift)  # of the first alone
    first = model.encoder[0] if isinstance(model.encoder, nn.Sequential) else None
    if isinstance(first, Affine):
        first.scale *= torch.where(fresh, torch.ones_like(ratio), ratio)
        first.shift /= torch.where(fresh, ratio, torch.ones_like(ratio))
    if hasattr(model.prior, "inputs"):
        model.prior.inputs /= ratio
    model.center.copy_(mean)


def _last_layers(decoder):
    """The linear layers whose sum is the outputs; none of an unusual decoder."""
    if isinstance(decoder, LinearSkip):
        return [decoder.linear] + ([decoder.layers[-1]] if decoder.layers else [])
    last = decoder[-1] if isinstance(decoder, nn.Sequential) else decoder
    is_linear = isinstance(last, nn.Linear) and last.bias is not None
    return [last] if is_linear else []
