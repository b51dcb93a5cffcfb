"""What `atjwt migrate drain` prints: a bar that moves on a terminal, or a line where there is news."""

from typing import TYPE_CHECKING, Final

from atjwt.cli.saying import Saying

if TYPE_CHECKING:
    from atjwt.migration.drain import Draining

_WIDTH: Final = 30  # characters of the bar
_HOUR: Final = 3_600.0  # seconds; while more are left, a quarter of it passes between lines
_MOST: Final = 20  # clients that are listed


class Display:
    """Shows how far it is. alone: it is looked at once, and no line follows."""

    def __init__(self, say: Saying, *, alone: bool = False) -> None:
        self._say = say
        self._moves = say.is_terminal and not alone
        self._last: Draining | None = None
        self._printed = 0.0
        self._trouble = ""
        self._came = 0

    def show(self, state: "Draining") -> None:
        """Shows a look at the ledger."""
        last, self._last, self._trouble = self._last, state, ""
        self._came += state.since
        if last is None:
            self._head(state)
        elif state.moment.at > last.moment.at:
            self._line(f"late tokens have moved the moment: it is {_moment(state)} now")
        for note in state.notes:
            if last is None or note not in last.notes:
                self._line(f"note: {note}")
        for sentence in state.wrong:
            if last is None or sentence not in last.wrong:
                self._line(f"in the way: {sentence}")
        if not state.remaining and state.drained is None:
            self._line("Not drained: old tokens may be alive, or still come.")
        elif not state.remaining:
            self._line(f"Drained: since {_moment(state)} no token from before can be alive.")
        elif self._moves:
            self._say.over(_bar(state, self._came))
        elif last is None or state.now >= self._printed + _quiet(state):
            self._line(_left(state, self._came))

    def trouble(self, sentence: str) -> None:
        """Shows why the ledger cannot be read for now, once until it can."""
        if sentence != self._trouble:
            self._line(f"waiting for the ledger: {sentence}")
        self._trouble = sentence

    def _head(self, state: "Draining") -> None:
        from atjwt.migration.times import when

        step, moment = state.step, state.moment
        self._line(f"{step.audience}: {step.before} -> {step.after}, switched at {when(step.at)}")
        reason = f"they lived {step.lifetime:.0f} s at the most, {step.margin:.0f} s of margin"
        if moment.issued > step.at + step.lifetime + step.margin:
            reason = "those from before an earlier switch live longer"
        if moment.longer:
            reason = "tokens were seen that live longer than the settings said"
        if moment.expires > max(moment.issued, moment.longer):
            reason = f"one was seen that expires at {when(moment.expires)}"
        self._line(
            f"Tokens from before may live until {_moment(state)}: {reason}, and {moment.leeway:.0f} s "
            "of leeway."
        )
        self._clients(state)

    def _clients(self, state: "Draining") -> None:
        from atjwt.migration.times import when

        if not state.clients:
            self._line("No old token came in the last 10 minutes.")
            return
        self._line("Old tokens came in the last 10 minutes of:")
        width = max(len(client.client_id) for client in state.clients[:_MOST])
        for client in state.clients[:_MOST]:
            self._line(
                f"  {client.client_id:{width}}  {client.kind:6}  {client.requests:>7} requests  last "
                f"{when(client.last)}, until {when(client.expires)}"
            )
        if len(state.clients) > _MOST:
            self._line(f"  and {len(state.clients) - _MOST} more")

    def _line(self, text: str) -> None:
        self._say(text)
        if self._last is not None:
            self._printed = self._last.now


def _quiet(state: "Draining") -> float:
    """Seconds after which a line is printed though there is no news."""
    return _HOUR / 4 if state.remaining > _HOUR else _HOUR / 60


def _moment(state: "Draining") -> str:
    from atjwt.migration.times import when

    return when(state.moment.at)


def _left(state: "Draining", came: int) -> str:
    from atjwt.migration.times import span

    news = f"; old tokens meanwhile: {came}" if came else ""
    return f"{span(state.remaining)} left{news}"


def _bar(state: "Draining", came: int) -> str:
    whole = max(state.moment.at - state.step.at, 1.0)
    share = min(max(1 - state.remaining / whole, 0.0), 1.0)
    done = int(share * _WIDTH)
    return f"[{'#' * done}{'-' * (_WIDTH - done)}] {share:4.0%}  {_left(state, came)}"


def drain_facts(state: "Draining") -> dict[str, object]:
    """What `--json` prints. Times are seconds since 1970; remaining, lifetime, margin and leeway
    seconds.

    drained_at: when no token from before the switch can be alive. drained: whether that is so, which
    is recorded then. expires: the latest `exp` of an old token that was seen, 0 if none was.
    clients: those that brought old tokens in the last ten minutes. wrong: why it is not over at the
    moment. notes: what should be known.
    """
    step, moment = state.step, state.moment
    return {
        "identifier": step.audience,
        "issuer": step.issuer,
        "before": step.before,
        "after": step.after,
        "switched_at": step.at,
        "lifetime": step.lifetime,
        "margin": step.margin,
        "leeway": moment.leeway,
        "expires": moment.expires,
        "drained_at": moment.at,
        "remaining": state.remaining,
        "drained": state.drained is not None,
        "clients": [client._asdict() for client in state.clients],
        "wrong": list(state.wrong),
        "notes": list(state.notes),
    }
