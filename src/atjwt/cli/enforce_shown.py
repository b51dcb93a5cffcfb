"""What `atjwt migrate enforce` prints: what stands in the way, or what to set, and who has it."""

from typing import TYPE_CHECKING

from atjwt.cli.saying import Saying

if TYPE_CHECKING:
    from atjwt.migration.account import Heartbeat
    from atjwt.migration.enforce import Enforcement


def show_enforcement(found: "Enforcement", say: Saying, *, is_clear: bool) -> None:
    """For people. is_clear: nothing stands in the way."""
    from atjwt.migration.times import when

    step = found.step
    say(f"{step.audience}: {step.before} -> {step.after}, switched at {when(step.at)}")
    for sentence in found.wrong:
        say(f"in the way: {sentence}")
    for sentence in found.unattested:
        say(f"not attested: {sentence}")
    if not is_clear:
        hint = "" if found.wrong else " (--unattested takes it upon yourself)"
        say("", f"Leave the accepted profiles as they are{hint}.")
        return
    say(f"Since {when(found.drained_at)} no token from before the switch can be alive.")
    if found.refused:
        say(
            f"note: {found.refused} requests with tokens of the old profile were refused since then."
        )
    if found.profile is None:
        say("The switch left the profile as it was: there is nothing to narrow.")
    elif found.enforced is not None and not found.wide:
        say(
            f"Every live instance ({len(found.narrowed)}) accepts {found.profile} alone, recorded at "
            f"{when(found.enforced.at)}: the migration is done."
        )
    else:
        _show_setting(found, found.profile, say)


def _show_setting(found: "Enforcement", profile: str, say: Saying) -> None:
    from atjwt.migration.instances import named

    say(
        "",
        "Set for every instance, and roll it out:",
        "",
        f"  {f'ATJWT_PROFILES={profile}':24}  where the app uses ResourceServer.from_env()",
        f"  {f'profiles={{{profile.upper()}}}':24}  otherwise, at its TrustedIssuer",
        "",
    )
    if found.narrowed:
        say(f"Have it ({len(found.narrowed)}): {named(found.narrowed, 20)}")
    if found.wide:
        say(f"Have it not yet ({len(found.wide)}): {named(found.wide, 20)}")
    say(
        "From that deployment on, undo needs both profiles deployed first.",
        "Then give this command again.",
    )


def enforce_facts(found: "Enforcement") -> dict[str, object]:
    """What `--json` prints. Times are seconds since 1970.

    profile: the one to accept alone, null where there is nothing to narrow. wrong, unattested: what
    stands in the way. narrowed, wide: the live instances that accept it alone, and the others.
    refused: requests since, with tokens of the old profile.
    enforced_at: when it was recorded that all do, null before.
    """
    step = found.step
    return {
        "identifier": step.audience,
        "issuer": step.issuer,
        "before": step.before,
        "after": step.after,
        "switched_at": step.at,
        "drained_at": found.drained_at,
        "profile": found.profile,
        "wrong": list(found.wrong),
        "unattested": list(found.unattested),
        "narrowed": [_instance(beat) for beat in found.narrowed],
        "refused": found.refused,
        "wide": [_instance(beat) for beat in found.wide],
        "enforced_at": None if found.enforced is None else found.enforced.at,
    }


def _instance(beat: "Heartbeat") -> dict[str, object]:
    return {"service": beat.service, "instance": beat.instance, "profiles": list(beat.profiles)}
