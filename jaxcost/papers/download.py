"""Fetching one file from its public place, with its SHA-256 checked before it gets its name."""

from __future__ import annotations

import hashlib
import http.client
import logging
import urllib.error
import urllib.request
from pathlib import Path

from jaxcost._support.files import write_bytes, write_text

_LARGEST = 64 * 2**20
_SECONDS = 30.0


def fetch(url: str, target: Path, *, sha256: str | None = None) -> Path:
    """Download `url` to `target`, and check its SHA-256 before anything can read it.

    Without `sha256`, the digest that an earlier download recorded beside the target is required;
    without that too, this first download is trusted, and its digest recorded in `<target>.sha256`
    and logged, so that any later change shows.

    Args:
        url: where the file is.
        target: where it goes; replaced whole or not at all.
        sha256: the digest expected, 64 hexadecimal digits; keyword-only.

    Returns:
        `target`.

    Raises:
        ConnectionError: the file cannot be had, with the reason and the way round.
        ValueError: what came is not what was expected; nothing of it is kept.
    """
    content = _get(url, target)
    digest = hashlib.sha256(content).hexdigest()
    expected = sha256 or _recorded(target)
    if expected is None:
        logging.getLogger(__name__).warning(
            "no SHA-256 of %s is known: trusting this first download; its digest %s is kept in %s",
            *(url, digest, _record(target)),
        )
    elif digest != expected.lower():
        raise ValueError(
            f"{url}: SHA-256 is {digest}, expected {expected.lower()}; refused, nothing was kept"
        )
    write_bytes(target, content)
    write_text(_record(target), f"{digest}\n")
    return target


def check_sha256(path: Path, sha256: str | None = None) -> None:
    """Check a file against a SHA-256 digest, or else against the one its download recorded, if any.

    Args:
        path: the file.
        sha256: the digest expected, 64 hexadecimal digits.

    Raises:
        ValueError: the file is another one.
    """
    expected = sha256 or _recorded(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if expected is not None and digest != expected.lower():
        raise ValueError(
            f"{path}: SHA-256 is {digest}, expected {expected.lower()}; "
            "the file was changed or damaged, fetch it anew"
        )


def _get(url: str, target: Path) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=_SECONDS) as response:
            content = response.read(_LARGEST + 1)
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise ConnectionError(
            f"cannot download {url} ({reason}); without network, fetch it by hand elsewhere and "
            f"copy it to {target}, or pass the path of your copy"
        ) from None
    if len(content) > _LARGEST:
        raise ValueError(f"{url}: more than {_LARGEST} bytes, which that file has not; refused")
    return content


def _record(target: Path) -> Path:
    return target.with_name(f"{target.name}.sha256")


def _recorded(target: Path) -> str | None:
    record = _record(target)
    return record.read_text().strip() or None if record.is_file() else None
