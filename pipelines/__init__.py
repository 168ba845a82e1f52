"""When the pipeline runs, where, and with what settings."""

import gc
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
"""The project."""

# Threads of XGBoost that wait for each other by spinning eat the cores of whatever else runs on the machine: with one
# other busy process, training took three times the CPU. Read by OpenMP when it is loaded, hence here.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# Polars holds on to freed memory for a second and a half, and reads faster than that: of the peak of twenty million
# transactions, a fifth was nobody's. A container is judged by what it holds. Read by Polars when it is loaded.
os.environ.setdefault("_RJEM_MALLOC_CONF", "dirty_decay_ms:100,muzzy_decay_ms:0")

# Modules and definitions are millions of objects that live as long as the process. With Python's own thresholds they
# were all looked through nine times in a small night, for a sixth of its processor time.
gc.set_threshold(20_000, 10, 10)
