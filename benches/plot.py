"""Bars as SVG, in panels of two columns."""

from html import escape

PANEL_WIDTH, BAR, GAP, MARGIN, COLUMNS = 450, 16, 4, 16, 2
LABEL, VALUE = 190, 60
COLOURS = {"ezdfs": "#c2410c", "ezdfs with a replica": "#c2410c", "ezdfs, cache_ttl 0": "#fdba74"}
OTHER = "#64748b"


def shown(value):
    """Three digits, as people read them."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def panel(title, bars, left, top):
    """One panel: bars are pairs of name and value, the longest fills the width."""
    yield f'<text x="{left}" y="{top + 12}" font-weight="bold">{escape(title)}</text>'
    room = PANEL_WIDTH - LABEL - VALUE
    longest = max(value for _, value in bars)
    for number, (name, value) in enumerate(bars):
        y = top + 20 + number * (BAR + GAP)
        width = max(1.0, value / longest * room)
        yield f'<text x="{left + LABEL - 6}" y="{y + 12}" text-anchor="end">{escape(name)}</text>'
        yield (
            f'<rect x="{left + LABEL}" y="{y}" width="{width:.1f}" height="{BAR}" '
            f'fill="{COLOURS.get(name, OTHER)}"/>'
        )
        yield f'<text x="{left + LABEL + width + 5:.1f}" y="{y + 12}">{shown(value)}</text>'


def svg(title, panels):
    """A drawing of all panels; `panels` are pairs of title and bars."""
    heights = [34 + len(bars) * (BAR + GAP) for _, bars in panels]
    lines, top = [], MARGIN + 30
    for start in range(0, len(panels), COLUMNS):
        for column, (name, bars) in enumerate(panels[start : start + COLUMNS]):
            lines += panel(name, bars, MARGIN + column * (PANEL_WIDTH + MARGIN), top)
        top += max(heights[start : start + COLUMNS]) + MARGIN
    width = MARGIN + COLUMNS * (PANEL_WIDTH + MARGIN)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {top}" width="{width}" height="{top}" '
        'font-family="sans-serif" font-size="12" fill="#0f172a">\n'
        f'<rect width="{width}" height="{top}" fill="#ffffff"/>\n'
        f'<text x="{MARGIN}" y="{MARGIN + 10}" font-size="15">{escape(title)}</text>\n'
    )
    return head + "\n".join(lines) + "\n</svg>\n"
