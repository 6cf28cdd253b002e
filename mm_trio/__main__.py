"""`python -m mm_trio`."""

from mm_trio.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
