"""`AccessTokenScheme` and `install`: what they refuse, what they do to an app, and what they show."""

import json
import re
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse

from atjwt import ConfigurationError, Principal, ResourceServer, TrustedIssuer
from atjwt.fastapi import AccessTokenScheme
from atjwt.guards import coverage
from atjwt.testing import LocalIssuer
from web.asking import API, ask, bearer, trusting


@pytest.fixture
def auth(server: ResourceServer) -> AccessTokenScheme:
    """The scheme of the resource server."""
    return AccessTokenScheme(server)


def problems_of(make: Any, *arguments: Any, **settings: Any) -> tuple[str, ...]:
    """What is wrong, as the one error tells it."""
    with pytest.raises(ConfigurationError) as caught:
        make(*arguments, **settings)
    return caught.value.problems


# --- What is refused ------------------------------------------------------------------------------


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "scopes, a string": ({"scopes": "read:orders"}, "Read orders"),
    "scopes, a list": ({"scopes": ["read:orders"]}, "Read orders"),
    "scopes, a number": ({"scopes": 5}, "Read orders"),
    "scopes without text": ({"scopes": {"read:orders": None}}, "Read orders"),
    "scopes, no name": ({"scopes": {5: "five"}}, "Read orders"),
    "scopes, no scope": ({"scopes": {"read orders": "Read orders"}}, "without spaces"),
    "name, empty": ({"scheme_name": ""}, "letters, digits"),
    "name, spaces": ({"scheme_name": "Access Token"}, "letters, digits"),
    "name, a slash": ({"scheme_name": "a/b"}, "letters, digits"),
    "name, a newline": ({"scheme_name": "a\n"}, "letters, digits"),
    "name, none": ({"scheme_name": None}, "letters, digits"),
    "description, a number": ({"description": 5}, "description: give a text"),
    "authorization alone": ({"authorization_url": "https://a.example/in"}, "give both"),
    "token alone": ({"token_url": "https://a.example/token"}, "give both"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_argument_is_told_with_its_fix(server: ResourceServer, wrong: str) -> None:
    """When the scheme is made, in the words of what was given."""
    settings, fix = WRONG[wrong]
    [problem] = problems_of(AccessTokenScheme, server, **settings)
    assert problem.startswith("AccessTokenScheme: ")
    assert fix in problem


@pytest.mark.parametrize(
    ("url", "fix"),
    [
        ("a.example/in", "give one such as"),
        ("", "give a URL"),
        (5, "give a URL"),
        ("ftp://a.example/", "give one such as"),
        ("http://a.example/in", "use https"),
        ("https://user@a.example/in", "take the user"),
        ("https://a.example/in#fragment", "fragment"),
    ],
)
def test_addresses_of_the_login_are_https(server: ResourceServer, url: Any, fix: str) -> None:
    """What is wrong with one is told of it, and of no other; no argument is named that is none."""
    good = "https://a.example/good"
    for settings in (
        {"authorization_url": url, "token_url": good},
        {"authorization_url": good, "token_url": url},
    ):
        [problem] = problems_of(AccessTokenScheme, server, **settings)
        name = next(name for name, given in settings.items() if given == url)
        assert problem.startswith(f"AccessTokenScheme: {name}: ")
        assert fix in problem
        assert "unsafe_http" not in problem


def test_a_login_on_loopback_may_be_http(server: ResourceServer) -> None:
    """The local issuer is there."""
    AccessTokenScheme(
        server,
        authorization_url="http://127.0.0.1:8000/authorize",
        token_url="http://localhost:8000/oauth/token",
    )


def test_every_problem_is_told_at_once() -> None:
    """With the first start, not one start each."""
    wrong: dict[str, Any] = {"scopes": ["a"], "scheme_name": "a b", "token_url": "x"}
    problems = problems_of(AccessTokenScheme, "server", **wrong)
    for name in ("resource_server", "scopes", "scheme_name", "authorization_url", "token_url"):
        assert any(name in problem for problem in problems)
    assert len(problems) == 5


@pytest.mark.parametrize("app", [None, Starlette(), FastAPI, "app"])
def test_only_a_fastapi_app_can_be_completed(auth: AccessTokenScheme, app: Any) -> None:
    """Another one has no document."""
    [problem] = problems_of(auth.install, app)
    assert problem == "AccessTokenScheme.install: give the FastAPI app"


def test_a_scheme_is_installed_once(auth: AccessTokenScheme, server: ResourceServer) -> None:
    """Its policy would be told twice; and two of one name could not be told apart."""
    app = FastAPI()
    auth.install(app)
    for again in (auth, AccessTokenScheme(server)):
        [problem] = problems_of(again.install, app)
        assert "scheme_name" in problem
        assert "'AccessToken'" in problem
    AccessTokenScheme(server, scheme_name="Other").install(app)
    auth.install(FastAPI())


@pytest.mark.parametrize("client_id", ["", " ", 5, ["app"]])
def test_a_client_of_the_docs_page_has_an_id(auth: AccessTokenScheme, client_id: Any) -> None:
    """What is none is told, and the app is left as it was."""
    app = FastAPI()
    build = app.openapi
    [problem] = problems_of(auth.install, app, docs_client_id=client_id)
    assert "docs_client_id" in problem
    assert app.openapi == build
    auth.install(app, docs_client_id="app")


def test_every_problem_of_an_install_is_told_at_once(auth: AccessTokenScheme) -> None:
    """Both of them."""
    app = FastAPI()
    auth.install(app)
    assert len(problems_of(auth.install, app, docs_client_id="")) == 2
    invalid: Any = None
    assert len(problems_of(auth.install, invalid, docs_client_id="")) == 2


# --- The docs page --------------------------------------------------------------------------------


def login_of(app: FastAPI, path: str = "/docs") -> Any:
    """What the docs page tells Swagger UI of the login; None where it tells nothing."""
    found = re.search(r"ui\.initOAuth\((\{.*?\})\)\s*\n", ask(app, path=path).text)
    return None if found is None else json.loads(found[1])


def test_the_docs_page_logs_in_with_pkce_and_for_this_api(auth: AccessTokenScheme) -> None:
    """As a single-page app: its client, no secret, the audience besides."""
    app = FastAPI()
    auth.install(app, docs_client_id="orders-docs")
    assert login_of(app) == {
        "clientId": "orders-docs",
        "usePkceWithAuthorizationCodeGrant": True,
        "additionalQueryStringParams": {"audience": API},
    }


def test_without_a_client_the_docs_page_is_left_alone(auth: AccessTokenScheme) -> None:
    """Whoever wants no login there, or has set it up, keeps it so."""
    plain, own = FastAPI(), FastAPI(swagger_ui_init_oauth={"clientId": "own"})
    for app in (plain, own):
        auth.install(app)
    assert login_of(plain) is None
    assert login_of(own) == {"clientId": "own"}


def test_of_several_names_of_an_api_the_first_is_asked_for(issuer: LocalIssuer) -> None:
    """As it is written: it is the one that new tokens are for."""
    server = ResourceServer(audience=["urn:new", "urn:old"], issuers=[trusting(issuer)])
    app = FastAPI(docs_url="/api/docs")
    AccessTokenScheme(server).install(app, docs_client_id="app")
    login = login_of(app, "/api/docs")
    assert login["additionalQueryStringParams"] == {"audience": "urn:new"}


def test_what_the_app_says_of_the_login_stays(auth: AccessTokenScheme) -> None:
    """But for what must be so; other parameters of the request for a login go with ours."""
    own = {
        "appName": "Orders", "scopes": "read:orders", "clientId": "old",
        "usePkceWithAuthorizationCodeGrant": False,
        "additionalQueryStringParams": {"organization": "org_1", "audience": "urn:old"},
    }  # fmt: skip
    app = FastAPI(swagger_ui_init_oauth=own)
    auth.install(app, docs_client_id="new")
    assert login_of(app) == {
        "appName": "Orders", "scopes": "read:orders", "clientId": "new",
        "usePkceWithAuthorizationCodeGrant": True,
        "additionalQueryStringParams": {"organization": "org_1", "audience": API},
    }  # fmt: skip
    assert own["clientId"] == "old"


@pytest.mark.parametrize(
    "settings",
    [{}, {"docs_url": "/d", "redoc_url": "/r", "openapi_url": "/o.json"}, {"docs_url": None}],
)
def test_the_docs_pages_are_declared_public(auth: AccessTokenScheme, settings: Any) -> None:
    """Wherever they are; and nothing else is."""
    app = FastAPI(**settings)
    app.add_api_route("/open", lambda: "in")
    app.add_route("/plain", lambda request: PlainTextResponse("in"))
    auth.install(app)
    states = {route.path: route.state for route in coverage(app).routes}
    assert (states.pop("/open"), states.pop("/plain")) == ("UNGUARDED", "UNGUARDED")
    assert set(states.values()) == {"public"}


def test_an_app_without_docs_can_be_completed(auth: AccessTokenScheme) -> None:
    """There is only less to do."""
    app = FastAPI(openapi_url=None, dependencies=[auth.requires()])
    app.add_api_route("/", lambda: "in")
    auth.install(app, docs_client_id="app")
    assert ask(app).status == 401
    assert ask(app, path="/docs").status == 404


def test_the_metadata_of_the_api_is_published_and_not_documented(issuer: LocalIssuer) -> None:
    """RFC 9728: readable by anybody, also where every route of the app is guarded."""
    trusted = TrustedIssuer("https://issuer.example.org")
    server = ResourceServer(audience=API, issuers=[trusted], resource="https://api.example.com/v1")
    auth = AccessTokenScheme(server)
    app = FastAPI(dependencies=[auth.requires()])
    app.add_api_route("/v1", lambda: "in")
    auth.install(app)
    answer = ask(app, path="/.well-known/oauth-protected-resource/v1")
    assert (answer.status, json.loads(answer.text)["resource"]) == (
        200,
        "https://api.example.com/v1",
    )
    [challenge] = ask(app, path="/v1").values(b"www-authenticate")
    assert b'resource_metadata="https://api.example.com/.well-known/' in challenge
    assert list(app.openapi()["paths"]) == ["/v1"]


# --- What is shown --------------------------------------------------------------------------------


def test_nothing_that_fastapi_may_print_shows_a_caller(
    auth: AccessTokenScheme, issuer: LocalIssuer
) -> None:
    """Its telemetry is handed the resolved dependencies; none has a token, a claim or a subject."""
    shown: list[str] = []

    async def both(
        who: Annotated[Principal, auth.requires(scopes=["marked-scope"])],
        maybe: Annotated[Principal | None, auth.optional],
    ) -> list[Any]:
        return [who, maybe]

    app = FastAPI()

    @app.get("/")
    async def endpoint(values: Annotated[list[Any], Depends(both)]) -> None:
        guard = auth.requires()
        shown.append(
            f"{values!r} {values[0]!s} {guard!r} {guard.dependency!r} {auth!r} {auth.model!r}"
        )

    options: Any = {"subject": "marked-subject", "client_id": "marked-client"}
    token = issuer.token(
        scopes=["marked-scope"], claims={"marked-claim": "marked-value"}, **options
    )
    assert ask(app, bearer(token)).status == 200
    [text] = shown
    assert not re.search(r"marked-(subject|client|claim|value)", text)
    assert not any(part in text for part in token.split("."))
