"""What `atjwt migrate drain` prints: a bar that moves on a terminal, or a line where there is news."""

from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from atjwt.migration.drain import Draining

_WIDTH: Final = 30  # characters of the bar
_QUIET: Final = 60.0  # seconds after which a line is printed though there is no news


class Display:
    """Shows how far it is. say: where. alone: it is looked at once, and no line follows."""

    def __init__(self, say: TextIO, *, alone: bool = False) -> None:
        self._say = say
        self._alone = alone
        self._moves = say.isatty() and not alone
        self._last: Draining | None = None
        self._printed = 0.0
        self._is_open = False

    def show(self, state: "Draining") -> None:
        """Shows a look at the ledger."""
        last, self._last = self._last, state
        if last is None:
            self._head(state)
        elif state.moment.at > last.moment.at:
            self._line(f"late tokens have moved the moment: it is {_moment(state)} now")
        if last is None or state.notes != last.notes:
            for note in state.notes:
                self._line(f"note: {note}")
        if not state.remaining:
            self._line(f"Drained: since {_moment(state)} no token from before can be alive.")
        elif self._moves:
            self._print(f"\r{_bar(state)} ", end="")
            self._is_open = True
        elif last is None or state.now >= self._printed + _QUIET:
            self._line(_left(state))

    def trouble(self, sentence: str) -> None:
        """Shows why the ledger cannot be read for now."""
        self._line(f"waiting for the ledger: {sentence}")

    def end(self) -> None:
        """Ends the line of the bar."""
        if self._is_open:
            self._print("")
        self._is_open = False

    def _head(self, state: "Draining") -> None:
        from atjwt.migration.times import when

        step, moment = state.step, state.moment
        self._line(f"{step.audience}: {step.before} → {step.after}, switched at {when(step.at)}")
        reason = f"they lived {step.lifetime:.0f} s at the most, {step.margin:.0f} s of margin"
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
        width = max(len(client.client_id) for client in state.clients[:20])
        for client in state.clients[:20]:
            self._line(
                f"  {client.client_id:{width}}  {client.kind:6}  {client.requests:>7} requests  last "
                f"{when(client.last)}, until {when(client.expires)}"
            )
        if len(state.clients) > 20:
            self._line(f"  and {len(state.clients) - 20} more")

    def _line(self, text: str) -> None:
        self.end()
        self._print(text)
        if self._last is not None:
            self._printed = self._last.now

    def _print(self, text: str, *, end: str = "\n") -> None:
        print(text, file=self._say, end=end, flush=True)


def _moment(state: "Draining") -> str:
    from atjwt.migration.times import when

    return when(state.moment.at)


def _left(state: "Draining") -> str:
    from atjwt.migration.times import span

    came = f"; {state.since} old tokens since the last look" if state.since else ""
    return f"{span(state.remaining)} left{came}"


def _bar(state: "Draining") -> str:
    whole = max(state.moment.at - state.step.at, 1.0)
    share = min(max(1 - state.remaining / whole, 0.0), 1.0)
    done = int(share * _WIDTH)
    return f"[{'#' * done}{'-' * (_WIDTH - done)}] {share:4.0%}  {_left(state):50}"


def drain_facts(state: "Draining") -> dict[str, object]:
    """What `--json` prints. Times are seconds since 1970; remaining, lifetime, margin and leeway
    seconds.

    drained: whether no token from before the switch can be alive, which is recorded then.
    clients: those that brought old tokens in the last ten minutes.
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
        "notes": list(state.notes),
    }
