"""The service as the scripts that measure it start, ask and stop it."""

import http.client
import os
import random
import re
import signal
import socket
import statistics
import subprocess
import time
import urllib.parse

HTML = "text/html,application/xhtml+xml,*/*;q=0.8"
PASSWORD = "a quiet harbour"


class Process:
    """A server at a port of loopback, started in a folder of its own, until the `with` block ends."""

    def __init__(self, command, folder, port, environment=None):
        self.command, self.folder, self.port = command, folder, port
        self.environment = environment

    def __enter__(self):
        self.launch(stderr=subprocess.DEVNULL)
        return self

    def launch(self, **streams):
        self.began = time.perf_counter()
        self.process = subprocess.Popen(
            self.command, cwd=self.folder, env=self.environment, stdout=subprocess.DEVNULL, **streams)

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()

    def wait(self, path, seconds=60):
        """Waits for the first answer; milliseconds since the start of the process."""
        while self.process.poll() is None:
            try:
                self.ask("GET", path, accept=HTML)
                return (time.perf_counter() - self.began) * 1000
            except OSError:
                if time.perf_counter() - self.began > seconds:
                    break
                time.sleep(0.001)
        raise SystemExit(f"{self.command[0]} did not answer")

    def ask(self, method, path, form=None, accept="application/json", connection=None, cookie="",
            **more):
        """One request; returns the answer, its body read."""
        line = connection or http.client.HTTPConnection("127.0.0.1", self.port)
        body = urllib.parse.urlencode(form) if isinstance(form, dict) else form
        headers = {"Accept": accept, "Cookie": cookie}
        if form:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        headers.update({name.replace("_", "-"): value for name, value in more.items()})
        line.request(method, path, body, headers)
        answer = line.getresponse()
        answer.body = answer.read()
        return answer

    def cpu(self):
        """Seconds of CPU so far, those of its processes' children included."""
        ticks = 0
        for pid in self.tree():
            with open(f"/proc/{pid}/stat") as stat:
                ticks += sum(map(int, stat.read().rsplit(") ", 1)[1].split()[11:15]))
        return ticks / os.sysconf("SC_CLK_TCK")

    def tree(self):
        """The process and those it started."""
        found = [self.process.pid]
        for pid in found:
            with open(f"/proc/{pid}/task/{pid}/children") as children:
                found += map(int, children.read().split())
        return found

    def proportional_memory(self):
        """MB of all its processes, what they share counted once."""
        kilobytes = 0
        for pid in self.tree():
            with open(f"/proc/{pid}/smaps_rollup") as rollup:
                kilobytes += int(re.search(r"^Pss:\s+(\d+)", rollup.read(), re.M).group(1))
        return kilobytes / 1024

    def memory(self):
        """Resident memory in MB."""
        with open(f"/proc/{self.process.pid}/status") as status:
            return int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1)) / 1024


def wire_size(answer):
    """Bytes of head and body."""
    head = sum(len(name) + len(value) + 4 for name, value in answer.getheaders())
    return len(f"HTTP/1.1 {answer.status} {answer.reason}\r\n") + head + 2 + len(answer.body)


def first_visit(server, path, cookie=""):
    """The answer, and the bytes over the wire of each request of a first visit."""
    page = server.ask("GET", path, accept=HTML, cookie=cookie)
    files = re.findall(rb'(?:stylesheet" href|script src)="([^"]+)"', page.body)
    files = [name.replace(b"&#x2F;", b"/").decode() for name in files]
    return page, [wire_size(page)] + [wire_size(server.ask("GET", name)) for name in files]


class Server(Process):
    """Gatehouse, at a free port unless `settings` name one; `before` are words before its command."""

    def __init__(self, program, folder, before=(), **settings):
        settings = {"port": 0, "log_level": "off", **unlimited(), **settings}
        environment = {f"ROCKET_{k.upper()}": str(v) for k, v in settings.items()}
        super().__init__([*before, os.path.abspath(program)], folder, settings["port"], environment)

    def __enter__(self):
        self.launch(stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            found = re.match(r"Gatehouse is at https?://[^:]+(?::(\d+))?", line)
            if found:
                self.port = int(found.group(1) or self.port)
                return self
        raise SystemExit(f"{self.command[-1]} did not start")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


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
