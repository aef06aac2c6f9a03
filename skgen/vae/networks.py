"""Encoder and decoder networks: multilayer perceptrons, or modules the caller gives."""

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
_LARGEST_LOG_VARIANCE = 20.0
_LARGEST_INPUT = 100.0  # deviations; rare counts of ordinary size are within


def mlp(n_in, hidden_layer_sizes, n_out, activation, generator=None):
    """Linear layers with an activation between them; without hidden layers, one.

    The generator draws the weights; None stands for torch's global one.
    """
    sizes = (n_in, *hidden_layer_sizes, n_out)
    layers = []
    for width_in, width_out in itertools.pairwise(sizes):
        layer = linear(width_in, width_out, generator)
        layers += [layer, ACTIVATIONS[activation]()]
    return nn.Sequential(*layers[:-1])


def linear(n_in, n_out, generator=None):
    """A linear layer with weights of the distribution that nn.Linear draws from."""
    layer = _empty_linear(n_in, n_out)
    for parameter in layer.parameters():
        nn.init.uniform_(parameter, -(n_in**-0.5), n_in**-0.5, generator)
    return layer


def zero_linear(n_in, n_out):
    """A linear layer whose weights are 0."""
    layer = _empty_linear(n_in, n_out)
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


def _empty_linear(n_in, n_out):
    settings = {"dtype": torch.float32, "device": "cpu"}
    return nn.utils.skip_init(nn.Linear, n_in, n_out, **settings)


class LinearSkip(nn.Module):
    """A linear map plus a multilayer perceptron, both zero at first.

    Without hidden layers it is the linear map alone.
    """

    def __init__(self, n_in, hidden_layer_sizes, n_out, activation, generator=None):
        super().__init__()
        self.linear = zero_linear(n_in, n_out)
        self.layers = None
        if hidden_layer_sizes:
            self.layers = mlp(n_in, hidden_layer_sizes, n_out, activation, generator)
            self.layers[-1] = zero_linear(hidden_layer_sizes[-1], n_out)

    def forward(self, X):
        linear = self.linear(X)
        return linear if self.layers is None else linear + self.layers(X)


class Affine(nn.Module):
    """x * scale + shift with fixed vectors."""

    def __init__(self, shift, scale):
        super().__init__()
        self.register_buffer("shift", shift)
        self.register_buffer("scale", scale)

    def forward(self, X):
        return torch.addcmul(self.shift, X, self.scale)


class Compressed(Affine):
    """x * scale + shift up to 100; from there on it grows as log(x)."""

    def forward(self, X):
        X = super().forward(X)
        near = X.clamp(-_LARGEST_INPUT, _LARGEST_INPUT)
        return near + _LARGEST_INPUT * torch.asinh((X - near) / _LARGEST_INPUT)


def as_network(template, name, n_in, n_out):
    """A copy of a module, or what a callable (n_in, n_out) makes, checked.

    Raises ValueError if the network does not map rows of n_in values to n_out.
    """
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
            shape = tuple(
                network.cpu()
                .eval()(torch.zeros(2, n_in, dtype=torch.float32, device="cpu"))
                .shape
            )
    except Exception as error:  # a caller's module may raise anything
        raise ValueError(f"{demand}, but it failed: {error}") from error
    if shape != (2, n_out):
        raise ValueError(
            f"{demand}, but 2 rows gave shape {shape}: change its last layer."
        )
    return network.train(training)


class Autoencoder(nn.Module):
    """Encoder, decoder, likelihood and prior as one module.

    The encoder maps a row of X to the mean and the log-variance of q(h | x), the
    decoder a row h to the outputs that the likelihood takes. `center`, one number per
    feature, is what the encoder sees in place of a missing entry.
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
        if center is None:
            center = torch.zeros((), dtype=torch.float32, device="cpu")
        self.register_buffer("center", center)
        self._width = None

    @property
    def width(self):
        """The most values per row that X or a layer of the networks holds."""
        if self._width is None:
            self._width = _widest_layer(self)
        return self._width

    def latent_prior(self):
        """The distribution p(h); see :mod:`skgen.vae.priors`."""
        return self.prior(self.posterior)

    def decode(self, H):
        """Outputs of the decoder, which sees a matrix of rows, for H of any shape."""
        outputs = self.decoder(H.reshape(-1, H.shape[-1]))
        return outputs.reshape(*H.shape[:-1], outputs.shape[-1])

    def posterior(self, X):
        """Mean and log standard deviation of q(h | x), each (n, n_components)."""
        mean, log_variance = self.encoder(X).chunk(2, dim=-1)
        bounds = -_LARGEST_LOG_VARIANCE, _LARGEST_LOG_VARIANCE
        return mean, 0.5 * log_variance.clamp(*bounds)


def _widest_layer(model):
    sizes = [model.n_components, model.likelihood.n_outputs, model.center.numel()]
    inputs = {"decoder": model.n_components}
    if model.center.ndim:
        inputs["encoder"] = len(model.center)

    def note(module, _, output):
        if isinstance(output, torch.Tensor):
            sizes.append(output.numel())

    for network, n_in in inputs.items():
        network = copy.deepcopy(getattr(model, network)).eval()  # it keeps the hooks
        for module in network.modules():
            module.register_forward_hook(note)
        with torch.no_grad():
            network(model.center.new_zeros(1, n_in))
    return max(sizes)


def check_size(arrays, sizes, n_more):
    """Raise ValueError if layers of these sizes, and more, are not held by a file.

    It is called before any memory is allocated for the networks.
    """
    n_weights = 2 * sum(a * b for a, b in itertools.pairwise(sizes)) + n_more
    n_values = sum(array.size for array in arrays.values())
    if len(sizes) > len(arrays) or n_weights > n_values:
        raise ValueError(f"layers of sizes {sizes} do not fit the arrays in the file")
