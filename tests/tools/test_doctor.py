"""`atjwt.doctor`: each thing that can be wrong is found, and nothing else; no issuer makes it fail."""

import asyncio
import json
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import ECKey, RSAKey
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.httpsredirect import HTTPSRedirectMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from atjwt import AUTH0, RFC9068, KeyPolicy, Reason, ResourceServer, TrustedIssuer
from atjwt.asgi import AccessTokenMiddleware
from atjwt.doctor import (
    Finding,
    examine_app,
    examine_issuer,
    examine_surroundings,
    examine_token,
    surroundings,
)
from atjwt.doctor.evidence import certificate_expiry
from atjwt.doctor.surroundings import Surroundings
from atjwt.starlette import public, requires
from atjwt.testing import LocalIssuer
from shell.wire import RawServer, Recorder

NOW = 1_790_000_000.0
TENANT = "https://tenant.eu.auth0.com/"
API = "https://api.example.com/"


@pytest.fixture(scope="module")
def keyed() -> LocalIssuer:
    """An issuer whose keys are made once."""
    return LocalIssuer(issuer=TENANT, audience=API, algorithm="ES256", clock=lambda: NOW)


@pytest.fixture
def issuer(keyed: LocalIssuer) -> Iterator[LocalIssuer]:
    """The issuer, put right again after each test."""
    yield keyed
    keyed.faults.clear()


def trusted(url: str = TENANT, **settings: Any) -> TrustedIssuer:
    return TrustedIssuer(
        url, **{"profiles": {AUTH0, RFC9068}, "algorithms": ["ES256", "RS256"], **settings}
    )


def examined(
    issuer: LocalIssuer, of: TrustedIssuer | None = None, **settings: Any
) -> list[Finding]:
    """What is found of an issuer, over the local issuer's own fetch unless told otherwise."""
    given = {"clock": lambda: NOW, "timer": lambda: 0.0, "fetch": issuer.fetch, **settings}
    return examine_issuer(of or trusted(), **given)


def wrong(found: list[Finding]) -> list[tuple[str, str]]:
    """What is not well, each with a fix."""
    assert all(bool(each.fix) == (each.level != "ok") for each in found)
    return [(each.level, each.sentence) for each in found if each.level != "ok"]


def well(found: list[Finding]) -> list[str]:
    return [each.sentence for each in found if each.level == "ok"]


# --- An issuer ------------------------------------------------------------------------------------


def test_a_good_issuer_is_well(issuer: LocalIssuer) -> None:
    """Each row says that it is, and what was seen."""
    found = examined(issuer)
    keys = ", ".join(f"{jwk['kid']} (P-256 for ES256)" for jwk in issuer.jwks()["keys"])
    count = len(issuer.jwks()["keys"])
    assert {each.area for each in found} == {f"issuer {TENANT}"}
    assert [(each.level, each.sentence) for each in found] == [
        ("ok", "accepted from it: auth0 and rfc9068, signed by ES256, RS256"),
        ("ok", "metadata: found by OpenID Connect Discovery, and of this very issuer"),
        ("ok", "jwks_uri: on the issuer's own host, by https"),
        ("ok", f"keys: {count} can verify its tokens: {keys}"),
        ("ok", "caching: its keys say 10 min; they are fresh for 10 min"),
        ("ok", "latency: metadata and keys took 0 ms of the 5 s they may take"),
        ("ok", "clock: not compared, since its answers carry no Date"),
    ]


WELL_KNOWN = f"{TENANT}.well-known/openid-configuration"
SECOND = f"{TENANT}.well-known/oauth-authorization-server"
JWKS = f"{TENANT}.well-known/jwks.json"
FAULTS: dict[str, tuple[dict[str, Any], list[tuple[str, str]], str]] = {
    "down": (
        {"down": True}, [("PROBLEM", f"metadata: {WELL_KNOWN} answers 503")], "mend the issuer",
    ),
    "keys down": (
        {"down": True, "on": ["jwks"]}, [("PROBLEM", f"keys: {JWKS} answers 503")], "mend the",
    ),
    "gone": (
        {"down": True, "status": 404},
        [("PROBLEM", f"metadata: {SECOND} is not there")], "correct the issuer's URL",
    ),
    "silent": (
        {"hang": True},
        [("PROBLEM", f"metadata: {WELL_KNOWN}: no answer within 0.03 s")], "KeyPolicy(timeout=",
    ),
    "silent keys": (
        {"hang": True, "on": ["jwks"]},
        [("PROBLEM", f"keys: {JWKS}: no answer within 0.03 s")], "KeyPolicy(timeout=",
    ),
    "garbage": (
        {"garbage": True}, [("PROBLEM", "metadata: not JSON")], "one JSON object",
    ),
    "keys are garbage": (
        {"garbage": True, "on": ["jwks"]}, [("PROBLEM", "keys: not JSON")], "publish a JWK Set",
    ),
    "empty": (
        {"empty": True, "on": ["metadata"]},
        [("PROBLEM", "metadata: its issuer is not the configured one")], "name its issuer",
    ),
    "no keys": (
        {"empty": True, "on": ["jwks"]},
        [("PROBLEM", "keys: no usable key in the set")], "publish a JWK Set",
    ),
    "redirect": (
        {"redirect": True, "on": ["jwks"]},
        [("PROBLEM", f"keys: {JWKS} redirects to LOCATION, and redirects are never followed")],
        "as it is called there",
    ),
    "lying": (
        {"lying": True, "on": ["metadata"]},
        [("PROBLEM", "metadata: its issuer is not the configured one")], "the issuer there is http",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_an_issuer_in_trouble_is_a_finding(issuer: LocalIssuer, name: str) -> None:
    """Down, slow, garbage, empty, redirecting, lying: one clear problem with its fix, no exception."""
    fault, problems, fix = FAULTS[name]
    issuer.faults.set(**fault)
    found = examined(issuer, trusted(key_policy=KeyPolicy(timeout=0.03)))
    said = [
        (level, sentence.replace(_location(sentence), "LOCATION"))
        for level, sentence in wrong(found)
    ]
    assert said == problems
    assert fix in next(each.fix for each in found if each.fix)


def _location(sentence: str) -> str:
    return sentence.partition(" redirects to ")[2].partition(",")[0] or "none at all"


def test_a_huge_document_is_a_problem(issuer: LocalIssuer) -> None:
    """The API would not read it; half of what is read is a warning."""
    issuer.faults.set(huge=True, on=["jwks"])
    ((level, sentence),) = wrong(examined(issuer))
    assert (level, sentence) == (
        "PROBLEM", f"size: {JWKS} is more than the 1048576 bytes that are read",
    )  # fmt: skip
    issuer.faults.clear()
    policy = KeyPolicy(max_bytes=max(len(json.dumps(issuer.metadata())), 1000))
    assert ("warning", "size") in {
        (level, sentence[:4]) for level, sentence in wrong(examined(issuer, trusted(key_policy=policy)))
    }  # fmt: skip


def test_a_slash_is_told(issuer: LocalIssuer) -> None:
    """Of the configured issuer against the one that the metadata has; at Auth0 also before that."""
    other = TrustedIssuer("https://issuer.example.org")
    document = {"issuer": "https://issuer.example.org/", "jwks_uri": JWKS}
    found = examined(issuer, other, fetch=answering({"": document}))
    assert wrong(found) == [("PROBLEM", "metadata: its issuer is not the configured one")]
    assert "differs in the slash at its end only" in next(each.fix for each in found if each.fix)
    auth0 = TrustedIssuer("https://login.shop.example", profiles={AUTH0, RFC9068})
    found = examined(issuer, auth0, fetch=answering({}))
    assert wrong(found)[0] == (
        "PROBLEM", "it is configured as Auth0's and has no slash at its end",
    )  # fmt: skip


def answering(
    documents: Mapping[str, object], headers: Mapping[str, str] = {}, *, status: int = 200
) -> Callable[[str], Any]:
    """A fetch that answers each URL with the document whose key is a part of it, else 404."""

    async def fetch(url: str) -> tuple[int, Mapping[str, str], bytes]:
        for part, document in documents.items():
            if part in url:
                return status, headers, json.dumps(document).encode()
        return 404, headers, b""

    return fetch


def published(source: LocalIssuer, /, *keys: object, **metadata: object) -> dict[str, object]:
    """The documents of the tenant, with these keys and these members of the metadata."""
    return {
        "openid-configuration": {**source.metadata(), **metadata},
        "jwks.json": {"keys": list(keys)} if keys else source.jwks(),
    }


def test_a_custom_domain_is_told(issuer: LocalIssuer) -> None:
    """Tokens of the tenant's own domain have another issuer."""
    of = TrustedIssuer.auth0("login.shop.example", algorithms=["ES256"])
    documents = published(issuer, issuer=of.issuer)
    found = examined(issuer, of, fetch=answering(documents))
    assert wrong(found) == []
    assert any("custom domain" in sentence for sentence in well(found))
    assert "jwks_uri: on tenant.eu.auth0.com, by https" in well(found)


def test_this_machine_is_no_custom_domain(issuer: LocalIssuer) -> None:
    """There the local issuer is, which has one name."""
    of = TrustedIssuer.auth0("http://127.0.0.1:9000", algorithms=["ES256"])
    documents = published(issuer, issuer=of.issuer)
    found = examined(issuer, of, fetch=answering(documents))
    assert not any("custom domain" in each.sentence for each in found)


def test_the_second_place_of_metadata_is_found(issuer: LocalIssuer) -> None:
    """RFC 8414's, where OpenID Connect's is not there."""
    documents = {"oauth-authorization": issuer.metadata(), "jwks.json": issuer.jwks()}
    found = examined(issuer, fetch=answering(documents))
    assert wrong(found) == []
    assert "metadata: found by RFC 8414, and of this very issuer" in well(found)


@pytest.mark.parametrize("uri", [None, "http://tenant.eu.auth0.com/keys", 7])
def test_a_wrong_jwks_uri_is_told(issuer: LocalIssuer, uri: object) -> None:
    """It must be https, and must be there."""
    found = examined(issuer, fetch=answering(published(issuer, jwks_uri=uri)))
    ((level, sentence),) = wrong(found)
    assert (level, sentence.startswith("metadata: jwks_uri: ")) == ("PROBLEM", True)


def test_metadata_is_not_needed_everywhere(issuer: LocalIssuer) -> None:
    """Neither with a jwks_uri, nor with keys at hand, nor with a secret, which is not shown."""
    found = examined(issuer, trusted(jwks_uri=JWKS))
    assert wrong(found) == []
    assert "its jwks_uri is configured: no metadata is needed" in well(found)
    found = examined(issuer, trusted(jwks=issuer.jwks()), fetch=answering({}))
    assert wrong(found) == []
    assert "its keys are configured: nothing is ever fetched" in well(found)
    secret = "marker" * 8
    found = examined(issuer, TrustedIssuer(TENANT, secret=secret, profiles={AUTH0, RFC9068}))
    assert [level for level, _ in wrong(found)] == ["warning"]
    assert "keys: 1 can verify its tokens: a shared secret" in well(found)
    assert "marker" not in repr(found)


def ec_key(**members: object) -> dict[str, object]:
    return {**ECKey.generate_key("P-256").as_dict(private=False), "kid": "k", **members}


RSA: dict[str, object] = {**RSAKey.generate_key(2048).as_dict(private=False), "kid": "rsa"}
PRIVATE: dict[str, object] = {**ECKey.generate_key("P-256").as_dict(private=True), "kid": "k"}


@pytest.mark.parametrize(
    ("keys", "problems", "seen"),
    [
        ([RSA], [], "rsa (RSA 2048 bits)"),
        ([ec_key(alg="ES256")], [], "k (P-256 for ES256)"),
        ([ec_key(kid="\x1b[31m")], [], "\\x1b[31m (P-256)"),
        ([ec_key(), ec_key(use="enc", kid="e")], [], "one is not used: its use is not sig"),
        (
            [ec_key(), {"kty": "oct", "k": "AAAA"}],
            [("warning", "keys: skipped key 1: kty is not RSA, EC or OKP")], "k (P-256)",
        ),
        (
            [ec_key(kid="other"), PRIVATE],
            [("PROBLEM", "keys: skipped key 1: its private half is published")], "other (P-256)",
        ),
        (
            [ec_key(), {name: value for name, value in ec_key().items() if name != "kid"}],
            [("warning", "keys: one of several has no kid, so that a token cannot name it")],
            "no kid (P-256)",
        ),
        (
            [ec_key(), ec_key()],
            [("warning", "keys: 2 have the kid k; one algorithm may fit several")], "k (P-256)",
        ),
        (
            [{**ECKey.generate_key("P-384").as_dict(private=False), "kid": "k"}],
            [("PROBLEM", "keys: none fits an algorithm that is accepted")], "accepted from it",
        ),
    ],
)  # fmt: skip
def test_keys_are_looked_at_one_by_one(
    issuer: LocalIssuer, keys: list[object], problems: list[tuple[str, str]], seen: str
) -> None:
    """What each can do, and what is wrong with it."""
    found = examined(issuer, fetch=answering(published(issuer, *keys)))
    assert wrong(found) == problems
    assert any(seen in sentence for sentence in well(found))


@pytest.mark.parametrize(
    ("header", "level", "said"),
    [
        ({}, "ok", "caching: its keys say nothing of it; they are fresh for 10 min"),
        ({"cache-control": "max-age=86400"}, "ok", "say 1 d; they are fresh for 10 min"),
        ({"cache-control": "max-age=120"}, "ok", "say 2 min; they are fresh for 2 min"),
        ({"cache-control": "no-store"}, "warning", "say 0 s; they are fresh for 1 min"),
    ],
)
def test_caching_is_told_as_it_works(
    issuer: LocalIssuer, header: Mapping[str, str], level: str, said: str
) -> None:
    """The header shortens, to no less than a minute."""
    found = examined(issuer, fetch=answering(published(issuer), header))
    (caching,) = [each for each in found if each.sentence.startswith("caching: ")]
    assert (caching.level, caching.sentence.endswith(said)) == (level, True)


@pytest.mark.parametrize(
    ("date", "age", "level", "said"),
    [
        (0, None, "ok", "clock: this machine's and the issuer's agree"),
        (-1, None, "ok", "clock: this machine's and the issuer's agree"),
        (-300, "299", "ok", "clock: this machine's and the issuer's agree"),
        (-6, None, "warning", "clock: this machine's is 5 s ahead of the issuer's, within"),
        (8, None, "warning", "clock: this machine's is 8 s behind the issuer's, within the leeway"),
        (-200, "x", "PROBLEM", "clock: this machine's is 3 min 19 s ahead of the issuer's, more"),
        (90, None, "PROBLEM", "clock: this machine's is 1 min 30 s behind the issuer's, more than"),
        (None, None, "ok", "clock: not compared, since its answers carry no Date"),
    ],
)
def test_clocks_are_compared(
    issuer: LocalIssuer, date: float | None, age: str | None, level: str, said: str
) -> None:
    """By the Date of the last answer, and the age that a cache gives it, against the leeway."""
    headers = {} if age is None else {"age": age}
    if date is not None:
        headers["date"] = format_datetime(datetime.fromtimestamp(NOW + date, UTC), usegmt=True)
    found = examined(issuer, fetch=answering(published(issuer), headers))
    (clock,) = [each for each in found if each.sentence.startswith("clock: ")]
    assert (clock.level, clock.sentence[: len(said)]) == (level, said)


def test_a_date_that_is_none_is_not_compared(issuer: LocalIssuer) -> None:
    """Whatever stands there."""
    found = examined(issuer, fetch=answering(published(issuer), {"date": "yesterday"}))
    assert "clock: not compared, since its answers carry no Date" in well(found)


def test_a_slow_issuer_is_told(issuer: LocalIssuer) -> None:
    """More than half of its time is a warning."""
    ticks = iter([0.0, 1.0, 1.0, 3.0])
    found = examined(issuer, timer=lambda: next(ticks))
    assert wrong(found) == [
        ("warning", "latency: metadata and keys took 3000 ms of the 5 s they may take")
    ]


@pytest.mark.parametrize(("days", "level"), [(90, "ok"), (13, "warning")])
def test_a_certificate_that_will_expire_is_told(issuer: LocalIssuer, days: int, level: str) -> None:
    """Two weeks before."""

    async def certificate(url: str, patience: float) -> float | None:
        assert (url, patience) == (JWKS, 5)
        return NOW + days * 86_400

    found = examined(issuer, certificate=certificate)
    assert (found[-1].level, found[-1].sentence) == (
        level, f"TLS: the server's certificate expires in {days} d",
    )  # fmt: skip


def test_settings_that_will_be_trouble_are_told(issuer: LocalIssuer) -> None:
    """http to another machine, and one profile before a migration."""
    of = TrustedIssuer("http://issuer.lan/", unsafe_http=True, profiles={AUTH0})
    found = examined(issuer, of, fetch=answering({}))
    assert [sentence for level, sentence in wrong(found) if level == "warning"] == [
        "its URL is http: anybody on the way can put other keys there",
        "the profile auth0 alone is accepted: changing the API's token profile at Auth0 would have"
        " every new token refused",
    ]


@pytest.mark.parametrize(
    ("error", "fix"),
    [
        (OSError("[SSL: CERTIFICATE_VERIFY_FAILED] x"), "SSL_CERT_FILE"),
        (OSError("[Errno -2] Name or service not known"), "no host of that name"),
        (OSError("getaddrinfo failed"), "no host of that name"),
        (RuntimeError("\x1b[31m"), "let this machine reach it"),
    ],
)
def test_a_client_that_fails_is_a_finding(issuer: LocalIssuer, error: Exception, fix: str) -> None:
    """Whatever it raises, made printable, with what that means."""

    async def fetch(url: str) -> Any:
        raise error

    found = examined(issuer, fetch=fetch)
    ((level, sentence),) = wrong(found)
    assert (level, "\x1b" in sentence) == ("PROBLEM", False)
    assert fix in next(each.fix for each in found if each.fix)


# --- On the wire ----------------------------------------------------------------------------------


@pytest.fixture
def secure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RawServer]:
    """A server with a certificate of its own that lasts ten days and is trusted here."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a server of one test run")])
    begin = datetime.now(UTC) - timedelta(hours=1)
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, begin, begin + timedelta(days=10))
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(Encoding.PEM)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "both.pem").write_bytes(private + pem)
    (tmp_path / "root.pem").write_bytes(pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "root.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "both.pem")
    with RawServer(context) as running:
        yield running


def test_the_certificate_of_a_server_is_seen(secure: RawServer) -> None:
    """Over TLS, by default; that no metadata is there is the only problem."""
    found = examine_issuer(TrustedIssuer(secure.url))
    assert [level for level, _ in wrong(found)] == ["PROBLEM", "warning"]
    assert found[-1].sentence.startswith("TLS: the server's certificate expires in 9 d 2")


def test_a_server_that_is_not_trusted_is_told(
    secure: RawServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With the way to trust it."""
    (tmp_path / "none.pem").write_text("", "utf-8")
    monkeypatch.delenv("SSL_CERT_FILE")
    found = examine_issuer(TrustedIssuer(secure.url))
    assert "SSL_CERT_FILE" in next(each.fix for each in found if each.fix)
    assert "CERTIFICATE_VERIFY_FAILED" in wrong(found)[0][1]


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "https://127.0.0.1:1/"])
def test_a_certificate_that_cannot_be_seen_is_none(url: str) -> None:
    """Without TLS there is none, and without a server neither."""
    assert asyncio.run(certificate_expiry(url, 1)) is None


# --- This machine ---------------------------------------------------------------------------------


def around(**changes: Any) -> list[tuple[str, str]]:
    """What is said of surroundings that differ from good ones in this."""
    facts = {
        "python": "3.12.1", "packages": {"atjwt": "1.0"}, "client": "httpx2", "roots": "the system",
        "environ": {}, **changes,
    }  # fmt: skip
    here = Surroundings(**facts)
    return [
        (level, sentence) for check in surroundings.CHECKS for level, sentence, _ in check(here)
    ]


def test_this_machine_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is installed, who fetches, whose roots are trusted."""
    assert around() == [
        ("ok", "Python 3.12.1; atjwt 1.0"),
        ("ok", "keys are fetched by httpx2"),
        ("ok", "TLS roots: those of the system"),
    ]
    found = examine_surroundings({})
    assert found[0].sentence.startswith("Python 3.")
    assert all(name in found[0].sentence for name in ("starlette ", "pyjwt ", "cryptography "))
    assert examine_surroundings()[0] == found[0]
    monkeypatch.setattr(surroundings, "_PACKAGES", ("no-such-package",))
    monkeypatch.setattr(surroundings, "http_library", _not_installed)
    found = examine_surroundings({})
    assert ("PROBLEM", "no HTTP client is installed, so no key can be fetched") in wrong(found)


def _not_installed() -> None:
    raise ModuleNotFoundError


@pytest.mark.parametrize("roots", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_roots_that_are_not_there_are_told(tmp_path: Path, roots: str) -> None:
    """A variable that names nothing has every issuer mistrusted."""
    file = tmp_path / "roots.pem"
    file.write_text("", "utf-8")
    good = str(file if roots == "SSL_CERT_FILE" else tmp_path)
    said = ("ok", f"TLS roots: those of {roots}, in place of the system's")
    assert said in around(roots=roots, environ={roots: good})
    bad = around(roots=roots, environ={roots: str(tmp_path / "absent")})
    assert bad[-1][0] == "PROBLEM"
    assert "names no f" in bad[-1][1]


def test_proxies_are_told_without_their_passwords() -> None:
    """In either case of the variable; the host alone is shown."""
    environ = {"https_proxy": "http://me:marker@proxy.lan:3128", "NO_PROXY": "marker"}
    assert around(environ=environ)[-2:] == [
        ("ok", "HTTPS_PROXY: issuers are reached through proxy.lan"),
        ("ok", "NO_PROXY: some hosts are reached without a proxy"),
    ]
    assert around(environ={"HTTP_PROXY": "proxy.lan"})[-1] == (
        "warning", "HTTP_PROXY is no URL of a proxy",
    )  # fmt: skip


# --- An app ---------------------------------------------------------------------------------------


@requires()
async def orders(request: Request) -> PlainTextResponse:
    """Guarded."""
    return PlainTextResponse("orders")


@public
async def health(request: Request) -> PlainTextResponse:
    """Open to all, as declared."""
    return PlainTextResponse("well")


async def cart(request: Request) -> PlainTextResponse:
    """Guarded by a middleware only."""
    return PlainTextResponse("cart")


def app(
    issuer: LocalIssuer, *outside: Middleware, inside: Sequence[Middleware] = (), **settings: Any
) -> Starlette:
    """An app that trusts the tenant. outside, inside: middleware around ours, and within."""
    server = ResourceServer(
        audience=settings.pop("audience", API), issuers=[trusted()], clock=lambda: NOW,
        fetch=issuer.fetch, leeway=settings.pop("leeway", 10),
    )  # fmt: skip
    door = Middleware(AccessTokenMiddleware, resource_server=server, **settings)
    return Starlette(
        routes=[Route("/orders", orders), Route("/health", health), Route("/cart", cart)],
        middleware=[*outside, door, *inside],
    )


GOOD_CORS = Middleware(
    CORSMiddleware, allow_headers=["Authorization"], expose_headers=["WWW-Authenticate"]
)


def test_a_good_app_is_well(issuer: LocalIssuer) -> None:
    """What is guarded, what pages can do, and each issuer after that, once."""
    found, servers = examine_app(app(issuer, GOOD_CORS, public={"/health"}), "shop:app")
    assert wrong(found) == []
    assert [each.sentence for each in found if each.area == "app shop:app"] == [
        f"tokens for {API} from {TENANT}",
        "routes: 3, each of them guarded or declared public",
        "public, for anybody without a token: /health",
        "CORS: pages can read WWW-Authenticate, and so why they are refused",
        "middleware, from the outside: ServerErrorMiddleware, CORSMiddleware,"
        " AccessTokenMiddleware, ExceptionMiddleware",
    ]
    assert "metadata: found by OpenID Connect Discovery, and of this very issuer" in well(found)
    assert len(servers) == 1


def test_what_is_unguarded_is_a_problem(issuer: LocalIssuer) -> None:
    """With the command that lists it; the other routes' notes are a warning."""
    found, _ = examine_app(app(issuer, required=False), "shop:app")
    assert ("PROBLEM", "routes: 1 of 3 are UNGUARDED") in wrong(found)
    fix = next(each.fix for each in found if "UNGUARDED" in each.sentence)
    assert fix == "python -m atjwt routes shop:app lists them, each with its fix"
    found, _ = examine_app(app(issuer), "shop:app")
    assert ("warning", "routes: 1 of them have a note") in wrong(found)
    many = Starlette(routes=[Route(f"/{n}", health) for n in range(12)])
    found, servers = examine_app(many)
    assert servers == []
    assert wrong(found)[0] == (
        "PROBLEM", "no resource server is in it, so that nobody looks at a token",
    )  # fmt: skip
    assert any(sentence.endswith("/9 and 2 more") for sentence in well(found))


@pytest.mark.parametrize(
    ("settings", "problems"),
    [
        ({"allow_headers": ["*"], "expose_headers": ["www-authenticate"]}, []),
        ({"allow_headers": ["authorization"], "expose_headers": ["X", "*"]}, []),
        (
            {"allow_headers": ["*"], "expose_headers": ["*"], "allow_credentials": True},
            [("warning", "CORS: pages cannot read WWW-Authenticate, and so not why they are refused")],
        ),
        (
            {},
            [
                ("warning", "CORS: pages cannot read WWW-Authenticate, and so not why they are"
                 " refused"),
                ("PROBLEM", "CORS: pages may not send Authorization, so that no token of theirs"
                 " arrives"),
            ],
        ),
    ],
)  # fmt: skip
def test_what_pages_of_other_origins_can_do(
    issuer: LocalIssuer, settings: dict[str, Any], problems: list[tuple[str, str]]
) -> None:
    """They need two headers: one to send, one to read."""
    found, _ = examine_app(app(issuer, Middleware(CORSMiddleware, **settings), public={"/health"}))
    assert wrong(found) == problems


def test_the_order_of_middleware(issuer: LocalIssuer) -> None:
    """CORS inside refuses every preflight; a redirect to https inside is late."""
    inside = [Middleware(HTTPSRedirectMiddleware), GOOD_CORS]
    found, _ = examine_app(app(issuer, inside=inside, public={"/health"}))
    assert [(level, sentence[:53]) for level, sentence in wrong(found)] == [
        ("PROBLEM", "CORSMiddleware of / is inside AccessTokenMiddleware, "),
        ("warning", "HTTPSRedirectMiddleware is inside AccessTokenMiddlewa"),
    ]


def test_what_is_left_behind_is_told(issuer: LocalIssuer) -> None:
    """A public path that is not there, a leeway of minutes, an audience of Auth0's own."""
    of = app(issuer, public={"/health", "/helth"}, leeway=90, audience=f"{TENANT}api/v2/")
    found, _ = examine_app(of)
    assert wrong(found) == [
        ("warning", "the leeway is 90 s: so long after its end a token is still good"),
        ("warning", "its audience is that of Auth0's Management API, whose tokens are Auth0's"
         " affair"),
        ("warning", "AccessTokenMiddleware: there is no /helth to make public"),
    ]  # fmt: skip


def test_an_app_that_is_set_up_wrongly_is_a_finding(issuer: LocalIssuer) -> None:
    """Each problem with its fix, and no issuer is asked."""
    found, servers = examine_app(app(issuer, required=7), "shop:app")
    assert servers == []
    assert wrong(found) == [("PROBLEM", "AccessTokenMiddleware: required: give True or False")]


def test_an_issuer_of_several_servers_is_asked_once(issuer: LocalIssuer) -> None:
    """By the fetch and the clock of a server that trusts it."""
    asked: list[str] = []

    async def fetch(url: str) -> Any:
        asked.append(url)
        return await issuer.fetch(url)

    same = trusted()
    servers = [
        ResourceServer(audience=name, issuers=[same], fetch=fetch, clock=lambda: NOW,
                       observers=[Recorder()])
        for name in (API, "https://other.example.com/")
    ]  # fmt: skip
    inner = AccessTokenMiddleware(app(issuer), resource_server=servers[0])
    _, found = examine_app(AccessTokenMiddleware(inner, resource_server=servers[1]))
    assert len(found) == 3
    assert asked == [WELL_KNOWN, JWKS]


class Ring:
    """Middleware around itself."""

    def __init__(self) -> None:
        self.app = self

    async def __call__(self, scope: object, receive: object, send: object) -> None:
        """Answers nothing."""


async def bare(scope: object, receive: object, send: object) -> None:
    """An app that is one function, and answers nothing."""


@pytest.mark.parametrize("of", [Ring(), bare], ids=["ring", "function"])
def test_an_app_that_cannot_be_looked_into_is_unguarded(of: object) -> None:
    """And the look comes to an end."""
    found, servers = examine_app(of)
    assert servers == []
    assert [level for level, _ in wrong(found)] == ["PROBLEM", "PROBLEM"]


# --- A token --------------------------------------------------------------------------------------


def test_a_token_is_judged_too(issuer: LocalIssuer) -> None:
    """In a word; the reason and its fix are those of `explain`."""
    server = ResourceServer(
        audience=API, issuers=[trusted()], clock=lambda: NOW, fetch=issuer.fetch
    )
    (found,) = examine_token(issuer.token(), server)
    assert (found.level, found.sentence) == ("ok", "it is accepted; the kind of its caller is user")
    (found,) = examine_token(issuer.broken(Reason.EXPIRED), server)
    assert (found.level, found.sentence) == ("PROBLEM", "refused: expired")
    assert found.fix.startswith("it expired 1 h ago")
    issuer.faults.set(down=True)
    (found,) = examine_token(issuer.token(), server)
    assert (found.level, found.sentence) == ("PROBLEM", "not judged: keys_unavailable")
