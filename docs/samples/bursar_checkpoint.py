"""Asks whether Bursar wants a checkpoint, and reports that it is written. Copy this file beside the training script; it needs only the standard library."""
import json, os, time, urllib.request

URL = os.environ.get("BURSAR_CHECKPOINT_URL", "http://bursar-agent-local.bursar-agents:9466/v1/checkpoint")
_open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open  # The node's agent is not behind a proxy.
_next, _wanted, _said, _unsaid = float("-inf"), None, None, None


def wanted(every=5.0):
    """Call it at each step, in the process that writes the checkpoint. It asks every few seconds, returns True until `written` is called, and never raises."""
    global _next, _wanted, _unsaid
    begun = time.monotonic()
    if _wanted or begun < _next:
        return _wanted is not None
    try:
        if _unsaid:  # A report that failed is sent again.
            _open(urllib.request.Request(URL, _unsaid, {"Content-Type": "application/json"}), timeout=1).close()
            _unsaid = None
        with _open(URL, timeout=1) as answer:
            body = answer.read()
        asked = json.loads(body)["id"] if body else None
        _wanted = asked if asked != _said else None
    except Exception:  # A failed call does not affect the training.
        pass
    ended = time.monotonic()
    _next = max(begun + every, ended + 60 * (ended - begun))  # A slow agent is called less often.
    return _wanted is not None


def written(step=None):
    """Call it when the checkpoint is complete on disk: Bursar then suspends the job. Without a request it does nothing."""
    global _wanted, _said, _unsaid
    if _wanted is None:
        return
    done = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    body = json.dumps({"id": _wanted, "done": done, **({} if step is None else {"step": int(step)})}).encode()
    _said, _wanted = _wanted, None
    try:
        _open(urllib.request.Request(URL, body, {"Content-Type": "application/json"}), timeout=1).close()
    except Exception:
        _unsaid = body


def wanted_by_all(step, asks, steps=10):
    """For several ranks: one of them asks, and all receive the same answer every few steps, so that all save at the same step."""
    flag = [bool(asks and wanted())]
    try:
        import torch.distributed as ranks
    except ImportError:
        return flag[0]
    if not (ranks.is_available() and ranks.is_initialized()):
        return flag[0]
    if step % steps:
        return False
    ranks.broadcast_object_list(flag, src=0)
    return flag[0]
