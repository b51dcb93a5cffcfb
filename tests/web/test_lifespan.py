"""Wrong configuration: every problem and its fix, at start-up, under a real server too."""

import asyncio
import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from atjwt import ConfigurationError, ResourceServer, TrustedIssuer
from atjwt.asgi import AccessTokenMiddleware, ASGIApp, Receive, Send
from atjwt.starlette import RequiresMiddleware
from atjwt.testing import LocalIssuer
from web.asking import (
    API,
    Clock,
    ask,
    http_scope,
    reached,
    sent_by,
    serving,
    trusting,
    websocket_scope,
    who,
)

ISSUER = "https://issuer.example.com"
GOOD = {"issuer": ISSUER, "audience": API}
LIFESPAN: dict[str, Any] = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}


def _start(app: ASGIApp) -> str:
    """The text with which an app's start-up fails; what it raises after that is another matter."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None:
        sent.append(message)

    with suppress(ConfigurationError):
        asyncio.run(_run(app, receive, send))
    (message,) = sent
    assert message["type"] == "lifespan.startup.failed"
    return str(message["message"])


async def _run(app: ASGIApp, receive: Receive, send: Send) -> None:
    await app(dict(LIFESPAN), receive, send)


def _problems(**settings: Any) -> list[str]:
    """What a middleware with these settings says at start-up."""
    first, *rest = _start(AccessTokenMiddleware(reached, **settings)).splitlines()
    assert first == "atjwt is not configured correctly:"
    assert all(line.startswith("  - ") for line in rest)
    return [line.removeprefix("  - ") for line in rest]


@pytest.mark.parametrize(
    ("settings", "fix"),
    [
        ({"issuer": ISSUER}, "audience: give the API's identifier"),
        ({"issuer": ISSUER, "audience": ""}, "audience: each identifier must be a string"),
        ({"issuer": ISSUER, "audience": []}, "audience: give the API's identifier"),
        ({"issuer": ISSUER, "audience": ["a", " "]}, "audience: each identifier"),
        ({"issuer": ISSUER, "audience": 5}, "audience: give the API's identifier"),
        ({"issuer": ISSUER, "audience": b"api"}, "audience: each identifier"),
        ({"issuer": ISSUER, "audience": "https://a/userinfo"}, "give your API's own identifier"),
        ({"audience": API}, 'give issuer="https://…", or resource_server='),
        ({**GOOD, "issuer": ""}, "issuer: give a URL, such as"),
        ({**GOOD, "issuer": "issuer.example.com"}, "issuer: this is no URL; give one such as"),
        ({**GOOD, "issuer": "ftp://issuer.example.com"}, "issuer: this is no URL"),
        ({**GOOD, "issuer": "https://[::1"}, "issuer: this is no URL"),
        ({**GOOD, "issuer": "https://a:x"}, "issuer: this is no URL"),
        ({**GOOD, "issuer": "http://issuer.example.com"}, "use https, or say unsafe_http=True"),
        ({**GOOD, "issuer": "https://u:p@issuer.example.com"}, "take the user, password"),
        ({**GOOD, "issuer": "https://issuer.example.com?a"}, "query"),
        ({**GOOD, "issuer": "https://issuer.example.com\n"}, "space out of it"),
        ({**GOOD, "issuer": "https://t.auth0.com/x"}, "give a domain without a path"),
        ({**GOOD, "resource_server": "SERVER"}, "not both"),
        ({"resource_server": "SERVER", "audience": API}, "not both"),
        ({"resource_server": "SERVER", "issuer": ISSUER}, "not both"),
        ({"resource_server": 5}, "resource_server"),
        ({**GOOD, "public": "/health"}, 'write public={"/health"}, a set of paths'),
        ({**GOOD, "public": ["health"]}, "'health': give one exact path that starts with /"),
        ({**GOOD, "public": [""]}, "'': give one exact path"),
        ({**GOOD, "public": ["/health/*"]}, "'/health/*': give one exact path"),
        ({**GOOD, "public": ["/users/{id}"]}, "'/users/{id}': give one exact path"),
        ({**GOOD, "public": ["/ok", 5]}, "5: give one exact path"),
        ({**GOOD, "public": [b"/health"]}, "b'/health': give one exact path"),
    ],
)
def test_a_wrong_setting_is_told_with_its_fix(
    server: ResourceServer, settings: dict[str, Any], fix: str
) -> None:
    """One problem, one sentence, with what to write instead."""
    given = {name: server if value == "SERVER" else value for name, value in settings.items()}
    (problem,) = _problems(**given)
    assert fix in problem


@pytest.mark.parametrize(
    "issuer",
    [5, b"https://issuer.example.com", [ISSUER], "https://]a.example", "https://a\u2100.example"],
)
def test_whatever_the_wrong_issuer_is_it_is_a_configuration_error(issuer: Any) -> None:
    """Nothing else may leave the constructor: uvicorn takes it for an app without lifespan."""
    assert "issuer" in _problems(issuer=issuer, audience=API)[0]


@pytest.mark.parametrize("public", [None, 5, [["/health"]]])
def test_whatever_the_wrong_public_paths_are_it_is_a_configuration_error(public: Any) -> None:
    """As for the issuer."""
    assert "public" in _problems(issuer=ISSUER, audience=API, public=public)[0]


@pytest.mark.parametrize("path", ["/health?full=1", "/health#top", "/a%20b"])
def test_a_public_path_that_could_never_match_is_told(path: str) -> None:
    """A path has no query and no fragment, and is compared decoded."""
    assert _problems(**GOOD, public=[path])


@pytest.mark.parametrize("name", ["required", "allow_preflight"])
@pytest.mark.parametrize("value", [None, "no", 0, 1])
def test_a_switch_is_true_or_false(name: str, value: object) -> None:
    """What decides whether anonymous callers pass is not left to truthiness."""
    assert _problems(**GOOD, **{name: value})


@pytest.mark.parametrize(
    "setting",
    [{"realm": 5}, {"clock": 5}, {"fetch": "https://a"}, {"observers": None}, {"issuers": 5}],
)
def test_a_resource_server_tells_every_wrong_setting(
    issuer: LocalIssuer, setting: dict[str, Any]
) -> None:
    """When it is made, and not by the first request that needs it."""
    settings: dict[str, Any] = {"audience": API, "issuers": [trusting(issuer)], **setting}
    with pytest.raises(ConfigurationError, match=next(iter(setting))):
        ResourceServer(**settings)


def test_a_misspelt_argument_is_told_with_the_others() -> None:
    """Starlette would pass it on late, as a TypeError that stops no server."""
    problems = _problems(resource_sever=5, issuer=ISSUER)
    assert "no argument is called resource_sever; there are issuer, audience," in problems[0]
    assert "audience: give the API's identifier" in problems[1]
    with pytest.raises(TypeError):
        AccessTokenMiddleware()  # type: ignore[call-arg]


def test_every_problem_is_told_at_once() -> None:
    """Of the middleware, of the issuer and of the audience together."""
    problems = _problems(
        issuer="http://u@issuer.example.com/?q", audience=["", "a"], public=["x", "/y*", "/ok"]
    )
    assert len(problems) == 5
    assert [problem.split(":")[0] for problem in problems] == [
        "AccessTokenMiddleware", "AccessTokenMiddleware", "TrustedIssuer", "TrustedIssuer",
        "ResourceServer",
    ]  # fmt: skip


def test_a_wrong_configuration_is_kept_and_not_raised_by_the_constructor() -> None:
    """Starlette builds middleware when the server has already begun to talk to the app."""
    app = AccessTokenMiddleware(reached)
    assert app.configuration_error is not None
    assert len(app.configuration_error.problems) == 2


@pytest.mark.parametrize(
    "scope", [http_scope(), http_scope(path="/health"), websocket_scope(), http_scope(type="x")]
)
def test_on_any_other_scope_it_raises(scope: dict[str, Any]) -> None:
    """Where a server has no lifespan, no request gets through, not even to a public path."""
    app = AccessTokenMiddleware(reached, issuer=ISSUER, public={"/health"})
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="audience: give the API's identifier"):
            asyncio.run(sent_by(app, dict(scope)))


def test_refusing_to_work_does_not_use_up_memory() -> None:
    """An exception that is raised again grows by the frames of every request."""
    app = AccessTokenMiddleware(reached)
    lengths = []
    for _ in range(5):
        with pytest.raises(ConfigurationError) as raised:
            ask(app)
        lengths.append(len(raised.traceback))
    assert len(set(lengths)) == 1


def test_after_startup_failed_it_raises_as_starlette_does() -> None:
    """So that `with TestClient(app)` fails with the text, rather than hang."""
    app = AccessTokenMiddleware(reached)
    with pytest.raises(ConfigurationError):
        asyncio.run(sent_by(app, dict(LIFESPAN), {"type": "lifespan.startup"}))


def test_a_good_configuration_starts_without_asking_the_issuer(
    issuer: LocalIssuer, clock: Clock
) -> None:
    """The lifespan is the app's own; an issuer that is down keeps nobody from starting."""
    issuer.faults.set(down=True)
    server = ResourceServer(
        audience=API, issuers=[TrustedIssuer(issuer.issuer)], clock=clock, fetch=issuer.fetch
    )
    guard = Middleware(AccessTokenMiddleware, resource_server=server)
    app = Starlette(routes=[Route("/", who)], middleware=[guard])
    with TestClient(app) as client:
        assert issuer.requests.total() == 0
        assert client.get("/", headers=issuer.headers()).status_code == 503
        issuer.faults.clear()
        clock.now += 1
        assert client.get("/", headers=issuer.headers()).status_code == 200


# --- Under uvicorn --------------------------------------------------------------------------------

_APP = """
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from atjwt.asgi import AccessTokenMiddleware, ASGIApp, Receive, Send
from atjwt.starlette import RequiresMiddleware
from atjwt.starlette import RequiresMiddleware

guard = Middleware(AccessTokenMiddleware, {settings})
cors = Middleware(CORSMiddleware, allow_origins=["*"])
app = Starlette(middleware=[{middleware}])
"""
_GOOD_SETTINGS = "issuer='https://issuer.example.com', audience='https://api.example.com/'"


def _started(folder: Path, settings: str, middleware: str = "guard") -> tuple[int, str]:
    """Exit code and output of a uvicorn that has to end by itself."""
    text = _APP.format(settings=settings, middleware=middleware)
    (folder / "wrong_app.py").write_text(text, encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "wrong_app:app",
        "--port",
        "0",
        "--app-dir",
        str(folder),
    ]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    ended = subprocess.run(
        command, capture_output=True, text=True, timeout=30, check=False, env=environment
    )
    return ended.returncode, ended.stdout + ended.stderr


@pytest.mark.parametrize("middleware", ["guard", "cors, guard", "guard, cors"])
def test_uvicorn_ends_with_every_problem_printed(tmp_path: Path, middleware: str) -> None:
    """It exits by itself, not with 0, and the text stands in its output; no traceback needed."""
    settings = "issuer='http://issuer.example.com', audience='', public=['health']"
    code, output = _started(tmp_path, settings, middleware)
    assert code != 0
    assert "atjwt is not configured correctly:" in output
    assert "http is for loopback only; use https, or say unsafe_http=True" in output
    assert "audience: each identifier must be a string with content" in output
    assert "'health': give one exact path that starts with /" in output
    assert "Application startup failed" in output
    assert "Uvicorn running" not in output


def test_a_wrong_guard_around_the_app_is_told_at_start_up_too(server: ResourceServer) -> None:
    """Starlette builds `RequiresMiddleware` as late as the other one, so it must do the same."""
    guard = Middleware(AccessTokenMiddleware, resource_server=server)
    wrong = Middleware(RequiresMiddleware, scopes="read:orders")
    assert "scopes=['read:orders']" in _start(Starlette(middleware=[guard, wrong]))


def test_behind_other_middleware_the_lifespan_reaches_it(server: ResourceServer) -> None:
    """CORS outermost, as documented, does not keep the text from the server."""
    guard = Middleware(AccessTokenMiddleware, issuer=ISSUER)
    app = Starlette(middleware=[Middleware(CORSMiddleware), guard])
    assert "audience: give the API's identifier" in _start(app)


def test_on_a_mount_a_wrong_configuration_fails_every_request() -> None:
    """A mount sees no lifespan, so this is the earliest moment; nothing gets through."""
    guard = Middleware(AccessTokenMiddleware, issuer=ISSUER)
    app = Starlette(routes=[Mount("/api", routes=[Route("/", who)], middleware=[guard])])
    with TestClient(app) as client, pytest.raises(ConfigurationError):
        client.get("/api/")


def test_a_running_server_judges_requests(server: ResourceServer, issuer: LocalIssuer) -> None:
    """The whole of it over a socket: refused, let in, and a 60 kB header that hurts nobody."""
    guard = Middleware(AccessTokenMiddleware, resource_server=server)
    app = Starlette(routes=[Route("/", who)], middleware=[guard])

    async def visit() -> list[httpx2.Response]:
        async with (
            serving(app, lifespan="on", h11_max_incomplete_event_size=131_072) as port,
            httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
        ):
            sent = [{}, issuer.headers(), {"Authorization": "Bearer " + "a" * 60_000}]
            return [await client.get("/", headers=headers) for headers in sent] + [
                await client.head("/")
            ]

    nothing, good, junk, head = asyncio.run(visit())
    assert [nothing.status_code, good.status_code, junk.status_code] == [401, 200, 401]
    assert json.loads(junk.text)["error"] == "invalid_token"
    assert (head.status_code, head.content) == (401, b"")
    assert head.headers["www-authenticate"] == nothing.headers["www-authenticate"]
