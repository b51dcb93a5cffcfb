"""The Dashboard, `/dashboard`: an API's token profile is chosen here as on Auth0's own pages.

    GET   /dashboard                          the APIs
    GET   /dashboard/register                 a form for a new one; POST registers it
    GET   /dashboard/apis/{id}                its settings and a token made with them; POST saves
    POST  /dashboard/apis/{id}/scopes         adds a permission; .../remove takes one away
    GET   /dashboard/apis/{id}/delete         asks again; POST deletes the API
    GET   /dashboard/keys-and-faults          POST sets a fault; .../clear, .../rotate, .../withdraw

HTML from the server, without script. A change is judged and made by what the Management API is made
of, so that both refuse in the same words; then the browser is sent to a page that says what is now
so (303), once. What it says there is read off the settings, never off the address. GET changes nothing.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from atjwt.issuer import dashboard_forms as forms
from atjwt.issuer.api import Api
from atjwt.issuer.apis import Unacceptable
from atjwt.issuer.authority import Authority
from atjwt.issuer.bodies import media_type, parameters, read_body
from atjwt.issuer.dashboard_api import delete_page, settings_page, system_page
from atjwt.issuer.dashboard_forms import Typed
from atjwt.issuer.dashboard_lab import fault_field, fault_of, lab_page
from atjwt.issuer.dashboard_pages import apis_page, path_of, register_page
from atjwt.issuer.dashboard_parts import HOME, LAB, REGISTER, message_page
from atjwt.issuer.dashboard_sample import Sample, callers, sample
from atjwt.issuer.dashboard_session import Sessions
from atjwt.issuer.dashboard_token import FOR
from atjwt.issuer.dashboard_told import (
    DONE,
    changed_meanwhile,
    told_of_apis,
    told_of_keys,
    told_of_settings,
)
from atjwt.issuer.markup import printable
from atjwt.issuer.once import OnceOnly
from atjwt.issuer.refusal import Refused
from atjwt.issuer.store import NotKept

_Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]

_TOLD_LIFETIME: Final = 60.0  # seconds; a browser follows at once
_MOST_TOLD: Final = 256
_FORM: Final = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Visit:
    """One request. token: for the forms that it is answered with. typed: what it brought."""

    request: Request
    token: str = field(repr=False)
    typed: Typed = field(default_factory=dict, repr=False)


_Action: TypeAlias = Callable[[_Visit], Response]


def dashboard_routes(authority: Authority) -> list[Route]:
    """The routes of the Dashboard of one authority."""
    board = _Dashboard(authority)
    api = f"{HOME}/apis/{{id}}"
    looks: dict[str, _Action] = {
        HOME: board.apis,
        f"{HOME}/": board.apis,
        REGISTER: board.registration,
        api: board.settings,
        f"{api}/delete": board.deletion,
        LAB: board.lab,
    }
    acts: dict[str, _Action] = {
        REGISTER: board.register,
        api: board.save,
        f"{api}/scopes": board.add_scope,
        f"{api}/scopes/remove": board.remove_scope,
        f"{api}/delete": board.delete,
        LAB: board.set_fault,
        f"{LAB}/clear": board.clear_faults,
        f"{LAB}/rotate": board.rotate,
        f"{LAB}/withdraw": board.withdraw,
    }
    sessions = Sessions()
    return [
        *(Route(path, _looking(sessions, look), methods=["GET"]) for path, look in looks.items()),
        *(Route(path, _acting(sessions, act), methods=["POST"]) for path, act in acts.items()),
    ]


def _looking(sessions: Sessions, look: _Action) -> _Endpoint:
    async def endpoint(request: Request) -> Response:
        session = sessions.of(request)
        response = await _answer(look, _Visit(request=request, token=sessions.token_for(session)))
        sessions.remember(response, session)
        return response

    return endpoint


def _acting(sessions: Sessions, act: _Action) -> _Endpoint:
    async def endpoint(request: Request) -> Response:
        if media_type(request) != _FORM:
            return message_page("This is no form", f"Send it as {_FORM}.", 415)
        try:
            typed = parameters(await read_body(request), _FORM)
        except ValueError as error:
            return message_page("The form cannot be read", f"It is refused: {error}.", 400)
        problem = sessions.problem(request, typed)
        if problem is not None:
            return message_page("The form was not taken", problem, 403)
        token = sessions.token_for(sessions.of(request))
        return await _answer(act, _Visit(request=request, token=token, typed=typed))

    return endpoint


async def _answer(action: _Action, visit: _Visit) -> Response:
    try:  # in a thread: keys are made, and files are written
        return await run_in_threadpool(action, visit)
    except NotKept as error:
        return message_page("It cannot be kept", f"Nothing was changed: {error}.", 500)
    except _NoApi:
        return message_page("There is no such API", "It may have been removed.", 404)


class _NoApi(Exception):
    """The path names an API that is not here."""


class _Dashboard:
    """What is shown and done, of one authority."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority
        self._told: OnceOnly[list[str]] = OnceOnly(
            lifetime=_TOLD_LIFETIME, most=_MOST_TOLD, clock=authority.mint.clock
        )

    def apis(self, visit: _Visit) -> Response:
        return apis_page(self._authority.apis.all(), told_of_apis(self._done(visit)))

    def registration(self, visit: _Visit) -> Response:
        return register_page(visit.token, self._authority.keys.algorithm, {}, {})

    def register(self, visit: _Visit) -> Response:
        authority, members = self._authority, forms.registration(visit.typed)
        problems, status = forms.registration_problems(members), 400
        if not problems:
            try:
                return self._see(path_of(authority.apis.create(members)), ["registered"])
            except Unacceptable as error:
                problems, status = {forms.field_of(error.message): error.message}, error.status
        return register_page(visit.token, authority.keys.algorithm, visit.typed, problems, status)

    def settings(self, visit: _Visit) -> Response:
        api = self._api(visit)
        return self._page(visit, api, told=told_of_settings(api, self._done(visit)))

    def save(self, visit: _Visit) -> Response:
        typed = visit.typed
        with self._authority.apis.lock:  # what is read here is what is changed
            api = self._api(visit)
            if not api.is_system and typed.get(forms.VERSION) != forms.version_of(api):
                problems = {"content": changed_meanwhile(api)}
                return self._page(visit, api, typed=typed, problems=problems, status=409)
            changes = forms.settings(api, typed)
            done = [*changes] or ["nothing"]
            if (
                "permissions" in typed
                and "enforce_policies" not in typed
                and forms.touches_dialect(api, typed)
            ):
                done.append("permissions_need_rbac")
            return self._change(visit, api, changes, typed, done)

    def add_scope(self, visit: _Visit) -> Response:
        with self._authority.apis.lock:
            api = self._api(visit)
            typed = forms.settings_of(api) | dict(visit.typed)
            return self._change(visit, api, forms.with_scope(api, typed), typed, ["scopes"])

    def remove_scope(self, visit: _Visit) -> Response:
        named = visit.typed.get("scope", "")
        with self._authority.apis.lock:
            api = self._api(visit)
            left = [entry for entry in api.scope_entries if printable(entry["value"]) != named]
            changes, done = {"scopes": left}, ["scopes"]
            if left == api.scope_entries:
                changes, done = {}, ["nothing"]
            return self._change(visit, api, changes, forms.settings_of(api), done)

    def deletion(self, visit: _Visit) -> Response:
        api = self._api(visit)
        return self._page(visit, api) if api.is_system else delete_page(api, visit.token)

    def delete(self, visit: _Visit) -> Response:
        api = self._api(visit)
        try:
            self._authority.apis.remove(api.id)
        except Unacceptable as error:
            problems = {"content": error.message}
            return self._page(visit, api, problems=problems, status=error.status)
        return self._see(HOME, ["deleted"])

    def lab(self, visit: _Visit) -> Response:
        authority = self._authority
        return lab_page(
            visit.token,
            authority.keys,
            authority.faults.active(),
            told=told_of_keys(authority.keys.current.kid, self._done(visit)),
        )

    def set_fault(self, visit: _Visit) -> Response:
        faults = self._authority.faults
        try:
            faults.set_from(fault_of(visit.typed))
        except ValueError as error:
            problems = {fault_field(visit.typed.get("on", ""), str(error)): str(error)}
            keys = self._authority.keys
            return lab_page(
                visit.token, keys, faults.active(), typed=visit.typed, problems=problems, status=400
            )
        return self._see(LAB, ["fault"])

    def clear_faults(self, visit: _Visit) -> Response:
        self._authority.faults.clear()
        return self._see(LAB, ["clear"])

    def rotate(self, visit: _Visit) -> Response:
        self._authority.keys.rotate()
        return self._see(LAB, ["rotated"])

    def withdraw(self, visit: _Visit) -> Response:
        try:
            self._authority.keys.withdraw(visit.typed.get("kid", ""))
        except ValueError as error:
            return message_page("The key was not withdrawn", f"Refused: {error}.", 400)
        return self._see(LAB, ["withdrawn"])

    def _api(self, visit: _Visit) -> Api:
        """The API of the path, by its id. Raises _NoApi."""
        id_ = visit.request.path_params["id"]
        found = (api for api in self._authority.apis.all() if api.id == id_)
        api = next(found, None)
        if api is None:
            raise _NoApi
        return api

    def _change(
        self, visit: _Visit, api: Api, changes: Mapping[str, object], typed: Typed, done: list[str]
    ) -> Response:
        problems, status = forms.change_problems_by_field(changes), 400
        if not problems:
            try:
                self._authority.apis.change(api.id, changes)
                return self._see(path_of(api), done, visit.request.query_params.get(FOR))
            except Unacceptable as error:
                problems, status = {forms.field_of(error.message): error.message}, error.status
        return self._page(visit, api, typed=typed, problems=problems, status=status)

    def _page(
        self,
        visit: _Visit,
        api: Api,
        *,
        told: list[str] | None = None,
        typed: Typed | None = None,
        problems: Mapping[str, str] | None = None,
        status: int = 200,
    ) -> Response:
        if api.is_system:
            return system_page(api, problems or {}, status)
        known = callers(self._authority)
        chosen = visit.request.query_params.get(FOR, "")
        chosen = chosen if chosen in known else next(iter(known))
        return settings_page(
            api,
            visit.token,
            shown=self._sample(api, chosen),
            callers=known,
            chosen=chosen,
            told=told or (),
            typed=typed,
            problems=problems,
            status=status,
        )

    def _sample(self, api: Api, key: str) -> Sample | str:
        try:
            return sample(self._authority, api, key)
        except Refused as refusal:
            return refusal.description

    def _done(self, visit: _Visit) -> list[str]:
        return self._told.take(visit.request.query_params.get(DONE, "")) or []

    def _see(self, path: str, done: list[str], chosen: str | None = None) -> Response:
        """Sends the browser to a page that says what was done (RFC 9110 section 15.4.4)."""
        query = {DONE: self._told.keep(done)} | ({} if chosen is None else {FOR: chosen})
        headers = {"location": f"{path}?{urlencode(query)}", "cache-control": "no-store"}
        return Response(status_code=303, headers=headers)
