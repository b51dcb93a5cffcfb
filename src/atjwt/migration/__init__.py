"""Carries an API from one token profile to the other without refusing a valid request.

`ManagementApi` (`management.py`) reads and changes the setting itself, at Auth0 or at the local
issuer.
"""

from atjwt.migration.management import ManagementApi, ManagementError

__all__ = ["ManagementApi", "ManagementError"]
