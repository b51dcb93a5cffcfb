"""Standing in: what comes back at the end, for which issuer it is, several at once."""

import inspect
from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware

from atjwt import AUTH0, RFC9068, ResourceServer, TrustedIssuer
from atjwt.asgi import AccessTokenMiddleware
from atjwt.errors import ConfigurationError, InvalidToken, Reason
from atjwt.issuer import LocalIssuer as Base
from atjwt.testing import LocalIssuer
from tools.standing import API, OTHER, TENANT, tenant

# --- what comes back ------------------------------------------------------------------------------


def held(server: ResourceServer) -> list[object]:
    """All that a resource server holds, and what its clients hold."""
    clients = list(server._clients.values())
    return [
        *vars(server).values(),
        *(value for each in clients for value in (each, each.record, each.fetch, each.clock)),
    ]


@pytest.fixture
def used(atjwt_issuer: LocalIssuer) -> Iterator[ResourceServer]:
    """A resource server with keys and a token of its own before anybody stands in for its issuer."""
    own = LocalIssuer(issuer=TENANT, audience=API, algorithm="ES256")
    server = ResourceServer(
        audience=API,
        issuers=[TrustedIssuer(TENANT), TrustedIssuer(OTHER)],
        fetch=own.fetch,
        clock=own.clock,
    )
    token = own.token()
    server.verify_sync(token)
    asked = own.requests.copy()
    yield server
    server.verify_sync(token)  # what was remembered, or known, is so still
    assert own.requests == asked


def test_everything_comes_back(atjwt_issuer: LocalIssuer, used: ResourceServer) -> None:
    """At the end record, token cache, clock and fetch are the very objects that were there."""
    before = held(used)
    with atjwt_issuer.stands_in_for(used, issuer=TENANT):
        used.verify_sync(atjwt_issuer.token())
        between = held(used)
    after = held(used)
    assert all(one is other for one, other in zip(before, after, strict=True))
    assert sum(one is not other for one, other in zip(before, between, strict=True)) > 3


def test_everything_comes_back_after_an_exception(
    atjwt_issuer: LocalIssuer, used: ResourceServer
) -> None:
    """A test that fails inside the `with` leaves nothing behind, and the issuer is free again."""
    before = held(used)
    with pytest.raises(ZeroDivisionError), atjwt_issuer.stands_in_for(used, issuer=TENANT):
        raise ZeroDivisionError
    assert all(one is other for one, other in zip(before, held(used), strict=True))
    with atjwt_issuer.stands_in_for(used, issuer=TENANT):
        used.verify_sync(atjwt_issuer.token())


def test_what_the_tests_signed_is_nothing_afterwards(atjwt_issuer: LocalIssuer) -> None:
    """A token of the stand-in is not accepted once it is over, remembered or not."""
    own = LocalIssuer(issuer=TENANT, audience=API, algorithm="ES256")
    server = ResourceServer(audience=API, issuers=[TrustedIssuer(TENANT)], fetch=own.fetch)
    with atjwt_issuer.stands_in_for(server):
        token = atjwt_issuer.token()
        client = server._clients[TENANT]
        server.verify_sync(token)
    assert client.record.keys is None
    assert not server._remembered
    with pytest.raises(InvalidToken) as caught:
        server.verify_sync(token)
    assert caught.value.reason is Reason.UNKNOWN_KEY


def test_a_fetch_under_way_at_the_end_brings_nothing(atjwt_issuer: LocalIssuer) -> None:
    """A client of the stand-in that outlives it gets no keys any more."""
    server = tenant()
    with atjwt_issuer.stands_in_for(server):
        fetch = server._clients[TENANT].fetch
    with pytest.raises(ConnectionError):
        fetch(TENANT).send(None)  # type: ignore[attr-defined]


# --- for whom -------------------------------------------------------------------------------------


def test_several_issuers_need_a_name(atjwt_issuer: LocalIssuer) -> None:
    """An app that trusts several issuers is told which `issuer=` to write; a wrong one likewise."""
    server = ResourceServer(audience=API, issuers=[TrustedIssuer(TENANT), TrustedIssuer(OTHER)])
    for named in (None, "https://typing.error.test/"):
        with (
            pytest.raises(ValueError, match=r'app, issuer="https://tenant.*" or issuer="https://i'),
            atjwt_issuer.stands_in_for(server, issuer=named),
        ):
            pass
    with atjwt_issuer.stands_in_for(server, issuer=OTHER):
        assert server.verify_sync(atjwt_issuer.token()).issuer == OTHER


def test_of_several_issuers_its_own_name_is_meant() -> None:
    """A local issuer that has the name of one of the app's stands in for that one."""
    server = ResourceServer(audience=API, issuers=[TrustedIssuer(TENANT), TrustedIssuer(OTHER)])
    issuer = LocalIssuer(issuer=OTHER, algorithm="ES256")
    with issuer.stands_in_for(server):
        assert server.verify_sync(issuer.token()).issuer == OTHER


def test_the_audience_is_the_first_or_its_own() -> None:
    """Of several audiences the first is written, unless the local issuer's own is among them."""
    server = ResourceServer(audience=["urn:new", "urn:old"], issuers=[TrustedIssuer(TENANT)])
    for own, written in (("urn:old", "urn:old"), ("urn:else", "urn:new")):
        issuer = LocalIssuer(audience=own, algorithm="ES256")
        with issuer.stands_in_for(server):
            assert issuer.claims(kind="client")["aud"] == written


def test_one_profile_decides_the_dialect(atjwt_issuer: LocalIssuer) -> None:
    """Where the app accepts Auth0's profile only, a token that names no dialect is in it."""
    for profiles, named in (
        ({AUTH0}, "auth0"),
        ({RFC9068}, "rfc9068"),
        ({AUTH0, RFC9068}, "rfc9068"),
    ):
        server = tenant(profiles=profiles)
        with atjwt_issuer.stands_in_for(server):
            principal = server.verify_sync(atjwt_issuer.token())
        assert principal.profile is not None
        assert principal.profile.name == named


def test_an_algorithm_that_the_app_refuses(atjwt_issuer: LocalIssuer) -> None:
    """Where no token could be accepted, the right `LocalIssuer` is spelled out."""
    with (
        pytest.raises(ValueError, match=r'LocalIssuer\(algorithm="ES384"\)'),
        atjwt_issuer.stands_in_for(tenant(algorithms=["ES384", "ES512"])),
    ):
        pass
    with (
        pytest.raises(ValueError, match=r"\(Ed448\) a LocalIssuer signs by none"),
        atjwt_issuer.stands_in_for(tenant(algorithms=["Ed448"])),
    ):
        pass


def test_a_shared_secret_cannot_be_stood_in_for(atjwt_issuer: LocalIssuer) -> None:
    """An issuer that signs with a secret is refused, and what does the job is named."""
    server = tenant(secret="s" * 32)
    with (
        pytest.raises(ValueError, match="shared secret") as caught,
        atjwt_issuer.stands_in_for(server),
    ):
        pass
    assert "acting_as" in str(caught.value)


def test_given_keys_are_stood_in_for(atjwt_issuer: LocalIssuer) -> None:
    """An issuer with static keys, whatever its name, is stood in for, and rotation is seen."""
    given = LocalIssuer(algorithm="ES256").jwks()
    for name in (TENANT, "http://issuer.internal"):
        server = ResourceServer(audience=API, issuers=[TrustedIssuer(name, jwks=given)])
        with atjwt_issuer.stands_in_for(server):
            assert server.verify_sync(atjwt_issuer.token()).issuer == name
            for _ in range(2):
                atjwt_issuer.rotate_keys()
            assert server.verify_sync(atjwt_issuer.token()).issuer == name


def test_an_issuer_without_metadata(atjwt_issuer: LocalIssuer) -> None:
    """Where the app knows the `jwks_uri`, that is what it asks for, once."""
    server = tenant(jwks_uri="https://keys.tenant.test/all")
    with atjwt_issuer.stands_in_for(server):
        server.verify_sync(atjwt_issuer.token())
    assert dict(atjwt_issuer.requests) == {"/.well-known/jwks.json": 1}


# --- several at once ------------------------------------------------------------------------------


def test_two_issuers_of_one_app() -> None:
    """Two stand in for two issuers of one app, and the second one shares the first one's clock."""
    server = ResourceServer(audience=API, issuers=[TrustedIssuer(TENANT), TrustedIssuer(OTHER)])
    one, two = LocalIssuer(algorithm="ES256"), LocalIssuer(algorithm="ES256")
    before = held(server)
    with one.stands_in_for(server, issuer=TENANT), two.stands_in_for(server, issuer=OTHER):
        assert server.verify_sync(one.token()).issuer == TENANT
        assert server.verify_sync(two.token()).issuer == OTHER
        old = one.token(lifetime=60)
        two.advance(120)
        assert abs(one.clock() - two.clock()) < 1
        with pytest.raises(InvalidToken, match="expired"):
            server.verify_sync(old)
        server.verify_sync(one.token(lifetime=60))
    assert two.clock() < one.clock() - 100  # its own clock again; the shared one was the first's
    assert all(was is now for was, now in zip(before, held(server), strict=True))


def test_whoever_goes_first() -> None:
    """They may leave in any order: whoever is left stands in, and the last one leaves nothing."""
    server = ResourceServer(audience=API, issuers=[TrustedIssuer(TENANT), TrustedIssuer(OTHER)])
    one, two = LocalIssuer(algorithm="ES256"), LocalIssuer(algorithm="ES256")
    before = held(server)
    first, second = (
        one.stands_in_for(server, issuer=TENANT),
        two.stands_in_for(server, issuer=OTHER),
    )
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert server.verify_sync(two.token()).issuer == OTHER
    second.__exit__(None, None, None)
    assert all(was is now for was, now in zip(before, held(server), strict=True))


def test_one_issuer_stands_in_once(atjwt_issuer: LocalIssuer) -> None:
    """The same one twice, or another for the same issuer, is an error, and the first goes on."""
    server = tenant()
    another = LocalIssuer(algorithm="ES256")
    with atjwt_issuer.stands_in_for(server):
        for issuer in (atjwt_issuer, another):
            with pytest.raises(RuntimeError, match="stands in"), issuer.stands_in_for(server):
                pass
        server.verify_sync(atjwt_issuer.token())


def test_a_middleware_that_is_set_up_wrongly(atjwt_issuer: LocalIssuer) -> None:
    """The cause is told, not that nothing was found."""
    app = Starlette(middleware=[Middleware(AccessTokenMiddleware, issuer=TENANT)])
    with pytest.raises(ConfigurationError, match="audience"), atjwt_issuer.stands_in_for(app):
        pass


def test_it_takes_what_its_base_takes() -> None:
    """The constructor has the arguments of the base, with the same defaults."""
    mine, base = inspect.signature(LocalIssuer), inspect.signature(Base)
    assert mine.parameters == base.parameters
