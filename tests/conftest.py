"""What holds before any test is imported."""

import os

# As the command does: idle OpenMP threads spin by default, and starve whatever else runs on the machine.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
