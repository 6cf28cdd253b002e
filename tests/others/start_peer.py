"""Starts the asyncio maker `pyperliquidity`, as it is, on another exchange: URL, then the arguments of its command.

Run by its own Python. It picks its address from the SDK's constants by `testnet = true` alone, so that is what is
set here before its command begins; nothing else of it or of the SDK is touched.
"""

from __future__ import annotations

import importlib
import sys

from hyperliquid.utils import constants

constants.TESTNET_API_URL = sys.argv.pop(1)
importlib.import_module("pyperliquidity.cli").main()
