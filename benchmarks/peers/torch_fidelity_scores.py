"""FID and inception score by torch-fidelity, of features and logits in a file.

Runs in the environment that `make peers` makes, on nothing of this project:

python torch_fidelity_scores.py FILE.npz

FILE.npz holds "real" and "fake" [n, features] and "logits" [n, classes]; the answer is
one line of JSON.
"""

import json
import sys

import numpy as np
import torch
from torch_fidelity.metric_fid import (
    fid_features_to_statistics,
    fid_statistics_to_metric,
)
from torch_fidelity.metric_isc import isc_features_to_metric

arrays = np.load(sys.argv[1])
statistics = [
    fid_features_to_statistics(torch.from_numpy(arrays[name]))
    for name in ("real", "fake")
]
distance = fid_statistics_to_metric(*statistics, verbose=False)
score = isc_features_to_metric(
    torch.from_numpy(arrays["logits"]), splits=1, shuffle=False
)
print(
    json.dumps(
        {
            "fid": float(distance["frechet_inception_distance"]),
            "is_mean": float(score["inception_score_mean"]),
        }
    )
)
