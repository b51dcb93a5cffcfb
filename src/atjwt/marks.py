"""What a guard leaves on the thing it guards, so that a walk over an app can find it later.

A mark names its owner, the very function or class that was guarded: decorators that use
`functools.wraps` copy attributes, and a copied mark must not vouch for a function that need not ever
call the guarded one.
"""

from typing import NamedTuple, TypeVar

from atjwt.core.policy import Policy, all_of
from atjwt.errors import ConfigurationError

_ATTRIBUTE = "__atjwt_mark__"
Endpoint = TypeVar("Endpoint", bound=object)


class Mark(NamedTuple):
    """What was declared about an endpoint.

    owner: the object that was marked.
    policy: what a caller must have; None where any authenticated caller will do, or none is needed.
    public: declared to need no token.
    """

    owner: object
    policy: Policy | None = None
    public: bool = False


def mark(endpoint: object, policy: Policy | None) -> None:
    """Notes that this function or class is guarded by a policy, besides the one it has."""
    before = mark_of(endpoint)
    policies = [each for each in (policy, before and before.policy) if each is not None]
    setattr(endpoint, _ATTRIBUTE, Mark(endpoint, all_of(*policies) if policies else None))


def public(endpoint: Endpoint) -> Endpoint:
    """Declares that an endpoint needs no token. It declares and changes nothing: where a middleware
    is around the app, its `public=` must name the path.

    Raises ConfigurationError: it is guarded.
    """
    before = mark_of(endpoint)
    if before is not None and not before.public:
        raise ConfigurationError(["@public: it is guarded by @requires; drop one of the two"])
    setattr(endpoint, _ATTRIBUTE, Mark(endpoint, public=True))
    return endpoint


def mark_of(endpoint: object) -> Mark | None:
    """The mark of this very function or class; None where it has none, or a copied one."""
    # Of a class its own only: a subclass may do without the guard of its base.
    found = vars(endpoint).get(_ATTRIBUTE) if hasattr(endpoint, "__dict__") else None
    return found if isinstance(found, Mark) and found.owner is endpoint else None
