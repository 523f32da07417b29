"""How webhooks are signed: as Standard Webhooks says, version 1.

Any of its libraries verifies them (https://www.standardwebhooks.com). The signed text is `id.timestamp.body`,
so a copy that is sent again later, or with another body, is told apart.
"""

import base64
import binascii
import hashlib
import hmac

from migsafe.errors import UsageError

_PREFIX = "whsec_"
_LEAST_BYTES = 16


def key_of(secret: str, *, variable: str) -> bytes:
    """The key in a secret: base64 after `whsec_`, else the bytes of the text.

    Raises:
        UsageError: It is no base64, or shorter than 16 bytes. The secret is not repeated.
    """
    try:
        encoded = secret.removeprefix(_PREFIX)
        key = secret.encode() if encoded == secret else base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise UsageError(f"{variable}: what follows '{_PREFIX}' is not base64") from error
    if len(key) < _LEAST_BYTES:
        raise UsageError(
            f"{variable}: the secret is shorter than {_LEAST_BYTES} bytes",
            advice='Make one: echo "whsec_$(openssl rand -base64 32)"',
        )
    return key


def signature(key: bytes, *, message_id: str, timestamp: int, body: bytes) -> str:
    """The value of the header `webhook-signature`; the timestamp is in seconds since 1970."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
