"""What the operating system has to give: file descriptors and ephemeral ports."""

import sys
from pathlib import Path
from typing import Final

from .plan import Plan, PlanError

SPARE_DESCRIPTORS: Final = 64
"""Of one worker, for what is not a socket of the load."""
PORT_RANGE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
PORTS_ELSEWHERE: Final = 16_384
"""IANA's range, which macOS and Windows use."""


def secure(plan: Plan) -> None:
    """See that the sockets can be opened, and raise the soft limit as far as that takes.

    Workers inherit the limit.

    Raises:
        PlanError: they cannot; the message says what to do.
    """
    check_ports(plan.sockets, ephemeral_ports())
    needed = -(-plan.sockets // plan.workers) + SPARE_DESCRIPTORS
    if sys.platform != "win32":
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        # macOS says "infinity" and refuses more than OPEN_MAX, so asking is what shows it.
        if needed > (sys.maxsize if hard == resource.RLIM_INFINITY else hard):
            raise PlanError(descriptors_missing(plan, needed, hard))
        if soft != resource.RLIM_INFINITY and needed > soft:
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
            except (OSError, ValueError) as error:
                raise PlanError(descriptors_missing(plan, needed, soft)) from error


def check_ports(sockets: int, ports: int) -> None:
    """See that each socket can have a port of its own.

    Raises:
        PlanError: there are not that many.
    """
    if sockets > ports:
        raise PlanError(
            f"{sockets:,} sockets to one address need as many ephemeral ports, and this machine gives out "
            f"{ports:,}: widen the range (Linux: sysctl -w net.ipv4.ip_local_port_range='1024 65535') or "
            "use several machines."
        )


def ephemeral_ports(file: Path = PORT_RANGE) -> int:
    """Give how many connections to one address this machine can have."""
    try:
        first, last = map(int, file.read_text().split())
    except (OSError, ValueError):
        return PORTS_ELSEWHERE
    return last - first + 1


def descriptors_missing(plan: Plan, needed: int, limit: int) -> str:
    """Say what there is too little of, and what helps."""
    return (
        f"{plan.sockets:,} sockets in {plan.workers:,} worker(s) need {needed:,} file descriptors in each "
        f"process, and the limit is {limit:,}: raise it (ulimit -Hn {needed} as root, LimitNOFILE= of "
        "systemd, --ulimit nofile= of Docker) or add --workers."
    )
