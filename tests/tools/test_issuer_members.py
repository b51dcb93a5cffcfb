"""An API's settings at the local issuer: every member's type and bounds, as Auth0 documents them."""

from typing import Any

import pytest

from atjwt.issuer.api import Api, completed, new_id
from atjwt.issuer.apis import Apis, Unacceptable
from atjwt.issuer.grants import Grants
from atjwt.issuer.members import (
    MEMBERS,
    change_problems,
    creation_problems,
    kept_problems,
    stored_problems,
)
from atjwt.issuer.rings import KeyRings
from atjwt.issuer.store import Memory, Store

KEY = {"alg": "RSA-OAEP-256", "pem": "x"}
JWE: dict[str, Any] = {"format": "compact-nested-jwe", "encryption_key": KEY}
DPOP: dict[str, Any] = {"mechanism": "dpop", "required": True}

GOOD: list[tuple[str, object]] = [
    ("name", "a"),
    ("name", "a" * 200),
    ("scopes", []),
    ("scopes", [{"value": "a" * 280, "description": "b" * 500}]),
    *(("signing_alg", alg) for alg in ("HS256", "RS256", "RS512", "PS256")),
    ("signing_secret", "s" * 16),
    ("allow_offline_access", True),
    ("allow_online_access", False),
    ("allow_online_access_with_ephemeral_sessions", True),
    ("skip_consent_for_verifiable_first_party_clients", True),
    ("token_lifetime", 0),
    ("token_lifetime", 2_592_000),
    ("token_lifetime_for_web", 0),
    ("enforce_policies", True),
    *(
        ("token_dialect", name)
        for name in (
            "access_token",
            "access_token_authz",
            "rfc9068_profile",
            "rfc9068_profile_authz",
        )
    ),
    ("token_encryption", None),
    ("token_encryption", {**JWE, "encryption_key": {**KEY, "name": "n" * 128, "kid": "k" * 128}}),
    ("token_encryption", {**JWE, "encryption_key": {**KEY, "pem": "p" * 4_096}}),
    ("consent_policy", None),
    ("consent_policy", "transactional-authorization-with-mfa"),
    ("authorization_details", None),
    ("authorization_details", []),
    ("authorization_details", [{"type": "payment"}]),
    ("proof_of_possession", None),
    ("proof_of_possession", DPOP),
    ("proof_of_possession", {**DPOP, "mechanism": "mtls", "required_for": "public_clients"}),
    ("subject_type_authorization", {}),
    ("subject_type_authorization", {"user": {"policy": "require_client_grant"}}),
    ("subject_type_authorization", {"client": {"policy": "deny_all"}}),
    ("authorization_policy", None),
    ("authorization_policy", {"policy_id": "p" * 1_024}),
    ("agent_subject_claims", "auth0-v1"),
    ("verification_location", "https://a.test/"),
]

BAD: list[tuple[str, object]] = [
    ("name", ""),
    ("name", "a" * 201),
    ("name", "a<b"),
    ("name", "a>b"),
    ("name", None),
    ("scopes", None),
    ("scopes", "read:items"),
    ("scopes", ["read:items"]),
    ("scopes", [{"value": ""}]),
    ("scopes", [{"value": "a" * 281}]),
    ("scopes", [{"value": "a b"}]),
    ("scopes", [{"value": "a", "description": "b" * 501}]),
    ("scopes", [{"description": "b"}]),
    ("scopes", [{"value": "a", "colour": "red"}]),
    ("scopes", [{"value": "a"}, {"value": "a"}]),
    ("signing_alg", "ES256"),
    ("signing_alg", "none"),
    ("signing_alg", 256),
    ("signing_secret", "s" * 15),
    ("signing_secret", b"s" * 16),
    *((name, "true") for name in MEMBERS if name.startswith(("allow_", "skip_", "enforce_"))),
    ("enforce_policies", 1),
    ("token_lifetime", -1),
    ("token_lifetime", 2_592_001),
    ("token_lifetime", 60.0),
    ("token_lifetime", True),
    ("token_lifetime", "60"),
    ("token_lifetime_for_web", -1),
    ("token_dialect", "auth0"),
    ("token_dialect", "Access_Token"),
    ("token_dialect", None),
    ("token_encryption", {}),
    ("token_encryption", {**JWE, "format": "jwe"}),
    ("token_encryption", {**JWE, "encryption_key": {"alg": "RSA-OAEP-256"}}),
    ("token_encryption", {**JWE, "encryption_key": {**KEY, "alg": "RSA1_5"}}),
    ("token_encryption", {**JWE, "encryption_key": {**KEY, "pem": ""}}),
    ("token_encryption", {**JWE, "encryption_key": {**KEY, "pem": "p" * 4_097}}),
    ("token_encryption", {**JWE, "encryption_key": {**KEY, "kid": ""}}),
    ("consent_policy", "standard"),
    ("authorization_details", {"type": "payment"}),
    ("authorization_details", [{}]),
    ("proof_of_possession", {"mechanism": "dpop"}),
    ("proof_of_possession", {"required": True}),
    ("proof_of_possession", {**DPOP, "mechanism": "tls"}),
    ("proof_of_possession", {**DPOP, "required_for": "nobody"}),
    ("subject_type_authorization", None),
    ("subject_type_authorization", {"user": "allow_all"}),
    ("subject_type_authorization", {"user": {}}),
    ("subject_type_authorization", {"client": {"policy": "allow_all"}}),
    ("authorization_policy", {"policy_id": ""}),
    ("authorization_policy", {"policy_id": "p" * 1_025}),
    ("agent_subject_claims", "auth0-v2"),
    ("verification_location", ""),
]


@pytest.mark.parametrize(("name", "value"), GOOD)
def test_a_value_within_its_bounds_will_do(name: str, value: object) -> None:
    """At creation and in a change."""
    assert creation_problems({"identifier": "a", name: value}) == []
    assert change_problems({name: value}) == []


@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_value_out_of_bounds_is_named_and_not_repeated(name: str, value: object) -> None:
    """The problem begins with the member, and says what the value must be."""
    for problems in (
        creation_problems({"identifier": "a", name: value}),
        change_problems({name: value}),
    ):
        (problem,) = problems
        assert problem.startswith(f"{name} ")
        assert "aaaaaaaaaa" not in problem


def test_every_member_is_tested_here() -> None:
    """A new row of the table comes with values that will do and values that will not."""
    assert (
        {name for name, _ in GOOD} == {name for name, _ in BAD} == MEMBERS.keys() - {"identifier"}
    )


@pytest.mark.parametrize(("length", "good"), [(0, False), (1, True), (600, True), (601, False)])
def test_an_identifier_has_a_length(length: int, good: bool) -> None:  # noqa: FBT001
    """1 to 600 characters."""
    assert (creation_problems({"identifier": "a" * length}) == []) == good


def test_an_identifier_is_needed_and_is_for_ever() -> None:
    """It must be there at the beginning, and cannot be sent afterwards."""
    assert creation_problems({}) == ["identifier is missing"]
    assert change_problems({"identifier": "a"}) == ["additional properties not allowed: identifier"]


@pytest.mark.parametrize("name", ["id", "is_system", "client_id", "colour"])
def test_unknown_and_read_only_members_are_refused(name: str) -> None:
    """As at Auth0, whose schemas allow no others."""
    problem = f"additional properties not allowed: {name}"
    assert creation_problems({"identifier": "a", name: "b"}) == [problem]
    assert change_problems({name: "b"}) == [problem]


def test_all_problems_are_told_at_once() -> None:
    """One phrase per member, the unknown ones first, and no name endless."""
    problems = creation_problems({"x" * 5_000: 1, "name": "", "token_lifetime": -1})
    assert [problem.split(" ")[0] for problem in problems] == [
        *("identifier", "additional", "name", "token_lifetime")
    ]
    assert max(map(len, problems)) < 110


@pytest.mark.parametrize(
    ("members", "good"),
    [
        ({"token_lifetime": 60, "token_lifetime_for_web": 60}, True),
        ({"token_lifetime": 60, "token_lifetime_for_web": 61}, False),
        ({"token_lifetime_for_web": 86_401}, False),
        ({"signing_alg": "HS256", "signing_secret": "s" * 16}, True),
        ({"signing_alg": "RS256", "signing_secret": "s" * 16}, False),
    ],
)
def test_some_members_go_together(members: dict[str, object], good: bool) -> None:  # noqa: FBT001
    """A browser's token lives no longer than others, and only HS256 has a secret."""
    assert (kept_problems(members) == []) == good


def test_settings_in_a_file_may_have_the_issuers_algorithm() -> None:
    """An issuer that signs by ES256 keeps an API that does; a request cannot make one."""
    assert stored_problems({"identifier": "a", "signing_alg": "ES256"}) == []
    assert stored_problems({"signing_alg": "none"})[0] == "identifier is missing"


def test_what_was_never_set_is_shown_as_auth0_shows_it() -> None:
    """Recorded answers have these defaults, and no dialect, RBAC or name before somebody sets one."""
    api = Api(id=new_id(), members=completed({"identifier": "a"}, "RS256"))
    assert api.as_json() == {
        "id": api.id,
        "identifier": "a",
        "scopes": [],
        "allow_offline_access": False,
        "skip_consent_for_verifiable_first_party_clients": False,
        "token_lifetime": 86_400,
        "token_lifetime_for_web": 7_200,
        "signing_alg": "RS256",
        "subject_type_authorization": {
            "client": {"policy": "require_client_grant"},
            "user": {"policy": "allow_all"},
        },
    }
    assert (len(api.id), api.dialect, api.enforces_policies) == (24, "access_token", False)


def test_a_key_for_encryption_is_shown_by_its_thumbprint() -> None:
    """The PEM text stays here, as in recorded answers."""
    shown = Api(id="1", members=completed({"identifier": "a", "token_encryption": JWE}, "RS256"))
    key = shown.as_json()["token_encryption"]["encryption_key"]  # type: ignore[index]
    assert set(key) == {"alg", "thumbprint_sha256"}


def _apis(store: Store | None = None) -> Apis:
    store = store or Memory()
    grants = Grants(store, management="https://issuer.test/api/v2/")
    return Apis(
        store,
        issuer="https://issuer.test/",
        algorithm="RS256",
        grants=grants,
        prepare=KeyRings("RS256", store).prepare,
    )


def test_a_change_leaves_the_rest_alone() -> None:
    """What is not named stays; null takes a setting away."""
    apis = _apis()
    api = apis.create({"identifier": "a", "name": "A", "proof_of_possession": DPOP})
    changed = apis.change(api.id, {"token_dialect": "rfc9068_profile"})
    assert changed.members == {**api.members, "token_dialect": "rfc9068_profile"}
    assert "proof_of_possession" not in apis.change("a", {"proof_of_possession": None}).members
    assert apis.find("a") == apis.find(api.id) == apis.of_audience("a")


def test_a_secret_comes_and_goes_with_hs256() -> None:
    """One is made where none is sent; it is kept by other changes, and gone with the algorithm."""
    apis = _apis()
    apis.create({"identifier": "a"})
    made = apis.change("a", {"signing_alg": "HS256"}).signing_secret
    assert len(made) >= 32
    assert apis.change("a", {"name": "A"}).signing_secret == made
    assert "signing_secret" not in apis.change("a", {"signing_alg": "PS256"}).members
    assert made not in repr(apis.find("a"))


@pytest.mark.parametrize(
    ("key", "changes", "status"),
    [
        ("b", {}, 404),
        ("https://issuer.test/api/v2/", {"token_dialect": "rfc9068_profile"}, 400),
        ("a", {"token_lifetime": 60, "token_lifetime_for_web": 61}, 400),
        ("a", {"signing_secret": "s" * 16}, 400),
    ],
)
def test_a_change_that_cannot_be_made_is_not_made(
    key: str, changes: dict[str, object], status: int
) -> None:
    """An unknown API, the issuer's own, and settings that do not go together."""
    apis = _apis()
    before = apis.create({"identifier": "a"})
    with pytest.raises(Unacceptable) as refused:
        apis.change(key, changes)
    assert refused.value.status == status
    assert apis.all()[1:] == [before]


def test_an_identifier_is_one_apis() -> None:
    """Taken ones, and the issuer's own, cannot be had a second time."""
    apis = _apis()
    apis.create({"identifier": "a"})
    for identifier, status in [
        ("a", 409),
        ("https://issuer.test/api/v2/", 400),
        ("https://issuer.test/userinfo", 400),
    ]:
        with pytest.raises(Unacceptable) as refused:
            apis.create({"identifier": identifier})
        assert refused.value.status == status


def test_there_are_only_so_many_apis() -> None:
    """A thousand, which is what can be reached by pages."""
    apis = _apis()
    for number in range(1_000):
        apis.create({"identifier": f"urn:{number}"})
    with pytest.raises(Unacceptable) as refused:
        apis.create({"identifier": "a"})
    assert refused.value.status == 403


def test_removing_is_for_good_and_can_be_said_twice() -> None:
    """An API that is gone already is no error; the issuer's own stays."""
    apis = _apis()
    apis.create({"identifier": "a"})
    for _ in range(2):
        apis.remove("a")
        assert apis.find("a") is None
    with pytest.raises(Unacceptable):
        apis.remove(apis.system.id)


def test_everything_can_be_put_back() -> None:
    """`restore` undoes changes, removals and new APIs, in memory and in the store."""
    store = Memory()
    apis = _apis(store)
    apis.begin([{"identifier": "a"}, {"identifier": "b"}])
    apis.settle()
    before = apis.all()
    apis.change("a", {"name": "A"})
    apis.remove("b")
    apis.create({"identifier": "c"})
    apis.restore()
    assert apis.all() == before
    again = _apis(store)
    assert sorted(api.identifier for api in again.all()[1:]) == ["a", "b"]
