# SPDX-License-Identifier: BSD-2-Clause
"""
Pictures for the reports, by gnuplot. A picture holds the script that drew it, data included, so that it can be compared
with what would be drawn now, whichever gnuplot draws it.
"""
import re
import subprocess
from html import escape

# Grey for the others, colours for kedge, so that it stands out.
GREYS = ("#b8b8b8", "#989898", "#787878", "#585858", "#404040", "#282828")
COLOURS = ("#9ecae1", "#4292c6", "#fdae6b", "#e6550d", "#a1d99b", "#31a354", "#bcbddc", "#756bb1")
BEGIN, END = "<!-- drawn by make bench-docs:\n", "\n-->"


def colours(names, ours):
    greys, bright = iter(GREYS * 4), iter(COLOURS * 4)
    return [next(bright) if name in ours else next(greys) for name in names]


def quoted(text):
    return '"' + str(text).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def whisker(value):
    """Columns of one bar: median, smallest, largest. value: None for a gap."""
    return "NaN NaN NaN" if value is None else " ".join(f"{value[key]:.5g}" for key in ("median", "min", "max"))


def bars(title, unit, names, ours, rows, log=False, line=None):
    """
    A script for clustered bars with whiskers. rows: [(label, [{"median", "min", "max"} a name, None for a gap])]; line: a
    horizontal line at this value. Whoever has only gaps is not in the legend either.
    """
    data = "\n".join(" ".join([quoted(label), *map(whisker, values)]) for label, values in rows)
    each = ", ".join(f"$data using {3 * i + 2}:{3 * i + 3}:{3 * i + 4}:xtic(1) title {quoted(name)} linecolor rgb {quoted(colour)}"
                     for i, (name, colour) in enumerate(zip(names, colours(names, ours), strict=True))
                     if any(values[i] for _, values in rows))
    also = f", {line} with lines notitle linecolor rgb '#000000' dashtype 2" if line is not None else ""
    return f"""$data << END
{data}
END
set terminal svg size 1100,460 font "sans-serif,12" background rgb "white"
set title {quoted(title)} noenhanced
set ylabel {quoted(unit)} noenhanced
set key outside right top noenhanced
set style data histogram
set style histogram errorbars gap 1 linewidth 0.7
set style fill solid border rgb "#ffffff"
set errorbars 0.5 linecolor rgb "#000000"
set xtics rotate by -30 noenhanced
set grid ytics linecolor rgb "#dddddd"
{"set logscale y" if log else "set yrange [0:*]"}
plot {each}{also}
"""


# --- the overview: horizontal bars, each with its name and its value ------------------------------------

BAR, GAP, LEFT, TOP, BOTTOM, WIDTH = 18, 30, 0.27, 52, 70, 800


def on(colour):
    """A colour for text on it."""
    red, green, blue = (int(colour[i:i + 2], 16) for i in (1, 3, 5))
    return "#000000" if 0.30 * red + 0.59 * green + 0.11 * blue > 140 else "#ffffff"


def horizontal(title, subtitle, notes, groups):
    """
    groups: [(heading, [(name, value in percent, colour, its text)])]; notes: lines below. One unit of y is a pixel.
    """
    rows, labels, y = [], [], 0
    for heading, members in groups:
        y += GAP
        labels.append(f"set label {quoted(heading)} at first 0.5,{y - 8} left font \",14\" noenhanced")
        for name, value, colour, text in members:
            rows.append(f"{y} {value:.5g} {int(colour[1:], 16)}")
            middle = y + (BAR - 3) / 2
            labels += [f"set label {quoted(name)} at graph -0.015,first {middle} right noenhanced",
                       f"set label {quoted(text)} at first {value - 1:.5g},{middle} right textcolor rgb {quoted(on(colour))} "
                       "noenhanced front"]
            y += BAR
    height = y + TOP + BOTTOM
    for i, note in enumerate(notes):
        labels.append(f"set label {quoted(note)} at screen 0.015,{(14 + 15 * (len(notes) - 1 - i)) / height:.5f} left font \",11\" noenhanced")
    data, texts = "\n".join(rows), "\n".join(labels)
    return f"""$data << END
{data}
END
set terminal svg size {WIDTH},{height} font "sans-serif,12" background rgb "white"
set label {quoted(title)} at screen 0.015,{1 - 20 / height:.5f} left font ",16" noenhanced
set label {quoted(subtitle)} at screen 0.015,{1 - 42 / height:.5f} left font ",12" noenhanced
{texts}
unset key
set lmargin at screen {LEFT}
set rmargin at screen 0.985
set tmargin at screen {1 - TOP / height:.5f}
set bmargin at screen {BOTTOM / height:.5f}
set yrange [{y + 4}:0]
set xrange [0:110]
unset ytics
unset xtics
set border 0
set style fill solid noborder
set arrow from first 0, graph 0 to first 0, graph 1 nohead linecolor rgb "#000000"
set arrow from first 100, graph 0 to first 100, graph 1 nohead back linecolor rgb "#000000" dashtype 2
plot $data using (0):1:(0):2:1:($1+{BAR - 3}):3 with boxxyerror linecolor rgb variable
"""


# --- files ----------------------------------------------------------------------------------------------

def comment(script):
    return script.strip().replace("--", "- -")


def draws(svg, script):
    """Was this picture drawn by this script?"""
    return svg.partition(BEGIN)[2].partition(END)[0] == comment(script)


def draw(script, alt):
    """The SVG. alt: what it shows, for those who cannot see it."""
    done = subprocess.run(["gnuplot"], input=script, capture_output=True, text=True, check=False)
    svg, replaced = re.subn(r"<title>.*?</title>", lambda _: f"<title>{escape(alt)}</title>", done.stdout, count=1, flags=re.S)
    if done.returncode or not replaced:
        raise RuntimeError(f"gnuplot drew no picture with a title: {done.stderr or svg[:400]}")
    return svg.rstrip() + "\n" + BEGIN + comment(script) + END + "\n"
