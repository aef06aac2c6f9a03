"""Time of the VAE against the bare step, DataLoader loops and pythae.

All run interleaved in one process, with the network 784-200-200-50, tanh, Bernoulli.
An epoch is timed for

- ours: uint8 rows, shuffled, as in ``fit``; and the same compiled;
- the floor: the bare step with fused Adam on prepared batches, without shuffling or
  averaging;
- the loop of PyTorch's VAE example (DataLoader, default Adam, sigmoid and cross-entropy
  of probabilities, the loss read at each step),
  https://github.com/pytorch/examples/blob/main/vae/main.py;
- the leaner loop: the same loop with the floor's step;
- pythae (https://github.com/clementchadebec/benchmark_VAE): its trainer without
  callbacks.

Then come the importance-sampled likelihood, ours and pythae's get_nll, at equal numbers
of draws (ours also fits a proposal to each row), and how the time grows. Peers that are
not installed are left out.
"""

import importlib.util
import tempfile

import numpy as np
import torch
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from benchmarks.common import compared, image_rows, interleaved_seconds
from skgen import VariationalAutoencoder
from skgen.vae.likelihoods import Bernoulli
from skgen.vae.networks import Autoencoder, mlp
from skgen.vae.training import Settings, Trainer, initial_state

N_SCORE_SAMPLES = 100


def network(n_features, width=200):
    encoder = mlp(n_features, (width, width), 100, "tanh")
    decoder = mlp(50, (width, width), n_features, "tanh")
    return Autoencoder(encoder, decoder, Bernoulli().build(n_features), 50)


def bare_step(model, optimizer, X):
    mean, log_variance = model.encoder(X).chunk(2, dim=-1)
    H = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
    logits = model.decoder(H)
    loss = functional.binary_cross_entropy_with_logits(logits, X, reduction="sum")
    kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum()
    optimizer.zero_grad()
    ((loss + kl) / len(X)).backward()
    optimizer.step()


def usual_step(model, optimizer, X):
    optimizer.zero_grad()
    mean, log_variance = model.encoder(X).chunk(2, dim=-1)
    std = torch.exp(0.5 * log_variance)
    probability = torch.sigmoid(model.decoder(mean + torch.randn_like(std) * std))
    cross_entropy = functional.binary_cross_entropy(probability, X, reduction="sum")
    kl = -0.5 * torch.sum(1 + log_variance - mean.pow(2) - log_variance.exp())
    loss = cross_entropy + kl
    loss.backward()
    optimizer.step()
    return loss.item()


def run(path, quick, device="cpu"):
    name, X = image_rows(path)
    X = X[: 2000 if quick else 10_000]
    n_rounds = 3 if quick else 15
    rows = []
    for batch_size in (100, 500):
        what = f"{name}: epoch, batch {batch_size}"
        rows += compared(what, epochs(X, batch_size, device), n_rounds)
        rows += work(what, rows, X, batch_size)
    what = f"{name}: log p of 100 rows, {N_SCORE_SAMPLES} samples"
    rows += compared(what, likelihoods(X, device), n_rounds)
    return rows + growth(X[:2000], device)


def epochs(X, batch_size, device):
    """Functions that train for one epoch each."""
    data = torch.from_numpy(X).to(device)
    floats = data.float()
    batches = [batch.clone() for batch in floats.split(batch_size)]
    loader = DataLoader(
        TensorDataset(torch.from_numpy(X).float()), batch_size=batch_size, shuffle=True
    )
    models = [network(X.shape[1]).to(device) for _ in range(3)]
    fused = torch.optim.Adam(models[0].parameters(), lr=1e-3, fused=True)
    usual, lean = (
        torch.optim.Adam(model.parameters(), lr=1e-3) for model in models[1:]
    )

    def loop(step, model, optimizer):
        for (batch,) in loader:
            step(model, optimizer, batch.to(device))

    functions = {
        "ours": our_epoch(data, batch_size, device),
        "ours, compiled": our_epoch(data, batch_size, device, compile=True),
        "floor": lambda: [bare_step(models[0], fused, batch) for batch in batches],
        "loop": lambda: loop(usual_step, models[1], usual),
        "leaner loop": lambda: loop(bare_step, models[2], lean),
    }
    if importlib.util.find_spec("pythae"):
        functions["pythae"] = pythae_epoch(X, batch_size, device)
    return {who: finished(function, device) for who, function in functions.items()}


def finished(function, device):
    """The function, made to wait until the device has finished its work."""

    def call():
        function()
        if device != "cpu":
            torch.zeros(1, device=device).item()

    return call


def our_epoch(data, batch_size, device, width=200, n_draws=1, compile=False):
    settings = Settings(
        batch_size, "elbo", n_draws, 0.0, 0.999, "float32", compile=compile
    )
    trainer = Trainer(data, settings)
    rates, kl_weights = np.full(trainer.n_updates, 1e-3), np.ones(trainer.n_updates)
    model = network(data.shape[1], width).to(device)
    state = initial_state(model, np.random.default_rng(0))

    def epoch():
        nonlocal state
        state = trainer.epoch(state, rates, kl_weights)

    epoch()  # compiles
    return epoch


def pythae_model(n_features, device):
    """The same network as a pythae model."""
    from pythae.models import VAE, VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder

    ours = network(n_features)

    class Encoder(BaseEncoder):
        def __init__(self):
            super().__init__()
            self.layers = ours.encoder

        def forward(self, X):
            mean, log_variance = self.layers(X).chunk(2, dim=-1)
            return ModelOutput(embedding=mean, log_covariance=log_variance)

    class Decoder(BaseDecoder):
        def __init__(self):
            super().__init__()
            self.layers = ours.decoder

        def forward(self, H):
            return ModelOutput(reconstruction=torch.sigmoid(self.layers(H)))

    config = VAEConfig(
        input_dim=(n_features,), latent_dim=50, reconstruction_loss="bce"
    )
    return VAE(config, encoder=Encoder(), decoder=Decoder()).to(device)


def pythae_epoch(X, batch_size, device):
    from pythae.data.datasets import BaseDataset
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    rows = torch.from_numpy(X).float()
    with tempfile.TemporaryDirectory() as folder:
        trainer = BaseTrainer(
            pythae_model(X.shape[1], device),
            BaseDataset(rows, torch.zeros(len(rows))),
            training_config=BaseTrainerConfig(
                output_dir=folder,
                per_device_train_batch_size=batch_size,
                learning_rate=1e-3,
                no_cuda=device == "cpu",
            ),
        )
        trainer.prepare_training()
    trainer.callback_handler.callbacks = []
    return lambda: trainer.train_step(1)


def likelihoods(X, device):
    """Functions that estimate log p(x) of the same rows, with equal sample counts."""
    vae = VariationalAutoencoder(
        50,
        hidden_layer_sizes=(200, 200),
        activation="tanh",
        likelihood="bernoulli",
        max_iter=1,
        early_stopping=False,
        device=device,
        random_state=0,
    ).fit(X[:1000])
    rows = X[:100]
    functions = {
        "ours": lambda: vae.log_likelihood(rows, n_samples=N_SCORE_SAMPLES),
    }
    if importlib.util.find_spec("pythae"):
        model = pythae_model(X.shape[1], device)
        data = torch.from_numpy(rows).float().to(device)

        def get_nll():
            with torch.no_grad():
                model.get_nll(data, N_SCORE_SAMPLES, batch_size=N_SCORE_SAMPLES)

        functions["pythae, get_nll"] = get_nll
    return functions


def work(what, rows, X, batch_size):
    """Arithmetic and memory traffic per second of our epoch, by the least it must do.

    The operations are the multiplications and additions of the matrix products, one
    pass forward and two backward. The bytes are the rows and, for each update, three
    reads of the weights and Adam's four reads and three writes of arrays of that size.
    """
    (seconds,) = (
        row["seconds"] for row in rows if row["what"] == what and row["who"] == "ours"
    )
    n_weights = sum(value.numel() for value in network(X.shape[1]).parameters())
    n_updates = -(-len(X) // batch_size)
    operations = 6 * n_weights * len(X)
    n_bytes = X.nbytes + 4 * n_weights * n_updates * (3 + 7)
    return [
        {
            "what": f"{what}: work",
            "who": "ours",
            "seconds": seconds,
            "GFLOP/s": round(operations / seconds / 1e9, 1),
            "GB/s": round(n_bytes / seconds / 1e9, 1),
        }
    ]


def growth(X, device):
    """Seconds of an epoch (medians of five) while one size at a time doubles."""
    sizes = {"rows": len(X), "width": 200, "draws": 1}
    rows = []
    for what in sizes:
        for factor in (1, 2, 4):
            size = sizes | {what: factor * sizes[what]}
            data = torch.from_numpy(np.tile(X, (size["rows"] // len(X), 1))).to(device)
            epoch = our_epoch(data, 100, device, size["width"], size["draws"])
            seconds = np.median(interleaved_seconds([finished(epoch, device)], 5))
            label = ", ".join(f"{number} {name}" for name, number in size.items())
            row = {"what": f"epoch, {label}", "who": "ours"}
            rows.append(row | {"seconds": round(float(seconds), 4)})
    return rows
