"""Being here puts this folder on the import path, so that every test can `import media`."""

import os

# As the command does: idle OpenMP threads spin by default, and starve whatever else runs on the machine.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
