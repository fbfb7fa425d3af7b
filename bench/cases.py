"""Measures Gatehouse and its peers, interleaved in shuffled order, and writes bench/results.json. bench/run calls it."""

import argparse
import collections
import json
import os
import platform
import random
import re
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
import report  # noqa: E402
from load import Load, merged, percentile  # noqa: E402
from services import CORES, CROWD, HERE, LIMITS, SERVICES, Constant, Unfit, copy_of  # noqa: E402
from server import first_visit  # noqa: E402

CLIENTS = 16
# Connections that ask for pages, and milliseconds between an answer and the next request where latency is measured.
READERS, PACE = 8, 5
KINDS = {"pages": "page", "json": "twin", "login-page": "anonymous_page"}
SECONDS = {"pages": 2, "json": 2, "login-page": 2, "log-in": 8, "storm": 11, "hashing": 6}
QUICK = {"pages": 1, "json": 1, "login-page": 1, "log-in": 8, "storm": 8, "hashing": 3}


class Bench:
    def __init__(self, options):
        self.options = options
        self.seconds = QUICK if options.quick else SECONDS
        self.services = [kind(options.binaries, options.cache) for kind in SERVICES + LIMITS]
        self.control = Constant(options.binaries, options.cache)
        # name → case → a list with what each round found; and why a server is no figure.
        self.found = collections.defaultdict(lambda: collections.defaultdict(list))
        self.unfit = {}
        # All rounds' times of a case, for percentiles of the tail.
        self.times = collections.defaultdict(list)

    def run(self, scratch):
        """Every case once a round, each with a fresh server and a database of its own."""
        for service in list(self.services):
            os.mkdir(f"{scratch}/{service.name}")
            self.attempt(service, lambda: service.prepare(f"{scratch}/{service.name}"))
        for number in range(1, self.options.rounds + 1):
            cases = [(kind, service) for kind in self.kinds() for service in self.services if takes(service, kind)]
            cases += [("hashing", kind) for kind in ("crate", "python") if "hashing" in self.kinds()]
            for at, (kind, service) in enumerate(random.sample(cases, len(cases)), 1):
                name = service if isinstance(service, str) else service.name
                print(f"round {number} of {self.options.rounds}, {at} of {len(cases)}: {kind}, {name}", flush=True)
                if kind == "hashing":
                    self.found[name][kind].append(self.hash_in_a_loop(name))
                elif name not in self.unfit:
                    self.attempt(service, lambda: self.one(kind, service, scratch))

    def kinds(self):
        return [kind for kind in SECONDS if self.options.only in (None, kind)]

    def attempt(self, service, deed):
        """A server that fails its check gives no figure, and the others go on."""
        try:
            deed()
        except Unfit as why:
            print(f"{service.title} is left out: {why}", file=sys.stderr, flush=True)
            self.unfit[service.name] = str(why)

    def one(self, kind, service, scratch):
        with tempfile.TemporaryDirectory(dir=scratch) as folder:
            copy_of(f"{scratch}/{service.name}", folder)
            with service.running(folder) as server:
                self.found[service.name]["start"].append(service.first_answer)
                service.check(server, folder)
                if kind == "storm":
                    result = self.storm(service, server, folder)
                elif kind == "log-in":
                    result = self.log_ins(service, server, folder)
                else:
                    result = self.pages(service, server, kind)
                service.check(server, folder)
            self.found[service.name][kind].append(result)

    def pages(self, service, server, kind):
        request = getattr(service, KINDS[kind])()
        before = server.cpu()
        result = sound(Load(server.port, request, READERS, self.seconds[kind]).result())
        return {"rate": result["answers"] / result["seconds"], "cpu": cpu_each(server, before, result["answers"])}

    def log_ins(self, service, server, folder):
        before, rows = server.cpu(), service.session_keys(folder)
        result = sound(self.crowd(service, server, self.seconds["log-in"]).result())
        if result["answers"] and not service.session_keys(folder) - rows:
            raise Unfit("log-ins left no session rows")
        return {"rate": result["answers"] / result["seconds"], "cpu": cpu_each(server, before, result["answers"]),
                "p50": percentile(result["times"], 0.5), "p99": percentile(result["times"], 0.99)}

    def crowd(self, service, server, seconds):
        """Clients that log in, with the right passwords of several accounts."""
        request = service.log_in(server, CROWD)
        request.update(status=service.log_in_status, text=service.log_in_text("@example.com").decode())
        return Load(server.port, request, CLIENTS, seconds)

    def storm(self, service, server, folder):
        """The signed-in page, quiet and while a crowd logs in, with a control beside it."""
        seconds, result = self.seconds["storm"], {"idle": server.proportional_memory()}
        with tempfile.TemporaryDirectory() as empty, self.control.running(empty) as control:
            for phase in ("quiet", "storm"):
                crowd = self.crowd(service, server, seconds + 2) if phase == "storm" else None
                if crowd:
                    time.sleep(1)
                loads = {"": Load(server.port, service.page(), 1, seconds, PACE),
                         "control ": Load(control.port, self.control.page(), 1, seconds, PACE)}
                for whose, load in loads.items():
                    taken = load.result()
                    # During the storm a server may leave everybody waiting: that is the figure, not a fault.
                    if taken["wrong"] or (taken["failed"] and phase == "quiet"):
                        raise Unfit(f"{taken['wrong'] + taken['failed']} wrong pages, {phase}")
                    self.times[f"{service.name} {whose}{phase}"].append(taken)
                    result[f"{whose}{phase}"] = {"p50": percentile(taken["times"], 0.5), "p99": percentile(taken["times"], 0.99),
                                                 "answers": taken["answers"]}
                if crowd:
                    hashed = sound(crowd.result())
                    result["log-ins"] = hashed["answers"] / hashed["seconds"]
                    time.sleep(3)
        result["after"] = server.proportional_memory()
        return result

    def hash_in_a_loop(self, name):
        seconds = str(self.seconds["hashing"])
        programs = {"crate": [f"{self.options.binaries}/bcrypt_loop", seconds, "12"],
                    "python": [f"{self.options.cache}/venv/bin/python", f"{HERE}/peers/bcrypt_loop.py", seconds, "12"]}
        done = subprocess.run(programs[name], capture_output=True, text=True, check=True)
        hashed, taken = map(float, done.stdout.split())
        return {"rate": hashed / taken}

    def weigh_pages(self, scratch):
        """Bytes over the wire of Gatehouse's pages, and of a first visit."""
        service = self.services[0]
        with tempfile.TemporaryDirectory(dir=scratch) as folder:
            copy_of(f"{scratch}/{service.name}", folder)
            with service.running(folder) as server:
                service.check(server, folder)
                weights = {}
                for path, cookie in [("/login", ""), ("/signup", ""), ("/profile", service.cookie)]:
                    _, loaded = first_visit(server, path, cookie)
                    weights[path] = {"page": loaded[0], "first visit": sum(loaded), "requests": len(loaded)}
                return weights

    def pooled(self):
        tails = {}
        for name, results in self.times.items():
            times = merged(results)
            tails[name] = {"p50": percentile(times, 0.5), "p90": percentile(times, 0.9), "p99": percentile(times, 0.99),
                           "answers": sum(count for _, count in times)}
        return tails


def takes(service, kind):
    return kind != "hashing" and (service.name not in ("constant", "nginx") or kind == "pages")


def sound(result):
    """A server may be too slow to answer at all, which is a figure; a wrong answer makes it none."""
    if result["wrong"] or result["failed"]:
        raise Unfit(f"{result['wrong']} wrong answers, {result['failed']} failures, {result['answers']} answers")
    return result


def cpu_each(server, before, answers):
    """Milliseconds of CPU for an answer, in all of the server's processes."""
    return (server.cpu() - before) / answers * 1000 if answers else None


def facts(options):
    """Versions and the machine; nothing that tells which machine."""
    def said(*command):
        done = subprocess.run(command, capture_output=True, text=True)
        return (done.stdout + done.stderr).strip().splitlines()[0]

    with open(f"{HERE}/../Cargo.lock") as lock:
        locked = dict(re.findall(r'name = "([\w-]+)"\nversion = "([^"]+)"', lock.read()))
    with open(f"{HERE}/peers/requirements.txt") as wanted:
        python = dict(re.findall(r"^([\w-]+)==(\S+)$", wanted.read(), re.M))
    with open(f"{HERE}/peers/node/package.json") as wanted:
        node = json.load(wanted)["dependencies"]
    with open("/proc/meminfo") as memory:
        gigabytes = round(int(re.search(r"MemTotal:\s+(\d+)", memory.read()).group(1)) / 1e6)
    names = ["Flask", "SQLAlchemy", "Django", "django-allauth", "gunicorn", "bcrypt"]
    versions = {
        "Gatehouse": f"{locked['gatehouse']}, rocket {locked['rocket']}, diesel {locked['diesel']}, bcrypt {locked['bcrypt']}, "
                     + said("rustc", "--version").split(" (")[0],
        "Python": platform.python_version() + ", " + ", ".join(f"{name} {python[name]}" for name in names),
        "Node": said("node", "--version").lstrip("v") + ", " + ", ".join(f"{name} {of}" for name, of in node.items()),
        "wrk": said("wrk", "-v").split(" ")[1].split("/")[-1],
        "nginx": said("nginx", "-v").split("/")[-1],
    }
    build = {"seconds": options.build_seconds, "crates": options.compiled, "whole": options.compiled > 250}
    size = os.path.getsize(f"{options.binaries}/gatehouse") / 1e6
    return {"versions": versions, "cores": CORES, "memory": gigabytes, "system": f"Linux on {platform.machine()}",
            "date": time.strftime("%Y-%m-%d"), "rounds": options.rounds, "build": build, "binary": size}


def main():
    parser = argparse.ArgumentParser(prog="bench/run")
    parser.add_argument("--binaries", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--cache", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--compiled", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--build-seconds", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one short round; writes nothing")
    parser.add_argument("--only", choices=list(SECONDS), help="one kind of case; writes nothing")
    options = parser.parse_args()
    if options.quick:
        options.rounds = 1
    began = time.monotonic()
    bench = Bench(options)
    with tempfile.TemporaryDirectory() as scratch:
        bench.run(scratch)
        weights = bench.weigh_pages(scratch)
    results = {"facts": {**facts(options), "minutes": round((time.monotonic() - began) / 60)}, "found": bench.found,
               "pooled": bench.pooled(), "unfit": bench.unfit, "weights": weights}
    if options.quick or options.only:
        print(json.dumps({**results, "facts": None}, indent=1))
    else:
        keep_the_build(results)
        report.write(results)
    if bench.unfit:
        raise SystemExit("left out: " + "; ".join(f"{name}: {why}" for name, why in bench.unfit.items()))


def keep_the_build(results):
    """The time of a build from nothing is known only where this run made one."""
    if not results["facts"]["build"]["whole"] and os.path.exists(report.RESULTS):
        results["facts"]["build"] = report.read()["facts"]["build"]


if __name__ == "__main__":
    main()
