"""An OAuth error: the code of the RFC, one sentence that repeats nothing that was sent, a status."""


class Refused(Exception):
    """What a client is told instead of what it asked for.

    error: of RFC 6749 (sections 4.1.2.1 and 5.2) or of the document that adds it.
    status: of the token endpoint's answer; the authorization endpoint redirects instead.
    """

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(error, description, status)
        self.error = error
        self.description = description
        self.status = status
