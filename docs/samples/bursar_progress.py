"""Reports the progress of a training run to Bursar. Copy this file beside the training script; it needs only the standard library."""
import json, os, time, urllib.request

URL = os.environ.get("BURSAR_PROGRESS_URL", "http://bursar-agent-local.bursar-agents:9466/v1/progress")
_open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open  # The node's agent is not behind a proxy.
_next = float("-inf")


def report(step, total=None, checkpoint=False, every=5.0):
    """Call it at each step. It posts every few seconds, and at once after a checkpoint and at the end. It never raises."""
    global _next
    begun = time.monotonic()
    if not checkpoint and step != total and begun < _next:
        return
    try:
        written = {"checkpointAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())} if checkpoint else {}
        body = json.dumps({"step": int(step), **({"total": int(total)} if total else {}), **written}).encode()
        _open(urllib.request.Request(URL, body, {"Content-Type": "application/json"}), timeout=1).close()
    except Exception:  # A failed report does not affect the training.
        pass
    ended = time.monotonic()
    _next = max(begun + every, ended + 60 * (ended - begun))  # A slow agent is called less often.
