"""The table and the chart of script/scale's figures."""

import os
import statistics

NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
FIGURES = {
    "look_up": "log-in, all but the hash", "page": "signed-in page", "purge": "purge, each expired session",
}
GOAL = 1.5
# users, sessions, devices, events, and the few of the other tables.
ROWS_A_USER = 4.265

HEAD = """# Growth

What three deeds cost while the number of users grows ten thousand times: the CPU of the service and,
with PostgreSQL, of the server's processes that work for it. Made by `script/scale PROGRAM`, where
PROGRAM is a release build with `--features bench`; the raw figures are in [scale.json](scale.json).

![CPU by number of users](scale.svg)

- **Log-in, all but the hash**: a password too long for any account, for a random one: look up the
  account, read and count its limits, commit. The hash costs hundreds of times as much.
- **Signed-in page**: the profile, for one of a hundred people chosen at random.
- **Purge**: sessions of random people that have expired, each its owner's most recent one.

Every size has its turn in each round, in random order, with a fresh service and one client. Given is
the median, with the lowest and the highest round; the ratio is to the median of the smallest. Of the
wall clock little should be made: other work runs on the same two cores, SQLite waits for the disk at
each commit, and the PostgreSQL here does not (`script/postgresql`).
"""

TAIL = """
A fifth more sessions than users, one device, one event each: `gatehouse dev seed --users N`, in debug
builds and with `--features bench`. Everybody's password is `a quiet harbour`.

## What is not flat, and why

- **Purge** costs several times as much in a large database as in a tiny one, then grows with the
  logarithm alone. To delete a session is to change its row, an entry in each of four indexes, its
  user's row and an index of that: seven places. With a thousand users these lie on the same hundred pages, which a
  batch reads and writes once; from a hundred thousand on, each is a page of its own. Keys are hashes,
  so neighbours in time are none in the index, and no cache of a reasonable size helps (tried in SQLite: 2, 16 and 64 MB,
  80, 75 and 73 µs at 100,000 users; batches of 100, 1000 and 2000 rows are alike within 20 %).
  It goes on in batches of a thousand rows, between which others write: it is never felt as one long wait.
- **Log-in in SQLite** writes to its limits' rows: of random accounts, on a page of its own each.

## What an owner should do

- SQLite: nothing. Pages of deleted rows are used again; the file does not shrink, and need not. To
  shrink it, stop the service and `VACUUM`; that needs as much room again.
  **Do not run `ANALYZE`** or `PRAGMA optimize`, and Gatehouse does not: without statistics SQLite's plans are the
  same at every size, and they are the ones that the tests have looked at. With statistics of an outbox in
  which most mails are in one state, it was seen to read the table from end to end.
- PostgreSQL: leave autovacuum on; its statistics are good for these queries at every size. After a
  large import (`gatehouse database copy`, a restore) run `VACUUM ANALYZE` once.
- Either: ten million users take 13 to 17 GB.

## No query reads a table that grows

`tests/plans` takes a tour through every query of the source (a line that asks the database and was not reached
fails the test), on both databases, and looks at each one's plan. Each index is dropped once, and must be missed.
"""


def write(results, folder):
    with open(os.path.join(folder, "scale.md"), "w") as file:
        file.write(text_of(results))
    with open(os.path.join(folder, "scale.svg"), "w") as file:
        file.write(chart_of(results))


def values(size, figure, part):
    """One number of each round; `cpu` is the service's and the database server's together."""
    if part == "cpu":
        return [found[figure]["service"] + found[figure]["database"] for found in size["rounds"]]
    return [found[figure][part] for found in size["rounds"]]


def ratios(sizes, users, figure):
    """To the median of the smallest size in the same run: where the disk has no room for all at
    once, a size has its own."""
    least = sizes[users].get("beside", sizes[min(sizes, key=int)])
    usual = statistics.median(values(least, figure, "cpu"))
    return [one / usual for one in values(sizes[users], figure, "cpu")]


def spread(numbers, form):
    return f"{statistics.median(numbers):{form}} ({min(numbers):{form}}–{max(numbers):{form}})"


def table_of(kind, sizes):
    lines = [
        f"### {NAMES[kind]}", "",
        "| users | database | " + " | ".join(
            f"{name}: µs of CPU | ÷ smallest | wall, µs" for name in FIGURES.values()) + " |",
        "| ---: | ---: |" + " ---: | ---: | ---: |" * len(FIGURES)]
    for users in sorted(sizes, key=int):
        size = sizes[users]
        cells = [f"{int(users):,}", f"{size['bytes'] / 1e9:.2f} GB" if size["bytes"] > 1e8
                 else f"{size['bytes'] / 1e6:.1f} MB"]
        for figure in FIGURES:
            cells += [
                spread(values(size, figure, "cpu"), ".0f"),
                f"**{statistics.median(ratios(sizes, users, figure)):.2f}**",
                f"{statistics.median(values(size, figure, 'wall')):.0f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return lines + [""]


def text_of(results):
    lines = [HEAD]
    for kind, found in results.items():
        sizes = found["sizes"]
        lines += table_of(kind, sizes)
        rounds = len(next(iter(sizes.values()))["rounds"])
        server = f"PostgreSQL {found['version']}; " if kind == "postgresql" else ""
        apart = [f"{int(users):,}" for users in sizes if "beside" in sizes[users]]
        lines += [
            f"{server}{rounds} rounds; {found['expired']} expired sessions a purge; the machine's "
            f"load was {found['load']:.0f}." + "".join(
                f" {users} users had a run of their own, beside its own smallest." for users in apart), ""]
    lines += ["## Seeding", "", "| database | users | rows | seconds |", "| --- | ---: | ---: | ---: |"]
    for kind, found in results.items():
        for users in sorted(found["sizes"], key=int):
            seconds = found["sizes"][users]["seed_seconds"]
            if seconds:
                rows = ROWS_A_USER * int(users)
                lines.append(f"| {NAMES[kind]} | {int(users):,} | {rows:,.0f} | {seconds:.0f} |")
    return "\n".join(lines + [TAIL])


WIDTH, HEIGHT, LEFT, TOP, PANEL, GAP = 900, 300, 50, 50, 240, 45
BOTTOM = 240
STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #1f2328 }
  .title { font-weight: 600 } .faint { fill: #59636e }
  .axis { stroke: #d1d9e0 } .goal { stroke: #59636e; stroke-dasharray: 4 4 }
  .sqlite { stroke: #0969da; fill: #0969da } .postgresql { stroke: #bc4c00; fill: #bc4c00 }
  polyline { fill: none !important; stroke-width: 2 } .bar { stroke-width: 1 }
  text.sqlite, text.postgresql { stroke: none }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc } .faint { fill: #9198a1 } .axis { stroke: #3d444d } .goal { stroke: #9198a1 }
    .sqlite { stroke: #4493f8; fill: #4493f8 } .postgresql { stroke: #f0883e; fill: #f0883e }
  }
"""


def chart_of(results):
    every = sorted({int(users) for found in results.values() for users in found["sizes"]})
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'aria-label="CPU of three deeds by number of users, beside the smallest database">',
        f"<style>{STYLE}</style>"]

    for number, (figure, name) in enumerate(FIGURES.items()):
        left = LEFT + number * (PANEL + GAP)
        highest = max([2.0] + [max(ratios(found["sizes"], users, figure))
                               for found in results.values() for users in found["sizes"]])

        def height(ratio, highest=highest):
            return BOTTOM - ratio / highest * (BOTTOM - TOP)

        def across(users, left=left):
            place = every.index(users) / max(len(every) - 1, 1)
            return left + 15 + place * (PANEL - 30)

        parts.append(f'<text class="title" x="{left}" y="30">{name}</text>')
        lines = [(0, "axis"), (1, "axis"), (GOAL, "goal")] + [
            (ratio, "axis") for ratio in range(5, int(highest) + 1, 5)]
        for ratio, kind in lines:
            # Where the scale is long, the goal's number would stand on its neighbour's.
            label = "" if ratio == 1 and highest > 4 else ratio
            y = height(ratio)
            parts.append(f'<line class="{kind}" x1="{left}" x2="{left + PANEL}" y1="{y:.1f}" y2="{y:.1f}"/>')
            parts.append(f'<text class="faint" text-anchor="end" x="{left - 6}" y="{y + 4:.1f}">{label}</text>')
        for users in every:
            parts.append(f'<text class="faint" text-anchor="middle" x="{across(users):.1f}" '
                         f'y="{BOTTOM + 18}">{short(users)}</text>')
        for kind, found in results.items():
            sizes, points = found["sizes"], []
            for users in sorted(sizes, key=int):
                numbers = ratios(sizes, users, figure)
                # Beside each other, so that neither's spread hides the other's.
                x = across(int(users)) + (-2 if kind == "sqlite" else 2)
                y = height(statistics.median(numbers))
                points.append(f"{x:.1f},{y:.1f}")
                parts.append(f'<line class="bar {kind}" x1="{x:.1f}" x2="{x:.1f}" '
                             f'y1="{height(min(numbers)):.1f}" y2="{height(max(numbers)):.1f}"/>')
                parts.append(f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>')
            parts.append(f'<polyline class="{kind}" points="{" ".join(points)}"/>')
    parts.append(f'<text class="faint" x="{LEFT}" y="{HEIGHT - 12}">users; CPU ÷ that of the smallest '
                 'database, median and spread; dashed: the goal</text>')
    for place, kind in enumerate(results):
        parts.append(f'<text class="{kind}" x="{WIDTH - 200 + 80 * place}" y="{HEIGHT - 12}">{NAMES[kind]}</text>')
    return "\n".join(parts + ["</svg>"]) + "\n"


def short(users):
    for unit, name in [(1_000_000, " M"), (1000, " k")]:
        if users >= unit:
            return f"{users // unit}{name}"
    return str(users)
