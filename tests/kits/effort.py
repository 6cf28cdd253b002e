"""How many examples: a fair number in the normal run, `MM_TRIO_EXAMPLES` times as many where that is set."""

from __future__ import annotations

import os

FACTOR = int(os.environ.get("MM_TRIO_EXAMPLES", "1"))
