"""A certificate like Amazon SNS' own, the messages that it signs, and a server that is at its addresses."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from trueup.clients.sns import SnsReader

HOST = "sns.eu-west-1.amazonaws.com"
TOPIC = b"arn:aws:sns:eu-west-1:123456789012:deploy"
NOTIFIED = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
ASKED = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")


@dataclass(frozen=True, slots=True)
class Signer:
    key: RSAPrivateKey
    certificate: bytes

    def sign(self, envelope: dict[str, Any], *, version: str = "1") -> bytes:
        """The message as it is sent."""
        names = NOTIFIED if envelope.get("Type") == "Notification" else ASKED
        text = "".join(f"{name}\n{envelope[name]}\n" for name in names if name in envelope).encode()
        signature = self.key.sign(text, PKCS1v15(), SHA1() if version == "1" else SHA256())  # noqa: S303 -- Amazon's
        signed = {"SignatureVersion": version, "Signature": base64.b64encode(signature).decode()}
        return json.dumps(envelope | signed).encode()


def make_signer(*, days: int = 1) -> Signer:
    """With a certificate that is valid from yesterday for so many days."""
    key = generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    begins = datetime.now(UTC) - timedelta(days=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=days, hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    return Signer(key, certificate.public_bytes(Encoding.PEM))


@cache
def amazon() -> Signer:
    return make_signer()


@dataclass(slots=True)
class Stand:
    """What stands at Amazon's address, and what it was asked."""

    port: int
    trusted: ssl.SSLContext
    asked: list[str] = field(default_factory=list)
    #: What it answers instead of the certificate.
    answer: web.Response | None = None

    def connector(self) -> aiohttp.TCPConnector:
        """Resolves every name to the stand, and trusts its certificate alone."""
        return aiohttp.TCPConnector(ssl=self.trusted, resolver=_Here(self.port))

    def reader(self) -> SnsReader:
        return SnsReader(connector=self.connector)


class _Here(AbstractResolver):
    def __init__(self, port: int) -> None:
        self._port = port

    async def resolve(self, host: str, port: int = 0, family: int = 0) -> list[ResolveResult]:  # noqa: ARG002
        return [ResolveResult(hostname=host, host="127.0.0.1", port=self._port, family=2, proto=0, flags=0)]

    async def close(self) -> None:
        pass


@asynccontextmanager
async def standing(directory: Path, signer: Signer | None = None) -> AsyncIterator[Stand]:
    """A TLS server on a port of its own that answers as Amazon SNS does."""
    signer = signer or amazon()
    pem = directory / "amazon.pem"
    secret = signer.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    pem.write_bytes(signer.certificate + secret)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    trusted = ssl.create_default_context(cadata=signer.certificate.decode())
    stand = Stand(0, trusted)

    async def answer(request: web.Request) -> web.Response:
        stand.asked.append(request.path_qs)
        if stand.answer is not None:
            return web.Response(
                status=stand.answer.status, body=stand.answer.body, headers={"Location": "https://example.com/"}
            )
        return web.Response(body=signer.certificate if request.path.endswith(".pem") else b"<ConfirmSubscription/>")

    application = web.Application()
    application.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    patch = pytest.MonkeyPatch()
    patch.setenv("no_proxy", HOST)
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        stand.port = runner.addresses[0][1]
        yield stand
    finally:
        patch.undo()
        await runner.cleanup()
