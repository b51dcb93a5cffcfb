"""What can be wrong with a configuration, as sentences: one for each problem, with its fix.

Used by the constructors, which collect all of them and raise one `ConfigurationError`. Nothing here
repeats a secret.
"""

from collections.abc import Collection, Mapping
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from atjwt.core.jwk import ALGORITHMS
from atjwt.core.key_set import KeySet, read_key_set, secret_key_set
from atjwt.core.profile import PROFILES, Profile


def is_loopback(host: str | None) -> bool:
    """Whether a host is this machine."""
    if host is None:
        return False
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def host_of(url: object) -> str | None:
    """The host of a URL; None if it is none."""
    try:
        return urlsplit(url).hostname if isinstance(url, str) else None
    except ValueError:
        return None


def url_problems(name: str, url: object, *, unsafe_http: bool) -> list[str]:
    """What is wrong with the address of an issuer or of something that an issuer publishes.

    https only, except on this machine or where `unsafe_http` says otherwise (RFC 8414 section 2).
    """
    if not isinstance(url, str) or not url:
        return [f"{name}: give a URL, such as https://issuer.example.com"]
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return [f"{name}: this is no URL; give one such as https://issuer.example.com"]
    problems = []
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        problems.append(f"{name}: this is no URL; give one such as https://issuer.example.com")
    elif parts.scheme == "http" and not unsafe_http and not is_loopback(parts.hostname):
        problems.append(f"{name}: http is for loopback only; use https, or say unsafe_http=True")
    if _has_forbidden_parts(url, parts):
        problems.append(f"{name}: take the user, password, query, fragment or space out of it")
    return problems


def _has_forbidden_parts(url: str, parts: SplitResult) -> bool:
    query = "?" in url or "#" in url
    return query or "@" in parts.netloc or any(not "!" <= char <= "~" for char in url)


def auth0_problems(issuer: object) -> list[str]:
    """An Auth0 issuer ends with a slash, and every token of the tenant would be refused without."""
    host = host_of(issuer)
    if host and host.endswith(".auth0.com") and not str(issuer).endswith("/"):
        return [
            "issuer: an Auth0 issuer ends with a slash; add it, or write"
            f' TrustedIssuer.auth0("{host}")'
        ]
    return []


def profile_problems(profiles: object) -> list[str]:
    """What is wrong with a set of profiles."""
    listed = profiles if isinstance(profiles, Collection) else ()
    if listed and all(isinstance(profile, Profile) for profile in listed):
        return []
    return ["profiles: give a set of AUTH0, RFC9068 or both"]


def renamed_problems(names: Mapping[str, object]) -> list[str]:
    """What is wrong with the names that an issuer gives to claims."""
    own = {member.name for profile in PROFILES.values() for member in profile.members}
    problems = []
    for claim, name in names.items():
        if name is not None and (not isinstance(name, str) or not name.strip()):
            problems.append(f"{claim}_claim: give the claim's name, or leave it out")
        elif name in own - {claim}:
            problems.append(f"{claim}_claim: {name} means something else; give the claim it is in")
    return problems


def algorithm_problems(algorithms: object, *, secret: bool) -> list[str]:
    """What is wrong with a list of algorithms."""
    if isinstance(algorithms, str) or not isinstance(algorithms, Collection):
        example = algorithms if isinstance(algorithms, str) else "RS256"
        return [f"algorithms: give a list, such as [{example!r}]"]
    if not algorithms:
        return ["algorithms: give at least one, or leave it out"]
    if not all(isinstance(name, str) for name in algorithms):
        return ["algorithms: each must be a string"]
    known = sorted(ALGORITHMS.keys() - {"HS256"})
    unknown = [name for name in algorithms if name not in ALGORITHMS]
    problems = [f"algorithms: {name!r} is not one of {', '.join(known)}, HS256" for name in unknown]
    if secret and set(algorithms) != {"HS256"}:
        problems.append("algorithms: with a secret only HS256 is possible; leave algorithms out")
    if not secret and "HS256" in algorithms:
        problems.append("algorithms: HS256 needs secret=..., and allows no other beside it")
    return problems


def read_keys(jwks_uri: object, jwks: object, secret: object) -> tuple[list[str], KeySet | None]:
    """The keys that a configuration brings along, and what is wrong with them."""
    if sum(source is not None for source in (jwks_uri, jwks, secret)) > 1:
        return ["give one of jwks_uri, jwks and secret"], None
    if secret is not None:
        return _read_secret(secret)
    if jwks is not None:
        if not isinstance(jwks, Mapping):
            return ["jwks: give a JWK Set, an object with `keys`"], None
        try:
            return [], read_key_set(jwks)
        except ValueError as error:
            return [f"jwks: {error}; give a JWK Set with a public signing key"], None
    return [], None


def _read_secret(secret: object) -> tuple[list[str], KeySet | None]:
    value = secret
    if isinstance(secret, str):
        try:
            value = secret.encode("utf-8")
        except UnicodeEncodeError:
            value = b""
    if not isinstance(value, bytes) or len(value.strip()) < 32:
        return ["secret: HS256 needs at least 32 bytes (RFC 7518 section 3.2)"], None
    if value.lstrip().startswith((b"-----BEGIN", b"ssh-", b"{")):
        return ["secret: this is the key of a key pair, not a secret; give jwks=… instead"], None
    return [], secret_key_set(value)


def audience_problems(audience: object) -> list[str]:
    """What is wrong with the API's name or names."""
    names = [audience] if isinstance(audience, str) else audience
    if not isinstance(names, Collection) or not names:
        return ["audience: give the API's identifier, such as https://api.example.com/"]
    if not all(isinstance(name, str) and name.strip() for name in names):
        return ["audience: each identifier must be a string with content"]
    if any(name != name.strip() for name in names):
        return ["audience: take the blanks around it away; it is compared exactly"]
    return [
        "audience: an issuer's /userinfo is no API of yours; give your API's own identifier"
        for name in names
        if name.endswith("/userinfo")
    ]


def number_problems(
    name: str, value: object, least: float, most: float, *, whole: bool = False
) -> list[str]:
    """What is wrong with a number; a bool is none."""
    kinds = int if whole else int | float
    if isinstance(value, kinds) and not isinstance(value, bool) and least <= value <= most:
        return []
    return [f"{name}: give a {'whole ' if whole else ''}number from {least:g} to {most:g}"]
