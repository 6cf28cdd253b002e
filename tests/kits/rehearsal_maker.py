"""The program with a sandbox in the place of mainnet: `rehearsal_maker.py URL run --config FILE --live`.

The one seam for rehearsing real money. It lies among the tests, and replaces the address inside this process before
the program begins; the program itself reads that address from its own code alone.
"""

from __future__ import annotations

import sys
from urllib.parse import urlsplit

# The folder of this file has modules of the tests' own names.
sys.path.pop(0)

from mm_trio.cli.main import main
from mm_trio.limits.hosts import VENUE_URLS

if __name__ == "__main__":
    url = sys.argv[1]
    assert urlsplit(url).hostname == "127.0.0.1", url
    VENUE_URLS["mainnet"] = url
    # Nothing of a rehearsal may reach the other real one either.
    VENUE_URLS["testnet"] = "http://127.0.0.1:9"
    sys.exit(main(sys.argv[2:]))
