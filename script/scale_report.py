"""The table and the chart of script/scale's figures."""

import os
import statistics

NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
FIGURES = {
    "look_up": "log-in, all but the hash", "page": "signed-in page", "purge": "purge, each expired session",
}
GOAL = 1.5


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
    """To the smallest size, in the same round."""
    least = sizes[min(sizes, key=int)]
    pairs = zip(values(sizes[users], figure, "cpu"), values(least, figure, "cpu"))
    return [one / other for one, other in pairs]


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


def first_purges(results):
    lines = ["| database | users | expired sessions | µs of CPU each | wall, µs each |",
             "| --- | ---: | ---: | ---: | ---: |"]
    for kind, found in results.items():
        for users in sorted(found["sizes"], key=int):
            first = found["sizes"][users].get("first_purge")
            if first:
                lines.append(f"| {NAMES[kind]} | {int(users):,} | {first['rows']:,} | "
                             f"{first['cpu_us']:.0f} | {first['wall_us']:.0f} |")
    return lines if len(lines) > 2 else []


def text_of(results):
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, "../docs/scale.head.md")) as file:
        lines = [file.read().rstrip(), ""]
    for kind, found in results.items():
        lines += table_of(kind, found["sizes"])
        rounds = len(next(iter(found["sizes"].values()))["rounds"])
        server = f"PostgreSQL {found['version']}; " if kind == "postgresql" else ""
        lines += [f"{server}{rounds} rounds; the machine's load was {found['load']:.0f}.", ""]
    firsts = first_purges(results)
    if firsts:
        lines += ["## A tenth of all sessions at once", "",
                  "The first purge after a seed, in one go. The command's start is in the figure: it is all of it for few.",
                  ""] + firsts + [""]
    with open(os.path.join(here, "../docs/scale.tail.md")) as file:
        lines.append(file.read().rstrip())
    return "\n".join(lines) + "\n"


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
    highest = max([2.0] + [max(ratios(found["sizes"], users, figure))
                           for found in results.values() for users in found["sizes"] for figure in FIGURES])
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'aria-label="CPU of three deeds by number of users, beside the smallest database">',
        f"<style>{STYLE}</style>"]

    def height(ratio):
        return BOTTOM - ratio / highest * (BOTTOM - TOP)

    for number, (figure, name) in enumerate(FIGURES.items()):
        left = LEFT + number * (PANEL + GAP)

        def across(users):
            place = every.index(users) / max(len(every) - 1, 1)
            return left + 15 + place * (PANEL - 30)

        parts.append(f'<text class="title" x="{left}" y="30">{name}</text>')
        for ratio, kind in [(0, "axis"), (1, "axis"), (GOAL, "goal")]:
            y = height(ratio)
            parts.append(f'<line class="{kind}" x1="{left}" x2="{left + PANEL}" y1="{y:.1f}" y2="{y:.1f}"/>')
            parts.append(f'<text class="faint" text-anchor="end" x="{left - 6}" y="{y + 4:.1f}">{ratio}</text>')
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
