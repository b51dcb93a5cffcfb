"""What the checks of steps 5 to 7 look at, whoever makes them: a request, or an explanation."""

from typing import Protocol

from atjwt.core.jwk import VerificationKey
from atjwt.core.profile import Profile
from atjwt.core.token import UnverifiedToken


class Bench(Protocol):
    """A token before the bench: a `Case` of `core/verify.py`, or the `Facts` of `core/explain.py`.

    now, leeway: seconds.
    """

    @property
    def token(self) -> UnverifiedToken: ...
    @property
    def profile(self) -> Profile: ...
    @property
    def key(self) -> VerificationKey: ...
    @property
    def audience(self) -> frozenset[str]: ...
    @property
    def now(self) -> float: ...
    @property
    def leeway(self) -> float: ...
