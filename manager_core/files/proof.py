"""How a process of the service proves to an API on another host that it is one. Pure.

The proof is an HMAC-SHA256, under a key derived from `CLOUDIFY_SECRET_KEY`, over what is asked for and when. It is good
for that one request on that one file, for a few minutes; the body of an upload is bound by the hash it is named with.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import UTC, datetime

from manager_core.errors import Unauthorized

SCHEME = "Cloudify-Worker"
PURPOSE = "stored files between hosts"
"""What the key is derived for; a key of this purpose opens nothing else."""

TOLERANCE_SECONDS = 300
"""How far the clocks of two hosts may be apart, plus the age of a proof."""

_FORM = re.compile(rf"^{SCHEME} ([0-9]{{1,12}}):([0-9a-f]{{64}})$")


def prove(key: bytes, method: str, kind: str, content_hash: str, now: datetime) -> str:
    """Return the `Authorization` header of a request.

    Args:
        key: 32 bytes, see `PURPOSE`.
        method: of HTTP.
        kind: of the file, for instance `blueprints`.
        content_hash: the file's SHA-256 in hexadecimal.
        now: aware.
    """
    moment = int(now.timestamp())
    return f"{SCHEME} {moment}:{_mac(key, method, kind, content_hash, moment)}"


def check(key: bytes, header: str | None, method: str, kind: str, content_hash: str, now: datetime) -> None:
    """Accept a request, or say why not; arguments as for `prove`.

    Raises:
        Unauthorized: no proof, one that is too old or of the future, or one made under another key.
    """
    found = _FORM.match(header or "")
    if found is None:
        raise Unauthorized(
            "This address is for the manager's own processes, and needs the proof that they make from "
            "CLOUDIFY_SECRET_KEY"
        )
    moment = int(found[1])
    if not hmac.compare_digest(found[2], _mac(key, method, kind, content_hash, moment)):
        raise Unauthorized("The proof was made under another CLOUDIFY_SECRET_KEY than this API's, or for another file")
    if abs(now.timestamp() - moment) > TOLERANCE_SECONDS:
        raise Unauthorized(
            f"The proof is of {datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S} UTC, and this API's clock says "
            f"{now.astimezone(UTC):%Y-%m-%d %H:%M:%S}: more than {TOLERANCE_SECONDS} seconds are between"
        )


def _mac(key: bytes, method: str, kind: str, content_hash: str, moment: int) -> str:
    text = "\n".join((method.upper(), kind, content_hash, str(moment)))
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
