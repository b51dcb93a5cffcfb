"""What the tests of a migration share: a tenant, the instances of an API, a clock that is moved."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from atjwt.migration import ManagementApi
from atjwt.migration.account import HOUR, Account, Batch, Heartbeat, Step, StepName, Use, UseKey
from atjwt.migration.management import Answer
from atjwt.migration.standing import Api
from atjwt.migration.store import LedgerError, Memory

START = 1_790_000_000.0
API = "https://api.example.com/"
ISSUER = "https://tenant.eu.auth0.com/"
WHICH = Api(ISSUER, API)
DAY = 86_400.0

Effect = Callable[[], Any]


class Killed(BaseException):
    """The process is gone at this point; nothing of ours may catch it."""


class Clock:
    """Moved by whoever sleeps."""

    def __init__(self, now: float = START) -> None:
        self.now = now
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


class Ledger(Memory):
    """In memory, and written to now and then, as the clock says."""

    def __init__(self, clock: Clock, trap: "Trap | None" = None) -> None:
        super().__init__()
        self._clock = clock
        self._updated = 0.0
        self.trap = trap or Trap()

    def write(self, batch: Batch) -> None:
        super().write(batch)
        self._updated = self._clock()

    def record(self, step: Step) -> None:
        self.trap(f"record {step.name}", lambda: super(Ledger, self).record(step))
        self._updated = self._clock()

    def read(self) -> Account:
        found: Account = self.trap("read", self.peek)
        return found

    def peek(self) -> Account:
        """As `read`, and nothing goes wrong with it."""
        found = super().read()
        origins = tuple(origin._replace(updated=self._updated) for origin in found.origins)
        return replace(found, origins=origins)

    def names(self) -> list[str]:
        """Of the steps, in their order."""
        return [step.name for step in self.peek().steps]


class Trap:
    """Lets effects through and keeps their names; at the one that is meant, it raises.

    at: which one, from 0; or its name. raises: by default what breaks there: the ledger or the network.
    after: whether the effect is there all the same.
    """

    def __init__(
        self,
        at: int | str | None = None,
        raises: BaseException | None = None,
        *,
        after: bool = False,
    ) -> None:
        self.at = at
        self.raises = raises
        self.after = after
        self.seen: list[str] = []

    def __call__(self, name: str, effect: Effect) -> Any:
        meant = self.at in {len(self.seen), name}
        self.seen.append(name)
        if not meant:
            return effect()
        if self.after:
            effect()
        if self.raises is not None:
            raise self.raises
        raise ConnectionError("reset") if name.isupper() else LedgerError("is locked")


class Tenant:
    """Answers as the Management API does, for one API; keeps its settings and what was asked."""

    def __init__(self, clock: Clock, dialect: str = "access_token", **settings: object) -> None:
        self.clock = clock
        self.settings: dict[str, object] = {
            "id": "65f0c0ffee65f0c0ffee65f0",
            "identifier": API,
            "name": "Orders",
            "token_lifetime": 86_400,
            "token_lifetime_for_web": 7_200,
            "token_dialect": dialect,
            "signing_secret": "never shown",
            **settings,
        }
        self.answers: list[Answer | Exception] = []
        self.sent: list[str] = []
        self.changed: list[float] = []
        self.trap = Trap()
        self.meanwhile: dict[int, dict[str, object]] = {}

    @property
    def dialect(self) -> object:
        return self.settings["token_dialect"]

    def send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Answer:
        assert headers["authorization"] == "Bearer t"
        self.settings.update(self.meanwhile.pop(len(self.sent), {}))
        self.sent.append(method)
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            if answer.status != 299:  # lets this one through
                return answer
        answered: Answer = self.trap(method, lambda: self._answer(method, url, body))
        return answered

    def _answer(self, method: str, url: str, body: bytes | None) -> Answer:
        if method == "PATCH":
            asked = json.loads(body or b"")
            assert set(asked) == {"token_dialect"}
            self.settings.update(asked)
            self.changed.append(self.clock())
        return Answer(200, {}, json.dumps(self.settings).encode())

    def management(self) -> ManagementApi:
        return ManagementApi(
            ISSUER, token="t", send=self.send, sleep=self.clock.sleep, clock=self.clock
        )


THROUGH = Answer(299, {}, b"")
"""In `Tenant.answers`: this one is answered as usual."""


def beat(at: float, instance: str = "a:1", **changes: Any) -> Heartbeat:
    """An instance that accepts both profiles and has just said so."""
    whole: dict[str, Any] = {
        "service": "orders",
        "instance": instance,
        "issuer": ISSUER,
        "audience": (API,),
        "profiles": ("auth0", "rfc9068"),
        "leeway": 10.0,
        "started": at,
        "at": at,
        "interval": 10.0,
    }
    return Heartbeat(**whole | changes)


def use(
    at: float, *, lifetime: float = DAY, expires: float | None = None, **key: Any
) -> dict[UseKey, Use]:
    """A request with a token of the Auth0 profile; by default one that was issued just then."""
    whole: dict[str, Any] = {
        "hour": int(at // HOUR) * HOUR,
        "service": "orders",
        "issuer": ISSUER,
        "audience": API,
        "profile": "auth0",
        "permissions": False,
        "kind": "client",
        "client_id": "batch",
    }
    ends = at + lifetime if expires is None else expires
    return {UseKey(**whole | key): Use(1, at, at, ends, lifetime)}


def step(name: StepName = "switched", at: float = START, **changes: Any) -> Step:
    """A step of the way from the Auth0 profile to RFC 9068."""
    whole: dict[str, Any] = {
        "name": name,
        "at": at,
        "issuer": ISSUER,
        "audience": API,
        "before": "access_token",
        "after": "rfc9068_profile",
        "lifetime": DAY,
        "margin": 60.0,
    }
    return Step(**whole | changes)
