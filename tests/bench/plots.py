# SPDX-License-Identifier: BSD-2-Clause
"""Pictures for the reports, by gnuplot. A missing figure is a gap."""
import subprocess

# Grey for the others, colours for kedge, so that it stands out.
GREYS = ("#b8b8b8", "#989898", "#787878", "#585858", "#404040", "#282828")
COLOURS = ("#9ecae1", "#4292c6", "#fdae6b", "#e6550d", "#a1d99b", "#31a354", "#bcbddc", "#756bb1")


def colours(names, ours):
    greys, bright = iter(GREYS * 4), iter(COLOURS * 4)
    return [next(bright) if name in ours else next(greys) for name in names]


def quoted(text):
    return '"' + str(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def script(path, title, unit, names, ours, rows, log=False, line=None):
    """rows: [(label, [one value a name, None for a gap])]; line: a horizontal line at this value."""
    data = "\n".join(" ".join([quoted(label), *("NaN" if v is None else f"{v:.6g}" for v in values)])
                     for label, values in rows)
    bars = ", ".join(f"$data using {i + 2}:xtic(1) title {quoted(name)} linecolor rgb {quoted(colour)}"
                     for i, (name, colour) in enumerate(zip(names, colours(names, ours))))
    also = f", {line} with lines notitle linecolor rgb '#000000' dashtype 2" if line is not None else ""
    return f"""$data << END
{data}
END
set terminal svg size 1100,460 font "sans-serif,12" background rgb "white"
set output {quoted(path)}
set title {quoted(title)} noenhanced
set ylabel {quoted(unit)} noenhanced
set key outside right top noenhanced
set style data histogram
set style histogram clustered gap 1
set style fill solid border rgb "#ffffff"
set xtics rotate by -30 noenhanced
set grid ytics linecolor rgb "#dddddd"
{"set logscale y" if log else "set yrange [0:*]"}
plot {bars}{also}
"""


def bars(path, *args, **kwargs):
    """Writes a picture of clustered bars; arguments as of script()."""
    subprocess.run(["gnuplot"], input=script(path, *args, **kwargs), text=True, check=True)
