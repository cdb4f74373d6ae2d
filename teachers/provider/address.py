"""The address of a provider, checked when the configuration is read: not after a night of plays."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

from teachers.base.finding import ProbeFinding

LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"it is no address: {error}") from error
    if parts.scheme not in {"http", "https"} or not host:
        raise ValueError("write http://HOST or https://HOST, with a port and a path where the server wants them")
    if "@" in parts.netloc:
        raise ValueError("name and password have no place in it; name the key's variable in 'key_env'")
    if parts.query or parts.fragment or not url.isprintable() or " " in url:
        raise ValueError("it ends with a path: no '?', '#', blank or control character")
    return url


BaseUrl = Annotated[str, AfterValidator(_checked)]
"""http or https, without credentials."""


def examined(url: str, *, has_key: bool) -> tuple[ProbeFinding, ...]:
    """Warn where a key would travel in clear text beyond this machine."""
    parts = urlsplit(url)
    if not has_key or parts.scheme == "https" or parts.hostname in LOCAL:
        return ()
    detail = f"http:// sends the key to {parts.hostname} in clear text; use https:// unless you trust the network"
    return (ProbeFinding(name="address", ok=False, detail=detail, weight="should"),)
