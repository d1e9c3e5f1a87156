"""What may be done to a host that is not this machine, unless its owner says otherwise."""

from typing import Final

from .plan import Plan, PlanError

SOCKETS: Final = 50
OPEN_CALLS: Final = 200
CALLS_PER_SECOND: Final = 50.0
CONNECTIONS_PER_SECOND: Final = 20.0
SECONDS: Final = 60.0

SUMMARY: Final = (
    f"{SOCKETS} sockets, {OPEN_CALLS} open calls, {CALLS_PER_SECOND:g} calls and "
    f"{CONNECTIONS_PER_SECOND:g} connections a second, {SECONDS:g} seconds"
)


def refuse_strangers(plan: Plan) -> None:
    """Refuse what would be an attack on somebody else's server.

    Raises:
        PlanError: the plan is beyond what a host that is not loopback gets.
    """
    excess = _excess(plan)
    if excess is not None:
        raise PlanError(
            f"{plan.url} is not on this machine, and {excess}. A host that may not be yours gets at most "
            f"{SUMMARY}; if it is yours, add --i-own-this-host."
        )


def _excess(plan: Plan) -> str | None:
    connections = plan.sockets / max(plan.ramp_seconds, 1.0)
    storms = plan.sockets / plan.drop_all_every if plan.drop_all_every else 0.0
    if plan.sockets > SOCKETS:
        return f"{plan.sockets:,} sockets are many"
    if plan.open_calls > OPEN_CALLS:
        return f"{plan.open_calls:,} open calls are many"
    if plan.rate is not None and plan.rate > CALLS_PER_SECOND:
        return f"{plan.rate:,g} calls a second are many"
    if plan.repeats:
        return "calls that follow one another have no --rate that bounds them"
    if max(connections, storms) > CONNECTIONS_PER_SECOND:
        return f"{max(connections, storms):,.0f} connections a second are many (see --ramp)"
    if plan.duration > SECONDS:
        return f"{plan.duration:,g} seconds are long"
    return None
