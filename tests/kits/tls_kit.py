"""A certificate of this machine's own, made anew by each test that wants one, and servers on loopback that have it."""

from __future__ import annotations

import base64
import hashlib
import ssl
import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import trio
from Crypto.Hash import SHA256
from Crypto.PublicKey import ECC
from Crypto.Signature import DSS
from Crypto.Util.asn1 import DerObjectId

from mm_trio.transport.wire import WIRE_FAILURES

__all__ = ["Certificate", "Serve", "join", "listening", "make_certificate", "serve_tls"]

DEADLINE_S = 60.0
Serve = Callable[[trio.abc.Stream], Awaitable[None]]

_TRUE = b"\x01\x01\xff"


@dataclass(frozen=True)
class Certificate:
    """Certificate and key as files of PEM."""

    certificate: Path
    key: Path

    def make_server_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate, self.key)
        return context

    def make_client_context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.certificate))


def _der(tag: int, *parts: bytes) -> bytes:
    """One value of DER, by its tag."""
    content = b"".join(parts)
    n = len(content)
    length = bytes([n]) if n < 128 else bytes([0x82]) + n.to_bytes(2, "big")
    return bytes([tag]) + length + content


def _sequence(*parts: bytes) -> bytes:
    return _der(0x30, *parts)


def _oid(dotted: str) -> bytes:
    return bytes(DerObjectId(dotted).encode())


def _extension(oid: str, value: bytes, *, critical: bool = False) -> bytes:
    return _sequence(_oid(oid), _TRUE if critical else b"", _der(0x04, value))


def make_certificate(folder: Path, *, name: str = "localhost") -> Certificate:
    """Make a certificate that vouches for `name` and 127.0.0.1, signed by itself."""
    key = ECC.generate(curve="p256")
    public = key.public_key().export_key(format="DER")
    algorithm = _sequence(_oid("1.2.840.10045.4.3.2"))  # ECDSA with SHA-256
    subject = _sequence(_der(0x31, _sequence(_oid("2.5.4.3"), _der(0x0C, name.encode()))))
    # It may sign, also certificates. It vouches for a DNS name and an IP address.
    extensions = _sequence(
        _extension("2.5.29.19", _sequence(_TRUE), critical=True),
        _extension("2.5.29.15", b"\x03\x02\x02\x84", critical=True),
        _extension("2.5.29.14", _der(0x04, hashlib.sha1(public).digest())),
        _extension("2.5.29.17", _sequence(_der(0x82, name.encode()), _der(0x87, bytes([127, 0, 0, 1])))),
    )
    body = _sequence(
        *(_der(0xA0, b"\x02\x01\x02"), _der(0x02, b"\x01"), algorithm, subject),
        _sequence(_der(0x17, b"200101000000Z"), _der(0x17, b"491231235959Z")),
        *(subject, public, _der(0xA3, extensions)),
    )
    signature: bytes = DSS.new(key, "fips-186-3", encoding="der").sign(SHA256.new(body))
    whole = _sequence(body, algorithm, _der(0x03, b"\x00", signature))
    text = "\n".join(textwrap.wrap(base64.b64encode(whole).decode(), 64))
    made = Certificate(folder / f"{name}.crt", folder / f"{name}.key")
    made.certificate.write_text(f"-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
    made.key.write_text(key.export_key(format="PEM"))
    return made


@asynccontextmanager
async def listening(serve: Serve) -> AsyncIterator[int]:
    """The port of a server that serves each connection so."""
    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")

        async def serve_one(stream: trio.SocketStream) -> None:
            async with stream:
                with suppress(*WIRE_FAILURES):
                    await serve(stream)

        nursery.start_soon(trio.serve_listeners, serve_one, [listener])
        with trio.fail_after(DEADLINE_S):
            yield listener.socket.getsockname()[1]
        nursery.cancel_scope.cancel()


async def join(stream: trio.abc.Stream, port: int, *, greeting: bytes = b"") -> None:
    """Carry bytes between a connection and a port of this machine, until one of them ends."""
    async with await trio.open_tcp_stream("127.0.0.1", port) as behind, trio.open_nursery() as nursery:

        async def copy(source: trio.abc.Stream, target: trio.abc.Stream) -> None:
            with suppress(*WIRE_FAILURES):
                while data := await source.receive_some():
                    await target.send_all(data)
            nursery.cancel_scope.cancel()

        if greeting:
            await stream.send_all(greeting)
        nursery.start_soon(copy, stream, behind)
        nursery.start_soon(copy, behind, stream)


def serve_tls(certificate: Certificate, port: int) -> Serve:
    """A server that speaks TLS before one that does not."""

    async def serve(stream: trio.abc.Stream) -> None:
        tls = trio.SSLStream(stream, certificate.make_server_context(), server_side=True, https_compatible=True)
        await join(tls, port)

    return serve
