"""What can be wrong with an issuer, and with what is configured of it: a table over its evidence."""

from collections.abc import Callable
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from atjwt.core.configuration import host_of, is_loopback
from atjwt.core.jwk import VerificationKey
from atjwt.core.key_set import KeySet, parse_key_set
from atjwt.core.profile import AUTH0, RFC9068
from atjwt.doctor.evidence import Answer, Evidence
from atjwt.doctor.finding import Remarks, ok, problem, shown, warning
from atjwt.fetch import max_age_of
from atjwt.fixes import spoken

_SLASH = "an Auth0 issuer ends with a slash: add it, or write TrustedIssuer.auth0(…)"
_NO_ANSWERS = (
    ("CERTIFICATE_VERIFY_FAILED", "its certificate is of no authority that is trusted here: put the"
     " authority's certificate into a file and name that in SSL_CERT_FILE"),
    ("Name or service", "there is no host of that name: correct the issuer, or the name server"),
    ("getaddrinfo", "there is no host of that name: correct the issuer, or the name server"),
    ("nodename", "there is no host of that name: correct the issuer, or the name server"),
    ("Name has no", "there is no host of that name: correct the issuer, or the name server"),
    ("within", "let this machine reach it (proxy, firewall), or raise KeyPolicy(timeout=…)"),
    ("more than", "such a document is too large for an issuer: find out what answers there"),
    ("", "let this machine reach it: is it up, and is the way there open (proxy, firewall)?"),
)  # fmt: skip
"""A part of what a client says that has no answer → what to do; the first that fits."""


def _identifier(seen: Evidence) -> Remarks:
    url = seen.issuer.issuer
    if not url.startswith("https:") and not is_loopback(host_of(url)):
        yield warning("its URL is http: anybody on the way can put other keys there", "use https")
    if seen.issuer.is_auth0 and not url.endswith("/"):
        yield problem("it is configured as Auth0's and has no slash at its end", _SLASH)
    elif seen.issuer.is_auth0 and not _is_own(host_of(url) or ""):
        yield ok("it is an Auth0 tenant's custom domain: a token that was asked for at the tenant's"
                 " own domain has another issuer, and is refused")  # fmt: skip


def _is_own(host: str) -> bool:
    """Whether a host is a tenant's own, or this machine, where the local issuer is."""
    return host.endswith(".auth0.com") or is_loopback(host)


def _accepted(seen: Evidence) -> Remarks:
    names = " and ".join(sorted(map(str, seen.issuer.profiles)))
    if seen.issuer.profiles == {AUTH0}:
        yield warning(
            "the profile auth0 alone is accepted: changing the API's token profile at Auth0 would"
            " have every new token refused",
            "accept both before that: profiles={AUTH0, RFC9068}",
        )
    else:
        yield ok(
            f"accepted from it: {names}, signed by {', '.join(sorted(seen.issuer.algorithms))}"
        )
    if RFC9068 in seen.issuer.profiles and "HS256" in seen.issuer.algorithms:
        yield warning(
            "HS256: whoever can verify its tokens can also make some",
            "let the issuer sign by a key pair, such as RS256 (RFC 9068 section 2.1)",
        )


def _metadata(seen: Evidence) -> Remarks:
    if seen.issuer.static_keys is not None:
        yield ok("its keys are configured: nothing is ever fetched")
    elif seen.issuer.jwks_uri is not None:
        yield ok("its jwks_uri is configured: no metadata is needed")
    else:
        yield from _found(seen, seen.metadata[-1])


def _found(seen: Evidence, last: Answer) -> Remarks:
    if last.status != 200:
        for answer in seen.metadata:
            if answer is last or answer.status != 404:
                yield from _answered("metadata", answer)
        return
    form = "OpenID Connect Discovery" if len(seen.metadata) == 1 else "RFC 8414"
    if not seen.refused:
        yield ok(f"metadata: found by {form}, and of this very issuer")
        return
    stated = None if seen.document is None else seen.document.get("issuer")
    if seen.document is None:
        fix = "it must be one JSON object: find out what answers there"
    elif stated == seen.issuer.issuer:
        fix = "let it publish an https URL of its keys as jwks_uri, or configure jwks_uri=…"
    elif isinstance(stated, str):
        close = stated.rstrip("/") == seen.issuer.issuer.rstrip("/")
        what = "differs in the slash at its end only" if close else f"is {shown(stated)}"
        fix = f"the issuer there {what}: configure it exactly so, if that is who you trust"
    else:
        fix = "it must name its issuer (RFC 8414 section 2), or configure jwks_uri=…"
    yield problem(f"metadata: {seen.refused}", fix)


def _answered(what: str, answer: Answer) -> Remarks:
    """What is said of an answer that brings nothing."""
    where = f"{what}: {shown(answer.url)}"
    if answer.status is None:
        fix = next(fix for part, fix in _NO_ANSWERS if part in answer.failure)
        yield problem(f"{where}: {shown(answer.failure)}", fix)
    elif 300 <= answer.status < 400:
        to = shown(answer.headers.get("location", "nowhere"))
        yield problem(
            f"{where} redirects to {to}, and redirects are never followed",
            "configure the issuer, or its jwks_uri, as it is called there",
        )
    elif answer.status == 404:
        yield problem(
            f"{where} is not there",
            "correct the issuer's URL, or configure jwks_uri=… where it publishes no metadata",
        )
    else:
        yield problem(f"{where} answers {answer.status}", "mend the issuer; tokens wait for it")


def _place(seen: Evidence) -> Remarks:
    if seen.keys is None:
        return
    host, own = host_of(seen.keys.url), host_of(seen.issuer.issuer)
    if seen.issuer.jwks_uri is None:
        same = "the issuer's own host" if host == own else shown(host)
        yield ok(f"jwks_uri: on {same}, by {urlsplit(seen.keys.url).scheme}")


def _keys(seen: Evidence) -> Remarks:
    if seen.issuer.static_keys is not None:
        yield from _key_set(seen, seen.issuer.static_keys)
        return
    if seen.keys is None:
        return
    if seen.keys.status != 200:
        yield from _answered("keys", seen.keys)
        return
    try:
        found = parse_key_set(seen.keys.body)
    except ValueError as error:
        yield problem(f"keys: {error}", "publish a JWK Set with a public signing key (RFC 7517)")
        return
    yield from _key_set(seen, found)


def _key_set(seen: Evidence, keys: KeySet) -> Remarks:
    usable = [key for key in keys.keys if key.algorithms.intersection(seen.issuer.algorithms)]
    if usable:
        listed = ", ".join(map(_described, usable))
        yield ok(f"keys: {len(usable)} can verify its tokens: {listed}")
    else:
        yield problem(
            "keys: none fits an algorithm that is accepted",
            "accept the algorithm by which it signs: TrustedIssuer(algorithms=[…])",
        )
    for why in keys.skipped:
        private = "private half" in why
        fix = "withdraw that key at once: whoever read the set can sign with it"
        yield (problem if private else warning)(
            f"keys: skipped {shown(why)}", fix if private else "correct it in the key set"
        )
    for key in keys.keys:
        if not key.algorithms:
            yield ok(f"keys: one is not used: {shown(key.unusable)}")
    names = [key.kid for key in usable]
    if not keys.secret and None in names and len(names) > 1:
        yield warning(
            "keys: one of several has no kid, so that a token cannot name it", "give each a kid"
        )
    for name in sorted({name for name in names if name is not None and names.count(name) > 1}):
        yield warning(
            f"keys: {names.count(name)} have the kid {shown(name)}; one algorithm may fit several",
            "give each a kid of its own",
        )


def _described(key: VerificationKey) -> str:
    """What a person wants to know of a key; of a secret nothing but that it is one."""
    if isinstance(key.material, bytes):
        return "a shared secret"
    kind = shown(key.members.get("crv", key.members.get("kty")))
    if isinstance(key.material, RSAPublicKey):
        kind = f"RSA {key.material.key_size} bits"
    alg = f" for {next(iter(key.algorithms))}" if "alg" in key.members else ""
    return f"{'no kid' if key.kid is None else shown(key.kid, 40)} ({kind}{alg})"


def _caching(seen: Evidence) -> Remarks:
    if seen.keys is None or seen.keys.status != 200:
        return
    fresh, max_age = (
        seen.issuer.key_policy.fresh,
        max_age_of(seen.keys.headers.get("cache-control")),
    )
    if max_age is None:
        yield ok(f"caching: its keys say nothing of it; they are fresh for {spoken(fresh)}")
        return
    kept = min(fresh, max(max_age, min(60.0, fresh)))
    said = f"caching: its keys say {spoken(max_age)}; they are fresh for {spoken(kept)}"
    if max_age < 60 <= fresh:
        yield warning(said, "let the issuer send Cache-Control: max-age of a minute or more")
    else:
        yield ok(said)


def _size(seen: Evidence) -> Remarks:
    most = seen.issuer.key_policy.max_bytes
    for answer in seen.answers:
        if len(answer.body) > most:
            yield problem(
                f"size: {shown(answer.url)} is more than the {most} bytes that are read",
                "let the issuer publish less, or raise KeyPolicy(max_bytes=…)",
            )
        elif len(answer.body) > most / 2:
            yield warning(
                f"size: {shown(answer.url)} has {len(answer.body)} bytes of the {most} that are read",
                "raise KeyPolicy(max_bytes=…) before it grows",
            )


def _latency(seen: Evidence) -> Remarks:
    if not seen.answers or any(answer.status is None for answer in seen.answers):
        return
    took, most = sum(answer.seconds for answer in seen.answers), seen.issuer.key_policy.timeout
    said = f"latency: metadata and keys took {took * 1000:.0f} ms of the {most:g} s they may take"
    if took > most / 2:
        yield warning(said, "raise KeyPolicy(timeout=…), or find out why it is slow")
    else:
        yield ok(said)


def _clocks(seen: Evidence) -> Remarks:
    for answer in seen.answers[-1:]:
        date = _date_of(answer)
        if date is None:
            if answer.status is not None:
                yield ok("clock: not compared, since its answers carry no Date")
            continue
        # The answer was made while it was asked for; Date has whole seconds.
        ahead = answer.began - date
        off = max(0.0, ahead - 1, -(ahead + answer.seconds))
        if off <= 1:
            yield ok("clock: this machine's and the issuer's agree")
            continue
        way = "ahead of" if ahead > 0 else "behind"
        said = f"clock: this machine's is {spoken(off)} {way} the issuer's"
        fix = "set the clock (NTP)"
        yield (
            problem(f"{said}, more than the leeway of {seen.leeway:g} s", fix)
            if (off > seen.leeway)
            else warning(f"{said}, within the leeway of {seen.leeway:g} s", fix)
        )


def _date_of(answer: Answer) -> float | None:
    """When an answer was made; a cache on the way says how long it has kept it."""
    age = answer.headers.get("age", "0")
    try:
        date = parsedate_to_datetime(answer.headers["date"]).timestamp()
    except (KeyError, ValueError, OverflowError):
        return None
    return date + (float(age[:9]) if age.isdecimal() else 0.0)


def _certificate(seen: Evidence) -> Remarks:
    if seen.expires is None:
        return
    left = seen.expires - seen.now
    said = f"TLS: the server's certificate expires in {spoken(left)}"
    if left < 14 * 86_400:
        yield warning(said, "see that it is renewed: no key can be fetched when it has expired")
    else:
        yield ok(said)


CHECKS: tuple[Callable[[Evidence], Remarks], ...] = (
    _identifier, _accepted, _metadata, _place, _keys, _caching, _size, _latency, _clocks,
    _certificate,
)  # fmt: skip
