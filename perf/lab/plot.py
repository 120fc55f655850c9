"""Plots as SVG, drawn by hand: no package needed, and every viewer and git host shows them."""
import math
from xml.sax.saxutils import escape

COLORS = {
    "ringmain": "#1b6ca8", "ringmain-again": "#3f83b8", "other": "#d08c1d",
    "ringmain-6.1": "#5795c4", "ringmain-6.0": "#74a8d0", "ringmain-5.19": "#8fbbdc",
    "ringmain-epoll": "#7a6fb0", "nutcracker": "#c0392b", "nutcracker-m512": "#dc8479", "haproxy": "#d98c3f",
    "forwarder-shared": "#4f9d69", "forwarder-own": "#93c4a4", "direct": "#888888",
}
GREY = "#666666"  # any other
WIDTH, LEFT, RIGHT = 860, 150, 90
BAR, GAP, GROUP_GAP, TOP = 15, 3, 34, 72


def svg(height, parts):
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
            f'viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">\n'
            f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>\n'
            + "\n".join(parts) + "\n</svg>\n")


def text(x, y, words, **options):
    attributes = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in options.items())
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="#222222"{attributes}>{escape(words)}</text>'


def room_for(names):
    """Of the longest of these at the side of a plot."""
    return max((7 * len(name) + 16 for name in names), default=0)


def rectangle(x, y, width, color, opacity=1.0):
    return (f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{BAR}" '
            f'fill="{color}" fill-opacity="{opacity}"/>')


def line(x1, y1, x2, y2, color="#dddddd"):
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{color}"/>')


def steps(largest, wanted=5):
    """Round numbers from 0 to beyond the largest."""
    rough = largest / wanted
    unit = 10 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough)
    return [step * i for i in range(math.ceil(largest / step) + 1)]


def cpu_bars(family, members):
    """A group of bars for each case: user (dark) and system (light) CPU time per request."""
    groups = [(name, {proxy: figures for proxy, figures in medians.items() if "cpu_us" in figures})
              for name, medians in members]
    largest = max((figures["cpu_us"] for _, found in groups for figures in found.values()),
                  default=0)
    if largest <= 0:
        return ""
    marks = steps(largest)
    left = max(LEFT, room_for(proxy for _, found in groups for proxy in found))
    scale = (WIDTH - left - RIGHT) / marks[-1]
    rows, y = [], TOP
    for name, found in groups:
        rows.append(text(left, y + 12, name, font_weight="bold"))
        y += 20
        for proxy, figures in found.items():
            color = COLORS.get(proxy, GREY)
            user, total = figures["user_us"] * scale, figures["cpu_us"] * scale
            rows += [text(left - 8, y + 12, proxy, text_anchor="end"),
                     rectangle(left, y, user, color),
                     rectangle(left + user, y, total - user, color, 0.55),
                     text(left + total + 6, y + 12, f"{figures['cpu_us']:.3g}")]
            y += BAR + GAP
        y += GROUP_GAP - 20
    grid = []
    for mark in marks:
        x = left + mark * scale
        grid += [line(x, TOP - 8, x, y), text(x, TOP - 12, f"{mark:g}", text_anchor="middle",
                                               font_size=11)]
    title = [text(16, 22, f"CPU time of the proxy per request, microseconds: {family}",
                  font_size=15, font_weight="bold"),
             text(16, 39, "less is better; dark: user, light: system", font_size=11)]
    return svg(y + 10, title + grid + rows)


PERCENTILES = [("p50_us", "p50"), ("p99_us", "p99"), ("p999_us", "p99.9"), ("max_us", "max")]
PANEL = 260


def latency_lines(family, members):
    """A panel for each case: latency over percentiles, logarithmic."""
    parts = [text(16, 22, f"Latency at half of nutcracker's highest rate, microseconds: {family}",
                  font_size=15, font_weight="bold"),
             text(16, 39, "less is better; logarithmic; from the moment a request was due",
                  font_size=11)]
    y = TOP
    for name, medians in members:
        if medians:
            parts += latency_panel(y, name, medians)
            y += PANEL + 50
    return svg(y, parts) if y > TOP else ""


def latency_panel(top, name, medians):
    values = [figures[key] for figures in medians.values() for key, _ in PERCENTILES]
    low = math.floor(math.log10(max(min(values), 1)))
    high = max(math.ceil(math.log10(max(values))), low + 1)
    right, base = WIDTH - max(170, 22 + room_for(medians)), top + PANEL

    def height(value):
        return base - (math.log10(max(value, 1)) - low) / (high - low) * (PANEL - 30)

    parts = [text(LEFT, top + 12, name, font_weight="bold")]
    for power in range(low, high + 1):
        for factor in (1, 2, 5) if power < high else (1,):
            at = height(factor * 10**power)
            parts += [line(LEFT, at, right, at),
                      text(LEFT - 8, at + 4, f"{factor * 10**power:g}", text_anchor="end",
                           font_size=11)]
    step = (right - LEFT) / (len(PERCENTILES) - 1)
    for i, (_, label) in enumerate(PERCENTILES):
        parts.append(text(LEFT + i * step, base + 18, label, text_anchor="middle"))
    # Names stand beside the last points, in their order, apart from each other.
    order = sorted(medians, key=lambda proxy: medians[proxy]["max_us"], reverse=True)
    label_y = top + 20
    for proxy in order:
        color = COLORS.get(proxy, GREY)
        points = [(LEFT + i * step, height(medians[proxy][key]))
                  for i, (key, _) in enumerate(PERCENTILES)]
        label_y = max(points[-1][1], label_y + 14)
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{color}"/>' for x, y in points]
        parts += [line(right + 4, points[-1][1], right + 18, label_y, color),
                  text(right + 22, label_y + 4, proxy)]
    return parts
