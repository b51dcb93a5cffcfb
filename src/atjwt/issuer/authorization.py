"""`GET /authorize`, the page that it shows, and the answer of that page (RFC 6749 section 4.1).

The request stays here while the page is open. The page carries one random value of its own, which
nobody else can read and which works once, so no other page can answer for the user; what was asked
cannot be changed on the way. The answer is a redirect by 303 (RFC 9700 section 4.12) with a code
that is bound to the request, and with `iss` (RFC 9207).
"""

from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from atjwt.issuer.authority import Authority
from atjwt.issuer.authorization_request import (
    Asked,
    AuthorizationRequest,
    ReturnAddress,
    Unanswerable,
    authorization_request,
    read_query,
    return_address,
)
from atjwt.issuer.bodies import media_type, parameters, read_body
from atjwt.issuer.clients import Client
from atjwt.issuer.form_origin import foreign_origin
from atjwt.issuer.once import OnceOnly
from atjwt.issuer.page_frame import NO_TRACE
from atjwt.issuer.pages import error_page, login_page
from atjwt.issuer.refusal import Refused
from atjwt.issuer.users import User

_CODE_LIFETIME: Final = 60.0  # seconds; a client redeems its code at once
_VIEW_LIFETIME: Final = 600.0  # seconds; for as long may somebody look at the page
_MOST: Final = 256  # open pages, and codes: nobody has more logins under way on one computer


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Login:
    """What a code stands for: who said yes to what, and when (seconds since 1970)."""

    request: AuthorizationRequest
    user: User
    at: float


class AuthorizationEndpoint:
    """The authorization endpoint of one authority, and the codes that it has given out."""

    def __init__(self, authority: Authority) -> None:
        """Begins without open pages and codes."""
        clock = authority.mint.clock
        self._authority = authority
        self._views: OnceOnly[AuthorizationRequest] = OnceOnly(
            lifetime=_VIEW_LIFETIME, most=_MOST, clock=clock
        )
        self.codes: OnceOnly[Login] = OnceOnly(lifetime=_CODE_LIFETIME, most=_MOST, clock=clock)

    async def ask(self, request: Request) -> Response:
        """Shows the login page, sends a refusal to the client, or shows what is wrong."""
        authority = self._authority
        authority.wellknown.count(request.scope["path"])
        try:
            asked = read_query(request.scope["query_string"])
            client = self._app(asked)
            issuer = authority.mint.issuer
            address = return_address(asked, client_id=client.client_id, issuer=issuer)
        except Unanswerable as fault:
            return error_page(str(fault))
        try:
            wanted = authorization_request(
                asked,
                address,
                client_id=client.client_id,
                audience=self._open_to(client),
                organizations=authority.organizations,
            )
        except Refused as refusal:
            return _refuse(address, refusal)
        api = None if wanted.audience is None else authority.apis.of_audience(wanted.audience)
        return login_page(
            wanted,
            [
                (user, authority.scopes_for(user, client.client_id, api, wanted.scopes))
                for user in authority.users
            ],
            known=api.scopes if api else (),
            action=authority.wellknown.login_path,
            view=self._views.keep(wanted),
            client=client.name,
        )

    async def answer(self, request: Request) -> Response:
        """Takes the click on the page and sends the user back to the client, with a code or no."""
        self._authority.wellknown.count(request.scope["path"])
        elsewhere = foreign_origin(request)
        if elsewhere is not None:
            return error_page(f"The answer came from a page of another {elsewhere}.")
        try:
            sent = parameters(await read_body(request), media_type(request))
        except ValueError:
            return error_page("The answer cannot be read.")
        wanted = self._views.take(sent.get("view", ""))
        if wanted is None:
            return error_page(
                "This page was used before, or was open for too long. "
                "Go back to the app and log in from there."
            )
        if "cancel" in sent:
            return _refuse(wanted.address, Refused("access_denied", "the user said no"))
        user = self._user(sent.get("user"))
        if user is None:
            return error_page("There is no such user.")
        try:
            if wanted.organization is not None:
                wanted.organization.check_member(user.subject)
        except Refused as refusal:
            return _refuse(wanted.address, refusal)
        login = Login(request=wanted, user=user, at=self._authority.mint.clock())
        return _back(wanted.address.with_answer(code=self.codes.keep(login)))

    def _app(self, asked: Asked) -> Client:
        """The app that is meant; the first one, to hold the request against, if there is none."""
        apps = self._authority.apps
        return next((app for app in apps if asked.get("client_id") == [app.client_id]), apps[0])

    def _open_to(self, client: Client) -> list[str]:
        authority = self._authority
        return [
            api.identifier
            for api in authority.apis.all()
            if authority.is_open_to_users(client.client_id, api)
        ]

    def _user(self, subject: str | None) -> User | None:
        return next((user for user in self._authority.users if user.subject == subject), None)


def _refuse(address: ReturnAddress, refusal: Refused) -> Response:
    return _back(address.with_answer(error=refusal.error, error_description=refusal.description))


def _back(url: str) -> Response:
    return Response(status_code=303, headers={**NO_TRACE, "location": url})
