"""Writes the vectors anew: `cd tests && python -m vectors.build`.

The `*.json` files beside this one are data: tokens good and bad, each with the settings of an API,
a key set, a time, the verdict, the reason for it in one sentence, and where the rule or the attack
comes from. Other implementations can read them too. Their shape:

    {"description": …, "settings": {name: settings}, "key_sets": {name: JWK Set},
     "cases": [{"id", "token", "settings", "jwks", "now", "expect", "why", "source"}]}

    token     a string whose characters are the bytes of the credentials (Latin-1), or
              {"repeat": string, "count": n}
    settings  of one API: issuer, profiles ("auth0", "rfc9068"), audience (one or several), and
              where they differ from the default: algorithms, leeway, secret (then jwks is null),
              "auth0": true for an Auth0 tenant, "also" for further trusted issuers, each with its
              own jwks. A case has the name of its settings, and of its key set
    now       seconds since 1970
    expect    {"principal": fields, with sets as sorted lists}, or {"reason", "status"}
    source    "token-profiles", "threats" and "DESIGN" are this project's papers

A bad token has exactly one defect, so that its reason does not depend on the order of checks within
a step. joserfc signs, with keys that exist only while this runs: a second run replaces every file.
"""

from pathlib import Path

from vectors import (
    cases_algorithms,
    cases_auth0,
    cases_claims,
    cases_header,
    cases_keys,
    cases_payload,
    cases_rfc9068,
    cases_shape,
    cases_signatures,
    cases_times,
)
from vectors.making import Keys

ROOMS = {
    "auth0": cases_auth0.sheet,
    "rfc9068": cases_rfc9068.sheet,
    "shape": cases_shape.sheet,
    "payload": cases_payload.sheet,
    "header": cases_header.sheet,
    "algorithms": cases_algorithms.sheet,
    "keys": cases_keys.sheet,
    "signatures": cases_signatures.sheet,
    "times": cases_times.sheet,
    "claims": cases_claims.sheet,
}


def main() -> None:
    """Makes the keys, fills the sheets, writes the files, forgets the keys."""
    keys = Keys()
    here = Path(__file__).parent
    for name, sheet in ROOMS.items():
        filled = sheet(keys)
        (here / f"{name}.json").write_text(filled.text(), encoding="ascii")


if __name__ == "__main__":
    main()
