"""`atjwt issuer`: runs the local authorization server, for development, on loopback only.

The socket is bound before anything is printed: the port is known then, also where any free one was
asked for, and whoever reads the first line may connect at once.

Exit codes: 1 for a port or a state file that cannot be had, 2 for a wrong argument or `--config`.
"""

import argparse
import json
import shlex
import socket
import sys
from contextlib import closing
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from atjwt.errors import ConfigurationError

if TYPE_CHECKING:
    from atjwt.issuer import LocalIssuer, Setup

# Spelled here too, so that `--help` need not load the issuer; a test compares them with it.
DIALECTS: Final = (
    "access_token",
    "access_token_authz",
    "rfc9068_profile",
    "rfc9068_profile_authz",
)
_OTHER_PROFILE: Final = dict(zip(DIALECTS, (*DIALECTS[2:], *DIALECTS[:2]), strict=True))
"""The dialect of the other profile that says as much of permissions."""

ALGORITHMS: Final = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
    "Ed25519",
)

_WARNING: Final = "atjwt issuer: for development only; it answers this computer only (loopback)."


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command and its arguments."""
    parser = commands.add_parser(
        "issuer",
        help="run a local authorization server for development",
        description="Runs a local authorization server: metadata, keys, logins, a token endpoint, and "
        "broken tokens and faults on request. For development only; it listens on loopback addresses "
        "only.",
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="loopback name or address (default: %(default)s)"
    )
    parser.add_argument(
        "--port", type=_port, default=9400, help="0 for any free one (default: %(default)s)"
    )
    parser.add_argument(
        "--config",
        metavar="FILE",
        help="APIs, users, clients, grants and organizations to begin with, as TOML (default: "
        "built-in ones)",
    )
    parser.add_argument(
        "--state",
        metavar="FILE",
        help="keep APIs, client grants, signing keys and client secrets in this SQLite file, for the "
        "next run; readable by its owner alone (default: in memory)",
    )
    _add_settings(parser)
    parser.add_argument(
        "--json", action="store_true", help="print one JSON line instead of text, when listening"
    )
    parser.set_defaults(run=run)


def _add_settings(parser: argparse.ArgumentParser) -> None:
    # Without defaults: what is not given is as the files say.
    parser.add_argument(
        "--audience",
        type=_identifier,
        help="identifier of the main API (default: the first of --config, or "
        "https://api.example.com/)",
    )
    parser.add_argument(
        "--dialect",
        choices=DIALECTS,
        metavar="DIALECT",
        help=f"token dialect of the main API: {', '.join(DIALECTS)} (default: access_token)",
    )
    parser.add_argument(
        "--algorithm",
        choices=ALGORITHMS,
        metavar="ALG",
        help=f"signs by {', '.join(ALGORITHMS)} (default: RS256)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Serves until SIGINT or SIGTERM. Returns the exit code."""
    from atjwt.issuer import Setup, read_setup
    from atjwt.issuer.loopback import is_loopback

    try:
        from atjwt.cli.serve import serve
    except ModuleNotFoundError as error:
        if error.name != "uvicorn":
            raise
        return _fail(2, "this command needs uvicorn: pip install 'atjwt[issuer]'")
    host: str = arguments.host.removeprefix("[").removesuffix("]")
    if not is_loopback(host):
        return _fail(2, "the host is not a loopback one; use 127.0.0.1, ::1 or localhost")
    try:
        setup = Setup() if arguments.config is None else read_setup(arguments.config)
    except ConfigurationError as error:
        return _fail(2, *error.problems)
    try:
        listener = _listen(host, arguments.port)
    except OSError as error:
        why = str(error.strerror).partition(" (")[0]  # what follows says host and port again
        return _fail(1, f"cannot listen on port {arguments.port} of {host}: {why}")
    with listener:
        address, port = listener.getsockname()[:2]
        if not is_loopback(address):  # a resolver may say anything about a name
            return _fail(2, "the host resolves to an address that is not a loopback one")
        authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            issuer = _issuer(arguments, f"http://{authority}/", setup)
        except ConfigurationError as error:
            return _fail(1, *error.problems)
        with closing(issuer):
            serve(
                issuer.app,
                listener,
                ready=lambda: _announce(issuer, as_json=arguments.json, state=arguments.state),
            )
    return 0


def _issuer(arguments: argparse.Namespace, url: str, setup: "Setup") -> "LocalIssuer":
    from atjwt.issuer import LocalIssuer

    return LocalIssuer(
        issuer=url,
        audience=arguments.audience,
        dialect=arguments.dialect,
        algorithm=arguments.algorithm,
        setup=setup,
        state=arguments.state,
    )


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65_535:
        raise argparse.ArgumentTypeError("a port is a number from 0 to 65535")
    return int(text)


def _identifier(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("an API has an identifier")
    return text


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family)


def _fail(code: int, *sentences: str) -> int:
    for sentence in sentences:
        print(f"atjwt issuer: {sentence}", file=sys.stderr)
    return code


def _announce(issuer: "LocalIssuer", *, as_json: bool, state: str | None) -> None:
    notes = [_WARNING]
    if state is not None:
        notes.append(f"atjwt issuer: its signing keys and client secrets are kept in {state}.")
    facts = {
        "issuer": issuer.issuer,
        "jwks_uri": issuer.jwks_uri,
        "token_endpoint": issuer.token_endpoint,
        "audience": issuer.audience,
        "dialect": issuer.dialect,
        "algorithm": _signing(issuer)[0],
        "client_id": issuer.client_id,
        "client_secret": issuer.client_secret,
        "authorization_endpoint": issuer.authorization_endpoint,
        "spa_client_id": issuer.spa_client_id,
        "management_audience": issuer.management_audience,
        "management_client_id": issuer.management_client_id,
        "management_client_secret": issuer.management_client_secret,
        "dashboard": f"{issuer.issuer}dashboard",
    }
    if as_json:  # a program reads stdout; the notes are for the person behind it
        print(*notes, sep="\n", file=sys.stderr, flush=True)
        print(json.dumps(facts), flush=True)
        return
    width = max(map(len, facts))
    print(*notes, "", *(f"  {name:{width}}  {value}" for name, value in facts.items()), sep="\n")
    print("\nAn API trusts it, in both token profiles, by:\n", _trust(issuer), sep="\n")
    machine = _curl(issuer, issuer.client_id, issuer.client_secret, issuer.audience)
    print("\nGet a token for the machine client:\n", f"  {machine}", sep="\n")
    print("\nGet any token:\n", f"  {_curl_any(issuer)}", sep="\n")
    print(
        "\nLog in, from the docs page of a FastAPI app whose AccessTokenScheme is auth:\n",
        _login(issuer),
        sep="\n",
    )
    print(f"\nSee and change all this in a browser, on the Dashboard: {facts['dashboard']}")
    print("\nChange the token profile of the API, as at Auth0:\n", _switch(issuer), sep="\n")
    print("\nOr step by step, by `atjwt migrate`, which reads:\n", _environment(issuer), sep="\n")
    print(f"\nWhat else there is: {issuer.issuer}\nStop with Ctrl+C.", flush=True)


def _signing(issuer: "LocalIssuer") -> tuple[str, str | None]:
    """The algorithm of the main API, and its secret if it signs by one."""
    main = next((api for api in issuer.apis if api["identifier"] == issuer.audience), {})
    secret = main.get("signing_secret")
    return str(main.get("signing_alg", issuer.algorithm)), None if secret is None else str(secret)


def _trust(issuer: "LocalIssuer") -> str:
    algorithm, secret = _signing(issuer)
    how = ""  # by default the algorithms of Auth0
    if secret is not None:
        how = f", secret={json.dumps(secret)}"
    elif algorithm not in {"RS256", "PS256"}:
        how = f", algorithms=[{json.dumps(algorithm)}]"
    return (
        "  ResourceServer(\n"
        f"      audience={json.dumps(issuer.audience)},\n"
        f"      issuers=[TrustedIssuer.auth0({json.dumps(issuer.issuer)}{how})],\n"
        "  )"
    )


def _login(issuer: "LocalIssuer") -> str:
    client_id = json.dumps(issuer.spa_client_id)
    users = (
        f"  as {user.name}, who may {' '.join(issuer.assigned(user)) or 'do nothing'}"
        for user in issuer.users
    )
    return "\n".join((f"  auth.install(app, docs_client_id={client_id})", *users))


def _curl_any(issuer: "LocalIssuer") -> str:
    wanted = json.dumps({"dialect": "rfc9068_profile", "scopes": ["read:orders"]})
    url = shlex.quote(f"{issuer.issuer}_local/token")
    return f"curl -s {url} -H 'content-type: application/json' -d {shlex.quote(wanted)}"


def _switch(issuer: "LocalIssuer") -> str:
    audience = issuer.management_audience
    login = _curl(issuer, issuer.management_client_id, issuer.management_client_secret, audience)
    api = f"{audience}resource-servers/{quote(issuer.audience, safe='')}"
    find = """sed -E 's/.*"access_token":"([^"]+)".*/\\1/'"""
    wanted = json.dumps({"token_dialect": _OTHER_PROFILE[issuer.dialect]})
    return (
        f"  TOKEN=$({login} | {find})\n"
        f"  curl --request PATCH --url {shlex.quote(api)} "
        '--header "authorization: Bearer $TOKEN" '
        f"--header 'content-type: application/json' --data {shlex.quote(wanted)}"
    )


def _environment(issuer: "LocalIssuer") -> str:
    return (
        f"  export AUTH0_DOMAIN={shlex.quote(issuer.issuer)} "
        f"AUTH0_CLIENT_ID={shlex.quote(issuer.management_client_id)} "
        f"AUTH0_CLIENT_SECRET={shlex.quote(issuer.management_client_secret)}"
    )


def _curl(issuer: "LocalIssuer", client_id: str, client_secret: str, audience: str) -> str:
    parameters = {
        "grant_type": "client_credentials",
        "client_id": client_id,
        "client_secret": client_secret,
        "audience": audience,
    }
    pairs = (f"{name}={value}" for name, value in parameters.items())
    data = " ".join(f"--data-urlencode {shlex.quote(pair)}" for pair in pairs)
    return f"curl -s {shlex.quote(issuer.token_endpoint)} {data}"
