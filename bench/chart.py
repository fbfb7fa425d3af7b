"""Bar charts as SVG, drawn by hand: readable in light and dark, and without a script."""

import math
from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT, ROW = 760, 210, 150, 26
STYLE = """<style>
text { font: 13px system-ui, sans-serif; fill: #1c2422 } .title { font-weight: 600; font-size: 15px } .soft { fill: #55605c }
.grid { stroke: #d5dcd9 } .a { fill: #0b5f4b } .b { fill: #b4541a } .back { fill: #fff }
@media (prefers-color-scheme: dark) {
text { fill: #e6ecea } .soft { fill: #a3aeaa } .grid { stroke: #3a4441 } .a { fill: #4cc2a0 } .b { fill: #f0965a } .back { fill: #151b19 } }
</style>"""


def bars(title, legend, rows, unit):
    """Rows are a name and a value for each word of the legend; none is no bar but a word. The scale is logarithmic."""
    values = [value for _, found in rows for value in found if value]
    low, high = math.floor(math.log10(min(values)) - 0.01), math.ceil(math.log10(max(values)))
    height = 78 + len(rows) * (ROW * len(legend) + 10)

    def x(value):
        return LEFT + (math.log10(value) - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    parts = [f'<text class="title" x="16" y="26">{escape(title)}</text>']
    for power in range(low, high + 1):
        at = x(10 ** power)
        parts.append(f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="62" y2="{height - 8}"/>'
                     f'<text class="soft" x="{at:.1f}" y="56" text-anchor="middle">{10 ** power:g}</text>')
    if len(legend) > 1:
        for number, word in enumerate(legend):
            left = WIDTH - 240 + number * 120
            parts.append(f'<rect class="{"ab"[number]}" x="{left}" y="15" width="12" height="12" rx="2"/>'
                         f'<text x="{left + 18}" y="26">{escape(word)}</text>')
    top = 68
    for name, found in rows:
        middle = top + ROW * len(found) / 2 + 4
        parts.append(f'<text x="{LEFT - 12}" y="{middle:.0f}" text-anchor="end">{escape(name)}</text>')
        for number, value in enumerate(found):
            end = x(value) if value else LEFT
            if value:
                parts.append(f'<rect class="{"ab"[number]}" x="{LEFT}" y="{top + 3}" width="{end - LEFT:.1f}" height="{ROW - 6}" rx="3"/>')
            told = f"{short(value)} {unit}" if value else "no answer"
            parts.append(f'<text x="{end + 8:.1f}" y="{top + 18}">{told}</text>')
            top += ROW
        top += 10
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}">\n'
            f'{STYLE}\n<rect class="back" width="{WIDTH}" height="{height}" rx="8"/>\n' + "\n".join(parts) + "\n</svg>\n")


def short(value):
    """Three digits that count, and no more than a reader wants."""
    if value == 0 or value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"
