"""When the pipeline runs, where, and with what settings."""

import os

# Threads of XGBoost that wait for each other by spinning eat the cores of whatever else runs on the machine: with one
# other busy process, training took three times the CPU. Read by OpenMP when it is loaded, hence here.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
