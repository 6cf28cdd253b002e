"""Entry point of `python -m mm_trio`."""

from mm_trio.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
