"""Failures of this machine, in words for the operator.

A disk, a file, a port, memory or a thread: none of them is the venue's fault, and none is a bug of ours.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator

from mm_trio.model.errors import LocalError

__all__ = ["describe_local_failure", "find_local_cause"]

# What to do about an error of the operating system, whatever it was asked for.
_REMEDIES = {
    errno.ENOSPC: "free some space, or name another place",
    errno.EDQUOT: "free some of your quota, or name another place",
    errno.EFBIG: "raise the limit of the size of files (ulimit -f)",
    errno.EROFS: "name a place that can be written to",
    errno.EACCES: "change its owner or mode, or name another one",
    errno.EPERM: "change its owner or mode, or what this user may do",
    errno.ENOENT: "check the path",
    errno.ENOTDIR: "check the path",
    errno.EISDIR: "name a file",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "raise the limit of open files of this machine",
    errno.EAGAIN: "raise the limit of processes and threads (ulimit -u)",
    errno.ENOMEM: "free some memory",
    errno.ENOBUFS: "free some memory",
    errno.EADDRINUSE: "end the program that listens there, or choose another port",
    errno.EADDRNOTAVAIL: "choose an address of this machine, or wait until ports are free",
}
# A connection that cannot even be begun because of these says nothing of who would have answered.
_BEFORE_CONNECTING = (
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOMEM,
    errno.ENOBUFS,
    errno.EACCES,
    errno.EPERM,
    errno.EADDRNOTAVAIL,
    errno.EAFNOSUPPORT,
)
# The same cause as an errno, where Python or a loader of libraries says it without one.
_TEXTS = {
    "can't start new thread": "no further thread can be started; raise the limit of processes and threads (ulimit -u), "
    "or free some memory",
    "terminated abruptly": "a worker process was ended from outside, perhaps for want of memory; free some, or use "
    "fewer of them (--jobs)",
    "Too many open files": f"too many open files; {_REMEDIES[errno.EMFILE]}",
    "Cannot allocate memory": f"out of memory; {_REMEDIES[errno.ENOMEM]}",
    "failed to map segment from shared object": f"out of memory; {_REMEDIES[errno.ENOMEM]}",
}
# Their errors derive from OSError, and are about a connection.
_NETWORK_MODULES = ("requests", "urllib3", "ssl", "socket", "http")


def describe_local_failure(error: BaseException) -> str | None:
    """Describe a failure of this machine in one line.

    Gives None for an error that is something else: of a connection, or a bug of ours.
    """
    if isinstance(error, LocalError):
        return str(error)
    if isinstance(error, MemoryError):
        return f"out of memory; {_REMEDIES[errno.ENOMEM]}"
    if isinstance(error, RuntimeError | ImportError):
        return next((words for text, words in _TEXTS.items() if text in str(error)), None)
    if not isinstance(error, OSError) or _is_of_network(error):
        return None
    place = f"{error.filename}: " if error.filename is not None else ""
    remedy = _REMEDIES.get(error.errno or 0)
    return f"{place}{error.strerror or error}" + (f"; {remedy}" if remedy else "")


def find_local_cause(error: BaseException) -> str | None:
    """Find out whether a connection failed because of this machine.

    The reason stands somewhere behind the error of the HTTP library. Gives the words for it, or None.
    """
    for each in _walk_causes(error):
        if not isinstance(each, OSError):
            continue
        if each.errno in (errno.EACCES, errno.EPERM):
            return f"{each.strerror}; a firewall or the rights of this user forbid it"
        # Certificates that are not there are an OSError without a number.
        if each.errno in _BEFORE_CONNECTING or (type(each) is OSError and "certificate" in str(each)):
            return describe_local_failure(OSError(*each.args))
    return None


def _is_of_network(error: OSError) -> bool:
    if isinstance(error, BrokenPipeError):
        return False
    is_broken = isinstance(error, ConnectionError | TimeoutError)
    return is_broken or type(error).__module__.partition(".")[0] in _NETWORK_MODULES


def _walk_causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what it was raised from, outermost first."""
    seen: set[int] = set()
    next_one: BaseException | None = error
    while next_one is not None and id(next_one) not in seen:
        seen.add(id(next_one))
        yield next_one
        next_one = next_one.__cause__ or next_one.__context__
