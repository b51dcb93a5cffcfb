"""Whose page was a form on? By what browsers say of it: `Sec-Fetch-Site`, and `Origin` (RFC 6454)."""

from starlette.requests import Request


def foreign_origin(request: Request) -> str | None:
    """From where a form came that was on no page of ours: another `site` or `origin`; else None.

    What says nothing, as curl, is not refused for it: the form has a value that only its page knows.
    """
    headers = request.headers
    if headers.get("sec-fetch-site", "same-origin") != "same-origin":
        return "site"
    own = f"{request.url.scheme}://{headers.get('host', '')}"
    return "origin" if headers.get("origin", own) != own else None
