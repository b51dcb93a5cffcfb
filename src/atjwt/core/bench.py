"""What the checks of steps 5 to 7 look at, whoever makes them: a request, or an explanation."""

from typing import Protocol

from atjwt.core.jwk import VerificationKey
from atjwt.core.profile import Profile
from atjwt.core.token import UnverifiedToken


class Bench(Protocol):
    """A token before the bench: a `Case` of `core/verify.py`, or the `Facts` of `core/explain.py`."""

    @property
    def token(self) -> UnverifiedToken:
        """The token, well-formed."""

    @property
    def profile(self) -> Profile:
        """Under whose rules it is judged."""

    @property
    def key(self) -> VerificationKey:
        """The one key that its header means."""

    @property
    def audience(self) -> frozenset[str]:
        """The names under which the API accepts tokens."""

    @property
    def now(self) -> float:
        """Seconds since 1970."""

    @property
    def leeway(self) -> float:
        """Seconds by which clocks may differ."""
