"""Messages of Amazon SNS over HTTPS: the envelope, its signature, and the subscription to be confirmed.

https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
https://docs.aws.amazon.com/sns/latest/dg/http-subscription-confirmation-json.html

Anybody may have a topic whose messages Amazon signs, so the signature proves nothing without the topic:
only topics that are known here are let in, and for no other is anything fetched.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial

from .event import Fetch, Ignored, MalformedError, UnauthorizedError, WebhookEvent, printable
from .payload import Payload, decode_text
from .signature import any_equal, present

MARK = "X-Amz-Sns-Message-Type"
TOPIC = re.compile(r"arn:aws:sns:(?P<region>[a-z0-9-]+):[0-9]{12}:[A-Za-z0-9_.-]{1,256}")
NOTIFICATION = "Notification"
SUBSCRIPTION = "SubscriptionConfirmation"
#: What is signed of each type, in this order; a notification without a subject has none to sign.
SIGNED = {
    NOTIFICATION: ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    SUBSCRIPTION: ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    "UnsubscribeConfirmation": ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
OPTIONAL = "Subject"
CERTIFICATE_PATH = re.compile(r"/SimpleNotificationService-[0-9a-f]{8,64}\.pem")
CONFIRM_PATH = re.compile(r"/\?Action=ConfirmSubscription&[A-Za-z0-9&=%:._~+/-]{1,2000}")

#: The text of a message and the message's id, printable, to an event.
Read = Callable[[str, str], WebhookEvent]


def receive(body: bytes, topics: Sequence[bytes], read: Read) -> WebhookEvent:
    """Ask for the certificate that signed this envelope; what a topic that is known here says goes to `read`."""
    known = present(topics)
    envelope = decode_text(body)
    topic = envelope.text("TopicArn")
    match = TOPIC.fullmatch(topic)
    if not any_equal(known, topic.encode()) or match is None:
        raise UnauthorizedError("TopicArn is no topic that is known here.")
    url = _at_amazon(envelope.text("SigningCertURL"), match["region"], CERTIFICATE_PATH)
    if not url:
        raise UnauthorizedError("SigningCertURL is no certificate of Amazon SNS in the topic's region.")
    return Fetch(url, lasting=True, resume=partial(_certified, envelope, match["region"], read))


def _certified(envelope: Payload, region: str, read: Read, certificate: bytes) -> WebhookEvent:
    kind = envelope.text("Type")
    names = SIGNED.get(kind)
    if names is None:
        raise MalformedError(f"Type must be one of {', '.join(SIGNED)}, not {printable(kind)!r}.")
    fields = [(name, envelope.text(name)) for name in names if name != OPTIONAL or envelope.has(name)]
    text = "".join(f"{name}\n{value}\n" for name, value in fields).encode()
    _verify(text, envelope, certificate)
    if kind == NOTIFICATION:
        return read(envelope.text("Message"), printable(envelope.text("MessageId")))
    if kind == SUBSCRIPTION:
        url = _at_amazon(envelope.text("SubscribeURL"), region, CONFIRM_PATH)
        if not url:
            raise MalformedError("SubscribeURL is no address of Amazon SNS in the topic's region.")
        return Fetch(url, lasting=False, resume=lambda _: Ignored("The subscription is confirmed."))
    return Ignored("The subscription has ended.")


def _at_amazon(url: str, region: str, path: re.Pattern[str]) -> str:
    """The address, if it is Amazon's for this region and leads to such a path; nothing otherwise."""
    place = f"https://sns.{region}.amazonaws.com"
    return url if url.startswith(f"{place}/") and path.fullmatch(url.removeprefix(place)) else ""


def _verify(text: bytes, envelope: Payload, certificate: bytes) -> None:
    # Nobody else needs these, and they take a moment to load.
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.hashes import SHA1, SHA256  # noqa: PLC0415
    from cryptography.x509 import load_pem_x509_certificate  # noqa: PLC0415

    # SHA-1 is what topics use unless they are set to version 2. It is no longer safe against one who
    # chooses both messages, which nobody but Amazon can here.
    algorithm = {"1": SHA1, "2": SHA256}.get(envelope.text("SignatureVersion"))
    if algorithm is None:
        raise UnauthorizedError("SignatureVersion must be 1 or 2.")
    try:
        parsed = load_pem_x509_certificate(certificate)
        key = parsed.public_key()
        signature = b64decode(envelope.text("Signature"), validate=True)
    except (ValueError, UnsupportedAlgorithm, binascii.Error) as error:
        raise UnauthorizedError("The signature or its certificate cannot be read.") from error
    if not parsed.not_valid_before_utc <= datetime.now(UTC) <= parsed.not_valid_after_utc:
        raise UnauthorizedError("The certificate that signed this is not valid now.")
    if not isinstance(key, RSAPublicKey):
        raise UnauthorizedError("The certificate that signed this holds no RSA key.")
    try:
        key.verify(signature, text, PKCS1v15(), algorithm())
    except InvalidSignature as error:
        raise UnauthorizedError("The signature is not of this message.") from error
