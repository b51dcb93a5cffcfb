"""Step 8: verified claims → one `Principal`, whichever profile they came in."""

import copy
import dataclasses
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atjwt import AUTH0, RFC9068, ConfigurationError, Principal, TrustedIssuer
from atjwt.core.kind import Kind
from atjwt.core.principal import to_principal
from atjwt.core.profile import Profile
from atjwt.core.verify import verify
from core.making import (
    API,
    EXPIRES,
    ISSUED,
    ISSUER,
    PROFILES,
    REMOVE,
    Claims,
    case,
    good_claims,
    json_text,
    tenant,
)

USERINFO = "https://acme.eu.auth0.com/userinfo"


def principal(profile: Profile, claims: Claims, **changes: Any) -> Principal:
    """The principal of a token that passes every check."""
    return to_principal(verify(case(profile, claims, **changes)))


# --- the four dialects ---------------------------------------------------------------------------

DIALECTS = ("access_token", "access_token_authz", "rfc9068_profile", "rfc9068_profile_authz")


@dataclasses.dataclass(frozen=True)
class Grant:
    """What was granted to whom, however it will be written."""

    subject: str
    client: str
    scopes: list[str]
    permissions: list[str]
    audience: str | list[str] = API
    gty: str | None = None
    extra: Claims = dataclasses.field(default_factory=dict)

    def claims(self, dialect: str) -> Claims:
        """The claim set of one dialect, as Auth0's papers spell it."""
        whole: Claims = {"iss": ISSUER, "sub": self.subject, "aud": self.audience}
        whole |= {"iat": ISSUED, "exp": EXPIRES, **self.extra}
        if self.scopes:
            whole["scope"] = " ".join(self.scopes)
        if dialect.startswith("rfc9068"):
            whole |= {"client_id": self.client, "jti": "Qm1xJrWb7Vn0sKdT4cYh2A"}
        else:
            whole |= {"azp": self.client} | ({"gty": self.gty} if self.gty else {})
        if dialect.endswith("_authz"):
            whole["permissions"] = self.permissions
        return whole

    def principal(self, dialect: str) -> Principal:
        profile = RFC9068 if dialect.startswith("rfc9068") else AUTH0
        return principal(profile, self.claims(dialect))


words = st.text("abcdefghij:-_|@", min_size=1, max_size=12)
wordlists = st.lists(words, max_size=4)
clients = st.sampled_from(["CLIENTaaaa", "https://client.example/metadata"])
subjects = st.one_of(
    words,
    st.sampled_from(
        ["auth0|66f0c2", "CLIENTaaaa@clients", "CLIENTaaaa", "anon@1234", "agt_1", "x@clients"]
    ),
)
extras = st.fixed_dictionaries(
    {},
    optional={
        "org_id": words,
        "org_name": words,
        "act": st.fixed_dictionaries({"sub": words}),
        "auth_time": st.integers(0, ISSUED),
        "acr": words,
        "amr": wordlists,
        "roles": wordlists,
        "groups": wordlists,
        "authorization_details": st.lists(st.fixed_dictionaries({"type": words}), max_size=2),
        "sub_profile": st.sampled_from(
            ["user", "ai_agent", "service", "browser_app", "native_app"]
        ),
        "https://acme.test/anything": words,
    },
)
grants = st.builds(
    Grant,
    subject=subjects,
    client=clients,
    scopes=wordlists,
    permissions=wordlists,
    audience=st.sampled_from([API, [API], [API, USERINFO]]),
    gty=st.sampled_from([None, "client-credentials", "password", "refresh_token"]),
    extra=extras,
)
SHARED = (
    "issuer", "subject", "client_id", "kind", "scopes", "audience", "issued_at", "expires_at", "tenant",
    "confirmation", "key", "authenticated_at", "acr", "amr", "org_id", "org_name", "actor",
    "authorization_details", "roles", "groups", "display_name", "identity", "is_authenticated",
)  # fmt: skip
OF_A_DIALECT = {"profile", "permissions", "token_id", "payload", "claims"}
OF_AN_ISSUER = {"renamed"}


def test_every_field_is_shared_or_not() -> None:
    """Each field of a principal is compared below, or is one that a dialect does not carry."""
    stored = {field.name for field in dataclasses.fields(Principal)}
    computed = {name for name, value in vars(Principal).items() if isinstance(value, property)}
    assert stored | computed == set(SHARED) | OF_A_DIALECT | OF_AN_ISSUER


@given(grants)
def test_one_grant_in_four_dialects(grant: Grant) -> None:
    """The same grant gives the same principal in every dialect, but for what one does not carry."""
    seen = {dialect: grant.principal(dialect) for dialect in DIALECTS}
    for name in SHARED:
        values = [getattr(who, name) for who in seen.values()]
        assert all(value == values[0] for value in values), name
    for dialect, who in seen.items():
        with_permissions, rfc = dialect.endswith("_authz"), dialect.startswith("rfc9068")
        assert who.permissions == (frozenset(grant.permissions) if with_permissions else None)
        assert who.profile is (RFC9068 if rfc else AUTH0)
        assert who.token_id == ("Qm1xJrWb7Vn0sKdT4cYh2A" if rfc else None)
        assert who.claims == grant.claims(dialect)


def test_fields() -> None:
    """The fields are what the token says, and nothing else."""
    grant = Grant(
        "auth0|66f0c2", "CLIENTaaaa", ["openid", "read:items"], ["read:items", "write:items"],
        audience=[API, USERINFO],
    )  # fmt: skip
    who = grant.principal("rfc9068_profile_authz")
    stored = {field.name: getattr(who, field.name) for field in dataclasses.fields(who)}
    assert stored == {
        "issuer": ISSUER, "subject": "auth0|66f0c2", "client_id": "CLIENTaaaa", "kind": "user",
        "scopes": {"openid", "read:items"}, "permissions": {"read:items", "write:items"},
        "profile": RFC9068, "audience": (API, USERINFO), "issued_at": ISSUED, "expires_at": EXPIRES,
        "token_id": "Qm1xJrWb7Vn0sKdT4cYh2A", "tenant": None, "confirmation": (), "renamed": (),
        "payload": json_text(grant.claims("rfc9068_profile_authz")),
    }  # fmt: skip


# --- scopes and permissions ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scope", "scopes"),
    [
        (REMOVE, set()), ("", set()), (" ", set()), ("a", {"a"}), ("a b", {"a", "b"}),
        ("  a   b ", {"a", "b"}), ("a a", {"a"}), ("a,b", {"a,b"}), ("a\tb", {"a\tb"}),
        ("a\u00a0b", {"a\u00a0b"}), ("a\nb", {"a\nb"}), ("A a", {"A", "a"}),
    ],
    ids=repr,
)  # fmt: skip
@pytest.mark.parametrize("profile", PROFILES, ids=str)
def test_scopes(profile: Profile, scope: object, scopes: set[str]) -> None:
    """Scopes are split at spaces and nowhere else (RFC 6749 section 3.3)."""
    assert principal(profile, good_claims(profile, scope=scope)).scopes == scopes


@pytest.mark.parametrize(
    ("permissions", "held"),
    [
        (REMOVE, None),
        ([], set()),
        (["a"], {"a"}),
        (["a", "b", "a"], {"a", "b"}),
        (["a b"], {"a b"}),
    ],
    ids=repr,
)
@pytest.mark.parametrize("profile", PROFILES, ids=str)
def test_permissions(profile: Profile, permissions: object, held: set[str] | None) -> None:
    """No claim is not an empty one, and neither is merged with the scopes."""
    who = principal(profile, good_claims(profile, permissions=permissions, scope="s"))
    assert who.permissions == held
    assert who.scopes == {"s"}


def test_has() -> None:
    """Names are held exactly, all of those asked for, and permissions never without the claim."""
    claims = good_claims(AUTH0, scope="a b", permissions=["p", "q"], roles=["r"])
    who = principal(AUTH0, claims)
    assert who.has_scope("a")
    assert who.has_scope("a", "b")
    assert not who.has_scope("a", "c")
    assert not who.has_scope("A")
    assert not who.has_scope("p")
    assert who.has_permission("p", "q")
    assert not who.has_permission("p", "a")
    assert who.has_role("r")
    assert not who.has_role("r", "p")
    without = principal(AUTH0, good_claims(AUTH0, scope="a"))
    assert without.permissions is None
    assert not without.has_permission("a")
    assert not without.has_permission()


# --- kinds ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("subject", "sub_profile", "kind"),
    [
        ("auth0|66f0c2", None, "user"),
        ("cliA@clients", None, "client"),
        ("cliA", None, "client"),
        ("cliB@clients", None, "user"),
        ("auth0|x@clients", None, "user"),
        ("cliA@clients@clients", None, "user"),
        ("cli", None, "user"),
        ("agt_1", None, "agent"),
        ("x-agt_1", None, "user"),
        ("anon@1234-5678", None, "anonymous"),
        ("anon@1234-5678", "user", "anonymous"),
        ("x-anon@1", None, "user"),
        ("agt_1", "user", "user"),
        ("auth0|66f0c2", "user", "user"),
        ("auth0|66f0c2", "ai_agent", "agent"),
        ("external-1", "ai_agent", "agent"),
        ("cliA", "service", "client"),
        ("cliB", "service", "client"),
        ("cliA", "browser_app", "client"),
        ("cliA", "native_app", "client"),
        ("cliA", "service ai_agent", "client"),
        ("cliA", "future ai_agent", "agent"),
        ("cliA", "future", "client"),
        ("auth0|66f0c2", "future", "user"),
        ("auth0|66f0c2", "AI_AGENT", "user"),
    ],
)
@pytest.mark.parametrize("profile", PROFILES, ids=str)
def test_kind(profile: Profile, subject: str, sub_profile: str | None, kind: Kind) -> None:
    """Who is a person, a client, an agent or nobody follows from the subject, never from `gty`."""
    for gty in ("client-credentials", "password", REMOVE):
        claims = good_claims(profile, sub=subject, sub_profile=sub_profile or REMOVE, gty=gty)
        assert principal(profile, claims).kind == kind


@pytest.mark.parametrize(
    ("subject", "kind"),
    [("anon@1", "user"), ("agt_1", "user"), ("cliA", "client"), ("cliA@clients", "client")],
)
def test_kind_elsewhere(subject: str, kind: Kind) -> None:
    """Auth0's prefixes mean nothing in the subjects of another authorization server."""
    issuer = TrustedIssuer("https://issuer.example.org", algorithms=["ES256"])
    assert principal(RFC9068, good_claims(RFC9068, sub=subject), issuer=issuer).kind == kind


def test_key() -> None:
    """The key of a row tells people from clients and issuer from issuer, unless they share a tenant."""
    shared = TrustedIssuer.auth0("acme.eu.auth0.com", algorithms=["ES256"], tenant="acme")
    user = principal(RFC9068, good_claims(RFC9068, sub="x"))
    assert user.key == (ISSUER, "user", "x")
    client = principal(RFC9068, good_claims(RFC9068, sub="x", client_id="x"))
    assert client.key == (ISSUER, "client", "x")
    assert principal(RFC9068, good_claims(RFC9068, sub="x"), issuer=shared).key == (
        "acme",
        "user",
        "x",
    )


# --- what is read when asked ---------------------------------------------------------------------


def test_absent() -> None:
    """What a token does not carry is None, or empty."""
    who = principal(AUTH0, good_claims(AUTH0))
    for name in ("authenticated_at", "acr", "org_id", "org_name", "actor", "token_id", "tenant"):
        assert getattr(who, name) is None
    for name in ("amr", "authorization_details", "confirmation", "roles", "groups"):
        assert len(getattr(who, name)) == 0


def test_present() -> None:
    """What a token carries is read as it is written."""
    act = {"sub": "agent", "act": {"sub": "earlier"}}
    claims = good_claims(
        RFC9068, auth_time=5, acr="urn:high", amr=["pwd", "otp"], org_id="org_1", org_name="acme",
        act=act, jti="t9",
    )  # fmt: skip
    who = principal(RFC9068, claims)
    assert who.authenticated_at == 5
    assert who.acr == "urn:high"
    assert who.amr == ("pwd", "otp")
    assert (who.org_id, who.org_name) == ("org_1", "acme")
    assert who.actor == act
    assert who.token_id == "t9"


@pytest.mark.parametrize(
    ("details", "read"),
    [([], ()), ([{"t": "a"}, {}], ({"t": "a"}, {})), ({"t": "a"}, ({"t": "a"},)), ({}, ({},))],
    ids=repr,
)  # fmt: skip
@pytest.mark.parametrize("profile", PROFILES, ids=str)
def test_authorization_details(profile: Profile, details: object, read: object) -> None:
    """One object is read as an array of one."""
    who = principal(profile, good_claims(profile, authorization_details=details))
    assert who.authorization_details == read


@pytest.mark.parametrize("claim", ["roles", "groups"])
@pytest.mark.parametrize(
    ("listed", "names"),
    [
        (["a", "b", "a"], {"a", "b"}), ([{"value": "a", "display": "A"}, "b"], {"a", "b"}),
        ([], set()), ("admin", set()), (None, set()), ({"value": "a"}, set()), (True, set()),
        ([None, 1, ["a"], {"display": "A"}, {"value": 1}, {"value": ["a"]}], set()),
    ],
    ids=repr,
)  # fmt: skip
def test_roles_and_groups(claim: str, listed: object, names: set[str]) -> None:
    """Strings, and SCIM's objects with a value, are names; whatever else stands there grants nothing."""
    who = principal(RFC9068, good_claims(RFC9068, **{claim: listed}))
    assert getattr(who, claim) == names
    assert who.has_role("a") is (claim == "roles" and "a" in names)


def test_starlette() -> None:
    """A principal is what Starlette asks of a user."""
    who = principal(AUTH0, good_claims(AUTH0, sub="auth0|6f"))
    assert who.is_authenticated is True
    assert who.display_name == who.identity == "auth0|6f"


# --- claims that an issuer names otherwise -------------------------------------------------------

NAMED = TrustedIssuer.auth0(
    "acme.eu.auth0.com",
    algorithms=["ES256"],
    roles_claim="https://acme.test/roles",
    auth_time_claim="https://acme.test/auth_time",
    acr_claim="https://acme.test/acr",
)


@pytest.mark.parametrize("profile", PROFILES, ids=str)
def test_renamed(profile: Profile) -> None:
    """Roles, `auth_time` and `acr` are read where the issuer writes them, and there only."""
    there = {"https://acme.test/roles": ["a"], "https://acme.test/acr": "hi"}
    there["https://acme.test/auth_time"] = 1.5  # type: ignore[assignment]
    elsewhere = {"roles": ["b"], "auth_time": 9, "acr": "lo"}
    who = principal(profile, good_claims(profile, **there, **elsewhere), issuer=NAMED)
    assert (who.roles, who.authenticated_at, who.acr) == (frozenset("a"), 1.5, "hi")
    assert who.has_role("a")
    assert not who.has_role("b")
    usual = principal(profile, good_claims(profile, **there, **elsewhere))
    assert (usual.roles, usual.authenticated_at, usual.acr) == (frozenset("b"), 9, "lo")
    assert who != usual
    missing = principal(profile, good_claims(profile, **elsewhere), issuer=NAMED)
    assert (missing.roles, missing.authenticated_at, missing.acr) == (frozenset(), None, None)


@pytest.mark.parametrize(
    "value", [True, "2026-09-21T12:00:00Z", "5", [5], {}, -1, 2**53 + 1, None], ids=repr
)
def test_renamed_of_the_wrong_type(value: object) -> None:
    """A mapped claim is not checked with the token: of the wrong type it says nothing."""
    claims = {name: value for _, name in NAMED.renamed}
    who = principal(AUTH0, good_claims(AUTH0, **claims), issuer=NAMED)
    assert who.authenticated_at is None
    assert who.roles == set()
    assert who.acr == (value if isinstance(value, str) else None)
    empty = principal(AUTH0, good_claims(AUTH0, **{"https://acme.test/acr": ""}), issuer=NAMED)
    assert empty.acr is None


def test_renamed_travels() -> None:
    """A principal whose claims are named otherwise can be hashed, copied, pickled and compared."""
    claims = good_claims(RFC9068, **{"https://acme.test/roles": ["a"]})
    who = principal(RFC9068, claims, issuer=NAMED)
    for other in (pickle.loads(pickle.dumps(who)), copy.deepcopy(who), copy.copy(who)):
        assert other == who
        assert hash(other) == hash(who)
        assert other.roles == {"a"}
    assert who != dataclasses.replace(who, renamed=())
    assert len({who, dataclasses.replace(who, renamed=())}) == 2


def test_claim() -> None:
    """One claim is read by its name in the token, as a copy; None where there is none."""
    who = principal(AUTH0, good_claims(AUTH0, plan={"tiers": ["a"]}, **{"a.b": 1}))
    plan = who.claim("plan")
    assert plan == {"tiers": ["a"]}
    assert isinstance(plan, dict)
    plan["tiers"].append("b")
    assert who.claim("plan") == who.claims["plan"] == {"tiers": ["a"]}
    assert who.claim("a.b") == 1
    for name in ("a", "plan.tiers", "", "Plan"):
        assert who.claim(name) is None


# --- a value -------------------------------------------------------------------------------------


def test_claims_are_a_copy() -> None:
    """Claims are yours to change: nobody else sees it, and every time is a new copy."""
    who = principal(AUTH0, good_claims(AUTH0, permissions=["a"], act={"sub": "b"}))
    who.claims["permissions"] = ["admin"]
    assert who.claims["permissions"] == ["a"]
    assert who.claims is not who.claims
    actor = who.actor
    assert isinstance(actor, dict)
    actor["sub"] = "changed"
    assert who.actor == {"sub": "b"}


def test_frozen() -> None:
    """Nothing of a principal can be set."""
    who = principal(AUTH0, good_claims(AUTH0))
    for name in [field.name for field in dataclasses.fields(who)] + ["roles", "more"]:
        with pytest.raises((AttributeError, TypeError)):
            setattr(who, name, None)


@pytest.mark.parametrize("profile", PROFILES, ids=str)
def test_travels(profile: Profile) -> None:
    """A principal can be hashed, copied and pickled, and stays equal."""
    who = principal(profile, good_claims(profile, scope="a b", permissions=["p"], org_id="o"))
    for other in (pickle.loads(pickle.dumps(who)), copy.deepcopy(who), copy.copy(who)):
        assert other == who
        assert hash(other) == hash(who)
        assert other.profile is profile
        assert other.org_id == "o"
    assert copy.replace(who, subject="x") != who if hasattr(copy, "replace") else True


def test_equality() -> None:
    """Principals are equal by their fields and by the claims that are read when asked."""
    first = principal(AUTH0, good_claims(AUTH0, scope="a b"))
    assert first == principal(AUTH0, good_claims(AUTH0, scope="a b"))
    assert first != principal(AUTH0, good_claims(AUTH0, scope="a b", org_id="org_1"))
    assert first != principal(AUTH0, good_claims(AUTH0, scope="a"))
    assert len({first, principal(AUTH0, good_claims(AUTH0, scope="a b"))}) == 1


def test_made_by_hand() -> None:
    """A test can make a principal with as little as an issuer and a subject."""
    who = Principal(issuer="https://issuer.example", subject="x")
    assert who.kind == "user"
    assert who.permissions is None
    assert who.claims == {}
    assert not who.has_permission("a")
    assert who.key == ("https://issuer.example", "user", "x")


def test_nothing_personal_is_shown() -> None:
    """The printed form holds how many rights there are, and nothing of whom."""
    marked = good_claims(
        RFC9068, sub="marker", client_id="marker", jti="marker", scope="marker", org_id="marker",
        permissions=["marker", "marker2"], marker="marker", roles=["marker"], aud=[API, "marker"],
    )  # fmt: skip
    who = principal(RFC9068, marked, issuer=tenant())
    assert repr(who) == "<Principal kind=client profile=rfc9068 scopes=1 permissions=2>"
    assert str(who) == repr(who)
    assert "permissions=none" in repr(principal(RFC9068, good_claims(RFC9068)))
    assert "marker" not in f"{who} {who!r} {who:}"


@pytest.mark.parametrize("kind", [Principal, Profile])
def test_no_framework_reads_one_from_a_request(kind: Any) -> None:
    """Pydantic asks each type how it is read; these say where one comes from."""
    with pytest.raises(ConfigurationError, match="comes from a guard"):
        kind.__get_pydantic_core_schema__(kind, None)
