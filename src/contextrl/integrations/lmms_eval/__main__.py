"""`python -m contextrl.integrations.lmms_eval`: the folder for lmms-eval's `--include_path`."""

import sys
from pathlib import Path

sys.stdout.write(f"{Path(__file__).parent}\n")
