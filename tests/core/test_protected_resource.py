"""What an API says of itself: protected resource metadata (RFC 9728)."""

import copy
import json
import math
import pickle
from typing import Any

import pytest

from atjwt import ConfigurationError
from atjwt.core.protected_resource import WELL_KNOWN, ProtectedResource

URL = "https://api.acme.test/orders"


def problems(*args: Any, **settings: Any) -> tuple[str, ...]:
    """What an API's description is refused for."""
    with pytest.raises(ConfigurationError) as caught:
        ProtectedResource(*args, **settings)
    assert all(problem.startswith("ProtectedResource: ") for problem in caught.value.problems)
    return tuple(problem.removeprefix("ProtectedResource: ") for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("resource", "path"),
    [
        ("https://api.acme.test", ""),
        ("https://api.acme.test/", ""),
        ("https://api.acme.test/orders", "/orders"),
        ("https://api.acme.test:8443/a/b/", "/a/b/"),
        ("http://127.0.0.1:8000/orders", "/orders"),
    ],
)
def test_where_it_stands(resource: str, path: str) -> None:
    """At the root of the host, with the API's path behind the well-known part (section 3.1)."""
    found = ProtectedResource(resource)
    assert found.path == WELL_KNOWN + path
    assert found.metadata_url == "/".join(resource.split("/")[:3]) + WELL_KNOWN + path


def test_document() -> None:
    """It holds what is known, the issuers in their order, and nothing without a value (section 3.2)."""
    issuers = ["https://b.test/", "https://a.test"]
    least = {
        "resource": URL,
        "authorization_servers": issuers,
        "bearer_methods_supported": ["header"],
    }
    assert json.loads(ProtectedResource(URL).document(issuers)) == least
    whole = ProtectedResource(
        URL,
        scopes_supported=["read", "write"],
        resource_name="Zoë's orders",
        resource_documentation="https://docs.acme.test/",
        members={"resource_policy_uri": "https://acme.test/policy", "x": {"y": [1]}},
    )
    document = whole.document(issuers)
    assert document.isascii()
    assert json.loads(document) == {
        **least,
        "scopes_supported": ["read", "write"],
        "resource_name": "Zoë's orders",
        "resource_documentation": "https://docs.acme.test/",
        "resource_policy_uri": "https://acme.test/policy",
        "x": {"y": [1]},
    }
    empty = ProtectedResource(URL, resource_name="", members={"a": None, "b": [], "c": False})
    assert json.loads(empty.document(issuers)) == {**least, "c": False}


@pytest.mark.parametrize(
    "resource",
    [None, 5, "", "api.acme.test", "ftp://api.acme.test", "http://api.acme.test", URL + "#a",
     URL + "?a", "https://user@api.acme.test", "https://", "https://["],
    ids=repr,
)  # fmt: skip
def test_no_resource(resource: Any) -> None:
    """An API's identifier is an https URL without query or fragment; http is for this machine only."""
    assert all(problem.startswith("resource: ") for problem in problems(resource))


@pytest.mark.parametrize("scopes", ["read", ["read", ""], ["read", 5], [None], 5, True], ids=repr)
def test_no_scopes(scopes: Any) -> None:
    """Scopes are a list of strings."""
    assert problems(URL, scopes_supported=scopes) == (
        'scopes_supported: give a list, such as ["read:orders"]',
    )


@pytest.mark.parametrize(
    "members", [{"a": {1}}, {"a": b"x"}, {"a": math.nan}, 5, ["a"], "a"], ids=repr
)
def test_no_members(members: Any) -> None:
    """Other members are an object that JSON can write."""
    (problem,) = problems(URL, members=members)
    assert problem.startswith("members: give ")


def test_all_problems_together() -> None:
    """Every problem is told; what is written by itself cannot be written over."""
    own = {"resource": "https://evil.test", "authorization_servers": []}
    found = problems("", scopes_supported="read", members={**own, "bearer_methods_supported": []})
    assert [problem.partition(":")[0] for problem in found] == [
        "resource", "scopes_supported", "members", "members", "members",
    ]  # fmt: skip


def test_value() -> None:
    """A description is compared by all that it says, and can be hashed, copied and pickled."""
    one = ProtectedResource(URL, scopes_supported=["a"], members={"x": [1]})
    assert one == ProtectedResource(URL, scopes_supported=["a"], members={"x": [1]})
    assert one != ProtectedResource(URL, scopes_supported=["b"], members={"x": [1]})
    for other in (pickle.loads(pickle.dumps(one)), copy.deepcopy(one), copy.copy(one)):
        assert other == one
        assert hash(other) == hash(one)


@pytest.mark.parametrize(
    "path", ["/{id}", "/%7Bid%7D", "/a%2Fb", "/a/../b", "/./a", "/%2e%2e/a", "/a//b"]
)
def test_a_path_that_not_everybody_reads_alike_is_refused(path: str) -> None:
    """The document would stand somewhere else, or at more than one place."""
    with pytest.raises(ConfigurationError, match="without braces, dot segments"):
        ProtectedResource(f"https://api.example.com{path}")


@pytest.mark.parametrize("path", ["", "/", "/a", "/a/", "/a/b.c", "/caf%C3%A9", "/%20"])
def test_a_plain_path_is_taken(path: str) -> None:
    """With and without a slash at its end."""
    assert ProtectedResource(f"https://api.example.com{path}").resource.endswith(path)
