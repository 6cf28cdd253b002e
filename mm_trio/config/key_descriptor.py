"""Reading of a secret from an open file descriptor.

A container or a service manager opens it for us, so the mode of a file does not matter.
"""

from __future__ import annotations

import re
from select import select

__all__ = ["read_descriptor"]

# More than any key has.
MAX_BYTES = 16 * 1024
DESCRIPTOR_WITHIN_S = 10.0


def read_descriptor(number: str) -> bytes | str:
    """Read an open file descriptor to its end, and close it.

    Return what it holds, or what is wrong with it. A pipe gets some seconds to go on.
    """
    if not re.fullmatch("[0-9]{1,6}", number):
        return (
            "is not a valid file descriptor: it must be the number of an open one, such as 3 with 3< FILE at the end "
            "of the command"
        )
    content = bytearray()
    try:
        with open(int(number), "rb", buffering=0) as file:
            while len(content) <= MAX_BYTES:
                if not select([file], [], [], DESCRIPTOR_WITHIN_S)[0]:
                    return f"did not end in {DESCRIPTOR_WITHIN_S:g} s; close its other end"
                if not (part := file.read(MAX_BYTES)):
                    break
                content += part
    except OSError as error:
        return f"cannot be read: {error.strerror}; open it for this program, such as 3 with 3< FILE at its end"
    except ValueError:
        return "cannot be read: its number is too large; take a lower one"
    return bytes(content)
