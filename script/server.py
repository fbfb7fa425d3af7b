"""The service as the scripts that measure it start, ask and stop it."""

import http.client
import os
import random
import re
import signal
import statistics
import subprocess
import time
import urllib.parse

HTML = "text/html,application/xhtml+xml,*/*;q=0.8"
PASSWORD = "a quiet harbour"


class Server:
    """The program, serving from a folder of its own until the `with` block ends."""

    def __init__(self, program, folder, **settings):
        self.program, self.folder = os.path.abspath(program), folder
        settings = {"port": 0, "log_level": "off", **unlimited(), **settings}
        self.environment = {f"ROCKET_{k.upper()}": str(v) for k, v in settings.items()}

    def __enter__(self):
        self.began = time.perf_counter()
        self.process = subprocess.Popen(
            [self.program], cwd=self.folder, env=self.environment, stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL, text=True)
        for line in self.process.stderr:
            found = re.match(r"Gatehouse is at https?://[^:]+(?::(\d+))?", line)
            if found:
                self.port = int(found.group(1) or self.environment["ROCKET_PORT"])
                return self
        raise SystemExit(f"{self.program} did not start")

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()

    def ask(self, method, path, form=None, accept="application/json", connection=None, cookie="",
            **more):
        """One request; returns the answer, its body read."""
        line = connection or http.client.HTTPConnection("127.0.0.1", self.port)
        body = urllib.parse.urlencode(form) if form else None
        headers = {"Accept": accept, "Cookie": cookie}
        headers.update({name.replace("_", "-"): value for name, value in more.items()})
        if form:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        line.request(method, path, body, headers)
        answer = line.getresponse()
        answer.body = answer.read()
        return answer

    def cpu(self):
        """Seconds of CPU so far."""
        with open(f"/proc/{self.process.pid}/stat") as stat:
            fields = stat.read().rsplit(") ", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self):
        """Resident memory in MB."""
        with open(f"/proc/{self.process.pid}/status") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1)) / 1024


def cookie_of(answer):
    """What the answer sets, as a browser sends it back."""
    assert answer.status == 303, answer.status
    return "; ".join(value.split(";")[0] for name, value in answer.getheaders()
                     if name.lower() == "set-cookie")


def bootstrap(values, rounds=2000):
    medians = sorted(
        statistics.median(random.choices(values, k=len(values))) for _ in range(rounds))
    return medians[int(rounds * 0.025)], medians[int(rounds * 0.975)]


def unlimited():
    """The settings that let one client try as often as a measurement has to."""
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../Rocket.toml")) as settings:
        limits = re.findall(r"^(limit_\w+) = ", settings.read(), re.M)
    return {name: "1000000/1m" for name in limits}
