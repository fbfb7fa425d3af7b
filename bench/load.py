"""Drives a server with wrk, the same for everybody, and reads what it found."""

import json
import os
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))


class Load:
    """One wrk: `clients` connections that send `request` for `seconds`. Started at once; `result` waits."""

    def __init__(self, port, request, clients, seconds, pace=None):
        self.spec = tempfile.NamedTemporaryFile("w", suffix=".lua")
        self.spec.write("return " + as_lua({**request, "pace": pace}))
        self.spec.flush()
        command = ["wrk", "--threads", "1", "--connections", str(clients), "--duration", f"{seconds}s",
                   "--timeout", "60s", "--script", f"{HERE}/load.lua", f"http://127.0.0.1:{port}/", "--", self.spec.name]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def result(self):
        out, problem = self.process.communicate()
        self.spec.close()
        lines = [line for line in out.splitlines() if line.startswith("{")]
        if not lines:
            raise SystemExit(f"wrk: {out}{problem}")
        return json.loads(lines[-1])


def as_lua(value):
    if isinstance(value, dict):
        return "{" + ",".join(f"[{as_lua(k)}]={as_lua(v)}" for k, v in value.items() if v is not None) + "}"
    if isinstance(value, list):
        return "{" + ",".join(map(as_lua, value)) + "}"
    # JSON's escapes are Lua's, as long as all is ASCII.
    return json.dumps(value)


def merged(results):
    """The times of several results as one: pairs of microseconds and how many took as long."""
    return sorted(pair for result in results for pair in result["times"])


def percentile(times, share):
    """Milliseconds; none where nothing was answered."""
    left = share * sum(count for _, count in times)
    for value, count in times:
        left -= count
        if left <= 0:
            return value / 1000
    return None
