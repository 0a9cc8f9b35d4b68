# SPDX-License-Identifier: BSD-2-Clause
"""The modules of the benchmarks, for their own tests."""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
