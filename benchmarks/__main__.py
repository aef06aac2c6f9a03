"""python -m benchmarks NAME [--data FILE.npz] [--quick] [--device cuda]"""

import argparse
import importlib

from benchmarks.common import write_table

MODULES = {
    "anomalies": "benchmarks.anomalies",
    "classification": "benchmarks.classification",
    "imputation": "benchmarks.imputation",
    "rbm-defaults": "benchmarks.rbm_defaults",
    "rbm-likelihood": "benchmarks.rbm_likelihood",
    "rbm-partition": "benchmarks.rbm_partition",
    "rbm-speed": "benchmarks.rbm_speed",
    "rbm-tables": "benchmarks.rbm_tables",
    "scale": "benchmarks.scale",
    "tables": "benchmarks.tables",
    "vae-likelihood": "benchmarks.vae_likelihood",
    "vae-speed": "benchmarks.vae_speed",
    "vae-tables": "benchmarks.vae_tables",
}

parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
parser.add_argument("name", choices=sorted(MODULES))
parser.add_argument(
    "--data",
    help="an .npz file with X_train and X_test, of frames a .csv; default: data of "
    "scikit-learn",
)
parser.add_argument(
    "--quick", action="store_true", help="a small run, to see that it works"
)
parser.add_argument("--device", default="cpu", help="only for vae-speed; default: cpu")
arguments = parser.parse_args()

module = importlib.import_module(MODULES[arguments.name])
options = {"device": arguments.device} if arguments.name == "vae-speed" else {}
write_table(arguments, module.run(arguments.data, arguments.quick, **options))
