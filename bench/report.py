"""Writes docs/performance.md, its charts and the README's figures from bench/results.json; `bench/run --render` does it
alone, and `python3 bench/report.py --check` says whether they are what it would write."""

import json
import os
import re
import statistics
import sys

sys.dont_write_bytecode = True
import chart  # noqa: E402
from chart import short  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
RESULTS = f"{HERE}/results.json"
# Written by others, each included where it is there: its title becomes a section of the page.
SECTIONS = ["docs/lanes.md", "docs/scale.md", "bench/found.md"]
NAMES = {"gatehouse": "Gatehouse", "flask": "Flask + SQLAlchemy", "django": "Django + allauth", "node": "Express + better-auth",
         "constant": "Rocket, a constant answer", "nginx": "nginx, a static file"}
PEERS = ["gatehouse", "flask", "django", "node"]


def read():
    with open(RESULTS) as results:
        return json.load(results)


def write(results):
    with open(RESULTS, "w") as kept:
        json.dump(results, kept, indent=1, sort_keys=True)
        kept.write("\n")
    render()


def render():
    for path, text in rendered().items():
        with open(f"{ROOT}/{path}", "w") as out:
            out.write(text)


def rendered():
    """Path → text."""
    page = Page(read())
    with open(f"{ROOT}/README.md") as readme:
        marked = r"(<!-- figures: written by bench/run -->\n).*?(<!-- end of figures -->)"
        readme = re.sub(marked, lambda found: found[1] + page.headlines() + found[2], readme.read(), flags=re.S)
    return {"README.md": readme, "docs/performance.md": page.text(), "docs/performance-page.svg": page.cpu_chart(),
            "docs/performance-storm.svg": page.storm_chart()}


class Page:
    def __init__(self, results):
        self.facts, self.weights, self.unfit = results["facts"], results["weights"], results["unfit"]
        self.found, self.pooled = results["found"], results["pooled"]

    def values(self, name, case, *keys):
        rounds = self.found.get(name, {}).get(case, []) if name not in self.unfit else []
        for key in keys:
            rounds = [found[key] for found in rounds]
        return [value for value in rounds if value is not None]

    def median(self, name, case, *keys):
        values = self.values(name, case, *keys)
        return statistics.median(values) if values else None

    def spread(self, name, case, *keys):
        """Median and quartiles."""
        values = self.values(name, case, *keys)
        if not values:
            return "–"
        if len(values) == 1:
            return short(values[0])
        low, _, high = statistics.quantiles(values, n=4, method="inclusive")
        return f"{short(statistics.median(values))} ({short(low)}–{short(high)})"

    def ratio(self, one, other):
        """One's median ÷ the other's; each is the words of `median`."""
        a, b = self.median(*one), self.median(*other)
        return share(a, b)

    def text(self):
        parts = [self.opening(), self.targets(), self.signed_in(), self.storm(), self.log_ins(), self.small()]
        parts += [included(path) for path in SECTIONS if os.path.exists(f"{ROOT}/{path}")]
        return "\n".join([*parts, self.how()])

    def opening(self):
        lines = ["# How fast", "",
                 "<!-- Written by bench/run from bench/results.json: do not edit. -->",
                 f"Gatehouse beside its peers, on one machine with {self.facts['cores']} cores, which other work shares: "
                 "ratios hold elsewhere, absolute figures do not. Each figure is the median "
                 f"of {self.facts['rounds']} rounds with the quartiles in brackets; a round takes every case once, in shuffled order, each with a "
                 "fresh server and a database of its own. [How it is measured](#how-it-is-measured) says the rest.", ""]
        for name, why in self.unfit.items():
            lines += [f"**{NAMES[name]} failed its check and gives no figure:** {why}", ""]
        return "\n".join(lines)

    def goals(self):
        """What is wanted, what was found, the goal, and whether more is better."""
        page = ("gatehouse", "pages")
        constant = ("constant", "pages", "rate")
        quiet, storm = (self.pooled.get(f"gatehouse {phase}") for phase in ("quiet", "storm"))
        worse = [share(storm[p], quiet[p]) if quiet and storm else None for p in ("p50", "p99")]
        idle, after = self.median("gatehouse", "storm", "idle"), self.median("gatehouse", "storm", "after")
        cpu = [self.ratio((name, "pages", "cpu"), (*page, "cpu")) for name in PEERS[1:]]
        rest = self.ratio(("gatehouse", "log-in", "rate"), ("crate", "hashing", "rate"))
        heaviest = max(weight["first visit"] for weight in self.weights.values()) / 1000
        return [
            ("log-ins a second ÷ the bcrypt crate in a loop on all cores", rest, 3, True, "times"),
            ("signed-in page, p50 in the storm ÷ quiet", worse[0], 1.5, False, "times"),
            ("signed-in page, p99 in the storm ÷ quiet", worse[1], 3, False, "times"),
            ("signed-in page, requests a second ÷ Rocket's constant answer", self.ratio((*page, "rate"), constant), 0.5, True, "times"),
            ("its JSON twin ÷ Rocket's constant answer", self.ratio(("gatehouse", "json", "rate"), constant), 0.7, True, "times"),
            ("CPU of Flask's page ÷ ours", cpu[0], 20, True, "times"),
            ("CPU of Django's page ÷ ours", cpu[1], 50, True, "times"),
            ("CPU of Node's page ÷ ours", cpu[2], 5, True, "times"),
            ("start to first answer, database exists", self.median("gatehouse", "start"), 150, False, "ms"),
            ("memory, idle", idle, 30, False, "MB"),
            ("memory after the storm ÷ idle", share(after, idle), 2, False, "times"),
            ("binary", self.facts["binary"], 20, False, "MB"),
            ("heaviest page, first visit with all it loads", heaviest, 15, False, "KB"),
        ]

    def targets(self):
        lines = ["## Targets", "", "| what | target | found | |", "| --- | --- | --- | --- |"]
        for what, found, goal, more, unit in self.goals():
            unit = "×" if unit == "times" else " " + unit
            sign = "at least" if more else "at most"
            if found is None:
                verdict, told = "not measured", "–"
            else:
                met = found >= goal if more else found <= goal
                miss = goal / found if more else found / goal
                verdict, told = "met" if met else f"**missed by a factor of {miss:.1f}**", short(found) + unit
            lines.append(f"| {what} | {sign} {goal:g}{unit} | {told} | {verdict} |")
        return "\n".join([*lines, "", "Why a target is missed stands under [What was found](#what-was-found).", ""])

    def signed_in(self):
        lines = ["## The signed-in page", "", "![CPU of one signed-in page, by server](performance-page.svg)", "",
                 "Eight connections ask without a pause. CPU is that of all the server's processes, divided by the answers: it varies far less "
                 "than the rate, which the load tool's own share of the cores bounds for the fastest.", "",
                 "| server | page: requests/s | CPU, ms | JSON: requests/s | CPU, ms | log-in page: requests/s | CPU, ms |",
                 "| --- | --- | --- | --- | --- | --- | --- |"]
        for name in [*PEERS, "constant", "nginx"]:
            cells = [self.spread(name, case, key) for case in ("pages", "json", "login-page") for key in ("rate", "cpu")]
            lines.append(f"| {NAMES[name]} | " + " | ".join(cells) + " |")
        return "\n".join([*lines, ""])

    def storm(self):
        lines = ["## The signed-in page while 16 clients log in", "",
                 "![p50 and p99 of the signed-in page during the storm](performance-storm.svg)", "",
                 "One visitor looks at the signed-in page again and again, 5 ms after each answer, first in quiet, then while 16 clients log in as fast as "
                 "they can at cost 12. The control is a constant answer from another process on the same cores, asked in the same way at the same time. "
                 "Percentiles are over all rounds together; pages is how many answers they rest on.", "",
                 "| server | quiet: p50, ms | p99 | pages | storm: p50, ms | p99 | pages | storm ÷ quiet: p50 | p99 | ours ÷ control in the storm: p50 | p99 |",
                 "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"]
        for name in PEERS:
            quiet, storm, control = (self.pooled.get(f"{name} {of}") for of in ("quiet", "storm", "control storm"))
            if not quiet or name in self.unfit:
                continue
            cells = [figure(of[key]) for of in (quiet, storm) for key in ("p50", "p99", "answers")]
            cells += [figure(share(storm[p], of[p])) for of in (quiet, control) for p in ("p50", "p99")]
            lines.append(f"| {NAMES[name]} | " + " | ".join(cells) + " |")
        return "\n".join([*lines, ""])

    def log_ins(self):
        lines = ["## Log-in", "",
                 "16 clients log in with the right passwords of eight accounts, at cost 12; each answer is checked, and so is that sessions were stored. "
                 "Gatehouse's limits on log-ins are set out of reach (`limit_login` and its like), or it would refuse so many from one address. "
                 "The loops hash on every core and do nothing else.", "",
                 "| server | log-ins/s | ÷ crate's loop | CPU, ms | p50, ms | p99, ms |", "| --- | --- | --- | --- | --- | --- |"]
        for name in PEERS:
            of_loop = self.ratio((name, "log-in", "rate"), ("crate", "hashing", "rate"))
            cells = [self.spread(name, "log-in", key) for key in ("cpu", "p50", "p99")]
            lines.append(f"| {NAMES[name]} | {self.spread(name, 'log-in', 'rate')} | {figure(of_loop)} | " + " | ".join(cells) + " |")
        for name, title in (("crate", "the `bcrypt` crate in a loop"), ("python", "Python's `bcrypt` in a loop")):
            of_loop = self.ratio((name, "hashing", "rate"), ("crate", "hashing", "rate"))
            lines.append(f"| {title} | {self.spread(name, 'hashing', 'rate')} | {figure(of_loop)} | – | – | – |")
        return "\n".join([*lines, ""])

    def small(self):
        lines = ["## Start, memory, size", "",
                 "From the start of the process to its first answer, with a database that exists; memory of all processes, what they share counted "
                 "once, before the storm and three seconds after it.", "",
                 "| server | first answer, ms | memory idle, MB | after the storm, MB |", "| --- | --- | --- | --- |"]
        for name in [*PEERS, "constant", "nginx"]:
            lines.append(f"| {NAMES[name]} | {self.spread(name, 'start')} | {self.spread(name, 'storm', 'idle')} | "
                         f"{self.spread(name, 'storm', 'after')} |")
        lines += ["", "| page of Gatehouse's | bytes over the wire | a first visit | requests |", "| --- | --- | --- | --- |"]
        for path, weight in self.weights.items():
            lines.append(f"| `{path}` | {weight['page']:,} | {weight['first visit']:,} | {weight['requests']} |")
        build = self.facts["build"]
        lines += ["", f"The binary has {self.facts['binary']:.1f} MB. " + (
            f"A release build from nothing took {build['seconds'] // 60} min {build['seconds'] % 60} s, with {build['crates']} crates."
            if build["whole"] else "The release build was not from nothing in this run: `cargo clean --release`, then `bench/run`, times it."), ""]
        return "\n".join(lines)

    def how(self):
        lines = ["## How it is measured", "", "```sh", "bench/run              # builds, starts, checks, drives, writes this page",
                 "bench/run --quick      # one short round: does all of it work here?",
                 "bench/run --render     # this page anew from bench/results.json", "```", "",
                 f"This run: {self.facts['date']}, {self.facts['minutes']} minutes, {self.facts['system']}, {self.facts['cores']} cores, "
                 f"{self.facts['memory']} GB. What it needs it installs into the user's cache.", "",
                 "- **Peers.** The classroom exercise in Flask, SQLAlchemy and bcrypt (`bench/peers/flask_app.py`); Django with django-allauth as its guide sets "
                 "it up; both under gunicorn with 2 × cores + 1 workers of 4 threads. Express with better-auth, in as many processes as there are cores. All hash with bcrypt at "
                 "cost 12, and keep their data in a SQLite file of their own, in WAL with `synchronous=NORMAL`.",
                 "- **Limits.** Rocket answering a constant, nginx with a file of the size of a page, bcrypt in a loop: what nothing built on them can beat.",
                 "- **Checked** before and after each case: ann's log-in answers what it should and leaves a row of a session; her page shows her address; "
                 "the JSON is hers; without the cookie there is neither; a wrong password does not log in. A server that fails gives no figure, and the page says so.",
                 "- **Load.** wrk for everybody, on the same cores: eight connections for pages, sixteen for log-ins, one with pauses where latency is measured.",
                 "- **Logs.** Nobody writes a line a request: Gatehouse's log is off, and the peers write none by default.", "",
                 "| program | versions |", "| --- | --- |"]
        lines += [f"| {name} | {versions} |" for name, versions in self.facts["versions"].items()]
        return "\n".join([*lines, ""])

    def headlines(self):
        """The README's table."""
        head = ["| | " + " | ".join(NAMES[name] for name in PEERS) + " |", "| --- |" + " --- |" * len(PEERS)]
        storm = {name: self.pooled.get(f"{name} storm", {}) if name not in self.unfit else {} for name in PEERS}
        rows = [("CPU of a signed-in page, ms", [self.median(name, "pages", "cpu") for name in PEERS]),
                ("signed-in page while 16 clients log in: p50, ms", [storm[name].get("p50") for name in PEERS]),
                ("the same: p99, ms", [storm[name].get("p99") for name in PEERS]),
                ("log-ins a second at bcrypt cost 12", [self.median(name, "log-in", "rate") for name in PEERS]),
                ("start to first answer, ms", [self.median(name, "start") for name in PEERS]),
                ("memory, idle, MB", [self.median(name, "storm", "idle") for name in PEERS])]
        return "\n".join(head + [f"| {what} | " + " | ".join(map(figure, values)) + " |" for what, values in rows]) + "\n"

    def cpu_chart(self):
        rows = [(NAMES[name], [self.median(name, "pages", "cpu")]) for name in [*PEERS, "constant", "nginx"]]
        return chart.bars("CPU of one signed-in page, milliseconds", ["CPU"], [row for row in rows if row[1][0]], "ms")

    def storm_chart(self):
        rows = [(NAMES[name], [self.pooled[f"{name} storm"][p] for p in ("p50", "p99")])
                for name in PEERS if f"{name} storm" in self.pooled and name not in self.unfit]
        return chart.bars("The signed-in page during the storm, milliseconds", ["p50", "p99"], rows, "ms")


def share(one, other):
    return one / other if one is not None and other else None


def figure(value):
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else short(value)


def included(path):
    """A section's headings go one level down where its first is the title of a page."""
    with open(f"{ROOT}/{path}") as section:
        text = section.read().strip()
    deeper, code = text.startswith("# "), False
    lines = []
    for line in text.splitlines():
        code ^= line.startswith("```")
        lines.append("#" + line if deeper and not code and line.startswith("#") else line)
    return "\n".join(lines) + "\n"


def check():
    """Fails with the files that are not what would be written."""
    stale = []
    for path, text in rendered().items():
        with open(f"{ROOT}/{path}") as found:
            if found.read() != text:
                stale.append(path)
    if stale:
        raise SystemExit(f"not what bench/results.json and the sections say: {', '.join(stale)}; run bench/run --render")


if __name__ == "__main__":
    check() if sys.argv[1:] == ["--check"] else render()
