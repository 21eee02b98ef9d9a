"""Which certificates are believed and shown, as docker and podman lay them out.

    <certs.d>/<host[:port]>/*.crt            certificate authorities, besides the system's
    <certs.d>/<host[:port]>/NAME.cert, .key  a client's certificate and its key

The system's authorities are those of OpenSSL, so SSL_CERT_FILE and SSL_CERT_DIR replace them.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Sequence
from pathlib import Path

from podrun.registry.types import RegistryError

# Where distributions keep them, for a Python whose OpenSSL was built for another place.
_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)


def directories(host: str, certs_dirs: Sequence[str]) -> list[Path]:
    """Those of ``certs_dirs`` that know ``host`` (with its port, if it has one)."""
    if "/" in host or host in {"", ".", ".."}:
        return []
    return [path for base in certs_dirs if (path := Path(base, host)).is_dir()]


def context(host: str, certs_dirs: Sequence[str], *, verify: bool) -> ssl.SSLContext:
    """For connections to ``host``. Raises RegistryError when a file of certs.d is not usable."""
    made = ssl.create_default_context()
    if not verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    elif not _has_system_authorities():
        _load_bundle(made)
    for directory in directories(host, certs_dirs):
        _load(made, directory)
    return made


def _has_system_authorities() -> bool:
    paths = ssl.get_default_verify_paths()
    named = any(os.environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"))
    return named or bool(paths.cafile or paths.capath)


def _load_bundle(made: ssl.SSLContext) -> None:
    for bundle in _BUNDLES:
        if os.path.exists(bundle):
            made.load_verify_locations(bundle)
            return


def _load(made: ssl.SSLContext, directory: Path) -> None:
    for path in sorted(directory.iterdir()):
        try:
            if path.suffix == ".crt":
                made.load_verify_locations(path)
            elif path.suffix == ".cert":
                made.load_cert_chain(path, _partner(path, ".key"), password=_no_password)
            elif path.suffix == ".key":
                _partner(path, ".cert")
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise RegistryError(f"cannot use {path}: {error}") from None


def _no_password() -> str:
    raise ValueError("the key has a passphrase")  # else OpenSSL would ask the terminal


def _partner(path: Path, suffix: str) -> Path:
    partner = path.with_suffix(suffix)
    if not partner.exists():
        raise ValueError(f"there is no {partner.name} beside it")
    return partner


def refused_hint(host: str) -> str:
    """What to do about a certificate that is not believed."""
    named = os.environ.get("SSL_CERT_FILE")
    if named and not os.path.exists(named):
        return f"SSL_CERT_FILE names {named}, which does not exist"
    return (
        f"put its authority's certificate into /etc/containers/certs.d/{host}/ca.crt, "
        "or mark the registry insecure in registries.conf"
    )
