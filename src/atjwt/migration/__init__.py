"""Carries an API from one token profile to the other without refusing a valid request.

`Ledger` (`ledger.py`) counts which tokens a service is sent, and says which it accepts.
`ManagementApi` (`management.py`) reads and changes the setting itself, at Auth0 or at the local
issuer.
"""

from atjwt.migration.ledger import Ledger
from atjwt.migration.management import ManagementApi, ManagementError
from atjwt.migration.store import LedgerError

__all__ = ["Ledger", "LedgerError", "ManagementApi", "ManagementError"]
