"""Encoder and decoder networks: multilayer perceptrons, or modules the user brings."""

import copy
import itertools

import torch
from torch import nn

from skgen.vae.priors import StandardNormal

ACTIVATIONS = {
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "leaky_relu": nn.LeakyReLU,
    "relu": nn.ReLU,
    "silu": nn.SiLU,
    "softplus": nn.Softplus,
    "tanh": nn.Tanh,
}


def mlp(n_in, hidden_layer_sizes, n_out, activation, generator=None):
    """Linear layers with an activation between them; no hidden layer: a linear map.

    Parameters
    ----------
    n_in : int
    hidden_layer_sizes : tuple of int
    n_out : int
    activation : str
        A key of ``ACTIVATIONS``.
    generator : torch.Generator, default=None
        Draws the weights; None: torch's global one.

    Returns
    -------
    torch.nn.Sequential

    Examples
    --------
    >>> from skgen.vae.networks import mlp
    >>> len(mlp(4, (8, 8), 2, "relu"))
    5
    """
    sizes = (n_in, *hidden_layer_sizes, n_out)
    layers = []
    for width_in, width_out in itertools.pairwise(sizes):
        linear = nn.utils.skip_init(nn.Linear, width_in, width_out)
        for parameter in linear.parameters():  # as nn.Linear does by itself
            nn.init.uniform_(parameter, -(width_in**-0.5), width_in**-0.5, generator)
        layers += [linear, ACTIVATIONS[activation]()]
    return nn.Sequential(*layers[:-1])


class LinearPlus(nn.Module):
    """A linear map and what a multilayer perceptron adds to it: all zero at first.

    Parameters
    ----------
    n_in : int
    hidden_layer_sizes : tuple of int
        (): the linear map alone.
    n_out : int
    activation : str, default="silu"
    generator : torch.Generator, default=None

    Examples
    --------
    >>> import torch
    >>> from skgen.vae.networks import LinearPlus
    >>> LinearPlus(3, (8,), 2)(torch.ones(1, 3)).tolist()
    [[0.0, 0.0]]
    """

    def __init__(
        self, n_in, hidden_layer_sizes, n_out, activation="silu", generator=None
    ):
        super().__init__()
        self.linear = nn.utils.skip_init(nn.Linear, n_in, n_out)
        ends = [self.linear]
        self.layers = None
        if hidden_layer_sizes:
            self.layers = mlp(n_in, hidden_layer_sizes, n_out, activation, generator)
            ends.append(self.layers[-1])
        for layer in ends:
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, X):
        linear = self.linear(X)
        return linear if self.layers is None else linear + self.layers(X)


class Affine(nn.Module):
    """x * scale + shift with fixed numbers: the units of the data.

    Parameters
    ----------
    shift, scale : tensor of shape (n,)

    Examples
    --------
    >>> import torch
    >>> from skgen.vae.networks import Affine
    >>> Affine(torch.tensor([1.0]), torch.tensor([2.0]))(torch.tensor([[3.0]]))
    tensor([[7.]])
    """

    def __init__(self, shift, scale):
        super().__init__()
        self.register_buffer("shift", shift)
        self.register_buffer("scale", scale)

    def forward(self, X):
        return torch.addcmul(self.shift, X, self.scale)


def as_network(template, name, n_in, n_out, default):
    """A network of the user's, checked, or the default.

    Parameters
    ----------
    template : torch.nn.Module, callable or None
        A module is copied, never trained in place; a callable (n_in, n_out) makes one.
    name : str
        Of the parameter, for messages.
    n_in, n_out : int
    default : callable
        Makes the network if there is no template.

    Returns
    -------
    torch.nn.Module

    Raises
    ------
    ValueError
        If the network does not map n_in values to n_out.

    Examples
    --------
    >>> import torch
    >>> from skgen.vae.networks import as_network
    >>> as_network(torch.nn.Linear(3, 2), "encoder", 3, 4, None)
    Traceback (most recent call last):
        ...
    ValueError: encoder must map rows of 3 values to 4, but 2 rows gave ...
    """
    if template is None:
        return default()
    is_module = isinstance(template, nn.Module)
    network = copy.deepcopy(template) if is_module else template(n_in, n_out)
    if not isinstance(network, nn.Module):
        raise ValueError(
            f"{name} must be a torch.nn.Module or a callable (n_in, n_out) that makes "
            f"one, but it returned {network!r}."
        )
    demand = f"{name} must map rows of {n_in} values to {n_out}"
    training = network.training
    try:
        with torch.no_grad():
            output = network.cpu().eval()(torch.zeros(2, n_in))
        shape = tuple(output.shape)
    except Exception as error:  # whatever a module of the user's may raise
        raise ValueError(f"{demand}, but it failed: {error}") from error
    if shape != (2, n_out):
        raise ValueError(
            f"{demand}, but 2 rows gave shape {shape}: change its last layer."
        )
    return network.train(training)


LARGEST_LOG_VARIANCE = 20.0


class Autoencoder(nn.Module):
    """Encoder, decoder and likelihood as one module.

    Parameters
    ----------
    encoder : torch.nn.Module
        Rows of X to 2 * n_components numbers: mean and log-variance of q(h | x).
    decoder : torch.nn.Module
        Rows of n_components values to ``likelihood.n_outputs`` numbers.
    likelihood : Likelihood
    n_components : int
    prior : torch.nn.Module, default=None
        Of :mod:`skgen.vae.priors`; None: N(0, I).
    center : tensor of shape (n_features,), default=None
        What the encoder is shown where an entry of X is missing; None: 0.

    Examples
    --------
    >>> import torch
    >>> from skgen.vae.likelihoods import Bernoulli
    >>> from skgen.vae.networks import Autoencoder
    >>> linear = torch.nn.Linear
    >>> model = Autoencoder(linear(3, 4), linear(2, 3), Bernoulli().build(3), 2)
    >>> [part.shape for part in model.posterior(torch.zeros(5, 3))]
    [torch.Size([5, 2]), torch.Size([5, 2])]
    """

    def __init__(
        self, encoder, decoder, likelihood, n_components, prior=None, center=None
    ):
        super().__init__()
        self.prior = StandardNormal() if prior is None else prior
        self.encoder = encoder
        self.decoder = decoder
        self.likelihood = likelihood
        self.n_components = n_components
        self.register_buffer("center", torch.zeros(()) if center is None else center)

    def log_prior(self, H):
        """log p(h), nats, for H of any shape."""
        return self.prior(H, self.posterior)

    def decode(self, H):
        """Outputs of the decoder, which sees a matrix of rows, for H of any shape."""
        outputs = self.decoder(H.reshape(-1, H.shape[-1]))
        return outputs.reshape(*H.shape[:-1], outputs.shape[-1])

    def posterior(self, X):
        """Mean and log standard deviation of q(h | x), each (n, n_components)."""
        mean, log_variance = self.encoder(X).chunk(2, dim=-1)
        return mean, 0.5 * log_variance.clamp(
            -LARGEST_LOG_VARIANCE, LARGEST_LOG_VARIANCE
        )


def widest_layer(model):
    """Most numbers per row that any module of a model's decoder puts out.

    Examples
    --------
    >>> import torch
    >>> from skgen.vae.likelihoods import Bernoulli
    >>> from skgen.vae.networks import Autoencoder, mlp, widest_layer
    >>> decoder = mlp(2, (7,), 3, "relu")
    >>> widest_layer(Autoencoder(None, decoder, Bernoulli().build(3), 2))
    7
    """
    sizes = [model.n_components, model.likelihood.n_outputs]

    def note(module, inputs, output):
        if isinstance(output, torch.Tensor):
            sizes.append(output.numel())

    hooks = [module.register_forward_hook(note) for module in model.decoder.modules()]
    try:
        with torch.no_grad():
            model.decoder(torch.zeros(1, model.n_components))
    finally:
        for hook in hooks:
            hook.remove()
    return max(sizes)
