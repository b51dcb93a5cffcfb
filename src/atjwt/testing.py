"""What an app imports in its own tests: an issuer in process, no account and no network.

from atjwt.testing import REMOVE, LocalIssuer

issuer = LocalIssuer()
issuer.token(dialect="rfc9068_profile_authz", scopes=["read:orders"])
issuer.token(claims={"sub": REMOVE})
"""

from atjwt.issuer import REMOVE, LocalIssuer

__all__ = ["REMOVE", "LocalIssuer"]
