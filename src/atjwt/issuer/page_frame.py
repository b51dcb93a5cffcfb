"""The frame of every page that a browser is shown: the document, its colours, what it may do.

No script, image, font or other file belongs to a page. Its style is in it, and is named in the
content security policy by its hash, so that markup which found its way in could do nothing.
"""

import hashlib
from base64 import b64encode
from collections.abc import Mapping
from functools import cache
from typing import Final

from starlette.responses import HTMLResponse, Response

from atjwt.issuer.markup import joined

NO_TRACE: Final = {"cache-control": "no-store", "referrer-policy": "no-referrer"}
"""Headers of a redirect with which a browser leaves: nothing of the login goes with it."""

OWN_TRACE: Final = {"cache-control": "no-store", "referrer-policy": "same-origin"}
"""Headers of a page with forms: without a referrer, a browser would send them with `Origin: null`."""

PALETTE: Final = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #55606e; --line: #d5dbe3;
  --edge: #76828f; --paper: #fff; --ground: #eef1f5; --main: #1f5fbf; --on-main: #fff;
  --note: #855000; --bad: #b3261e; --good: #1b6b3a; --mark: #fdf0c8; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8ecf2; --soft: #a9b4c1; --line: #3a4452;
  --edge: #7f8b99; --paper: #1d232c; --ground: #12161c; --main: #82b1ff; --on-main: #0f1620;
  --note: #f0b45a; --bad: #ff9f95; --good: #7fd6a0; --mark: #46380f; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; background: var(--ground); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; }
p { margin: 0; }
ul { margin: 0; padding: 0; list-style: none; }
code { font: .875rem/1.5 ui-monospace, monospace; overflow-wrap: anywhere; }
.soft { color: var(--soft); font-size: .875rem; }
"""
"""What all pages look like: the first part of the style of each. Custom properties are colours."""


def framed(
    title: str,
    body: str,
    *,
    style: str,
    form_action: str,
    status: int = 200,
    headers: Mapping[str, str] = NO_TRACE,
) -> Response:
    """A whole page.

    title: text. body: HTML, in which all that others wrote is escaped. style: CSS, in ASCII.
    form_action: where its forms may lead, as content security policy says it.
    """
    html = f"""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{joined(title)} - local issuer</title>
<style>{style}</style>
</head>
<body>
{body}</body>
</html>
"""
    policy = (
        f"default-src 'none'; style-src '{_source(style)}'; base-uri 'none'; "
        f"form-action {form_action}; frame-ancestors 'none'"
    )
    fixed = {"content-security-policy": policy, "x-content-type-options": "nosniff"}
    return HTMLResponse(html, status, {**headers, **fixed})


@cache
def _source(style: str) -> str:
    return f"sha256-{b64encode(hashlib.sha256(style.encode('ascii')).digest()).decode('ascii')}"
