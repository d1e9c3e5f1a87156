"""The frames of a client."""

import json
from typing import Any


def request(request_id: object, method: str = "query", path: str = "p", **fields: Any) -> dict[str, Any]:
    return {"id": request_id, "method": method, "params": {"path": path}, **fields}


def stop(request_id: object) -> dict[str, Any]:
    return {"id": request_id, "method": "subscription.stop"}


def frame(*messages: object) -> str:
    """Write one message as it is, and several as a batch."""
    return json.dumps(messages[0] if len(messages) == 1 else messages, ensure_ascii=False)
