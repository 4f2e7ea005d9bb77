"""
python3 -m tools.bench_plot NAME JSON FOLDER: draws what ./baton bench NAME has written with --json.

What the plots share: one look, colours that do without red against green (Okabe and Ito's), a mark for each
colour too, sizes in powers of two, text that stays text in the SVG. python3-matplotlib is loaded when something is drawn.
"""
import importlib
import json
import pathlib
import sys

PYTHON = "/usr/bin/python3"  # of the package python3, for which python3-matplotlib is
WIDTH, HEIGHT = 6.6, 4.0  # inches; one panel
# By what is drawn: colour, mark. The same thing looks the same in every plot.
STYLES = {
    "copy": ("#D55E00", "s"), "synchronous": ("#CC79A7", "v"), "dash": ("#0072B2", "o"), "path": ("#009E73", "D"),
    "pipe": ("#777777", "x"), "memfd": ("#777777", "+"), "futex": ("#777777", "1"),
}
SPARE = [("#0072B2", "o"), ("#D55E00", "s"), ("#009E73", "D"), ("#CC79A7", "v"), ("#E69F00", "^"), ("#56B4E9", "P"),
         ("#000000", "x"), ("#777777", "+")]


def style(name, number=0):
    return STYLES.get(name, SPARE[number % len(SPARE)])


def pyplot():
    import matplotlib
    matplotlib.use("Agg")
    matplotlib.rcParams.update({
        "svg.fonttype": "none", "svg.hashsalt": "baton", "font.family": "sans-serif", "font.size": 10, "axes.titlesize": 10,
        "legend.fontsize": 9, "legend.frameon": False, "axes.spines.top": False, "axes.spines.right": False,
        "axes.grid": True, "grid.color": "#dddddd", "grid.linewidth": 0.6, "lines.linewidth": 1.6, "lines.markersize": 5,
    })
    import matplotlib.pyplot
    return matplotlib.pyplot


def figure(panels=1, share=True):
    """A figure of panels beside each other, and they."""
    made, axes = pyplot().subplots(1, panels, figsize=(WIDTH if panels == 1 else 3.5 * panels, HEIGHT), sharey=share,
                                   squeeze=False, layout="constrained")
    return made, list(axes[0])


def bytes_text(count):
    for unit, name in ((1 << 20, "M"), (1 << 10, "K")):
        if count >= unit:
            return f"{count // unit} {name}"
    return f"{count:g}"


def byte_axis(axis, ticks, label):
    """Powers of two, marked with their names; ticks that stand too near to each other lose theirs."""
    axis.set_xscale("log", base=2)
    axis.set_xticks(ticks, [bytes_text(tick) for tick in ticks], rotation=45 if len(ticks) > 6 else 0)
    axis.minorticks_off()
    axis.set_xlabel(label)


def log_numbers(side):
    """On a logarithmic side of a plot (axis.xaxis, axis.yaxis) as many plain numbers as help to read it."""
    import matplotlib.ticker
    side.set_major_locator(matplotlib.ticker.LogLocator(subs=(1, 2, 5), numticks=20))
    side.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda value, _: f"{value:,.0f}"))
    side.set_minor_locator(matplotlib.ticker.NullLocator())


def cost_axis(axis, label=None):
    axis.set_yscale("log")
    log_numbers(axis.yaxis)
    if label:
        axis.set_ylabel(label)


def line(axis, points, name, number=0, **looks):
    """Points {x: y} of something that has a style, in the order of x."""
    colour, mark = style(name, number)
    ordered = sorted(points.items())
    axis.plot([x for x, _ in ordered], [y for _, y in ordered], color=colour, marker=mark, label=name, **looks)


def legend(made, axis, names=None, columns=4):
    """One for all panels, below them; `names`: what to call some of the lines instead."""
    handles, labels = axis.get_legend_handles_labels()
    labels = [(names or {}).get(label, label) for label in labels]
    rows = -(-len(labels) // columns)
    space = 0.02 + 0.055 * rows
    made.get_layout_engine().set(rect=(0, space, 1, 1 - space))
    made.legend(handles, labels, loc="lower center", ncol=columns)


def save(made, folder, name):
    """Writes it as SVG, without a date, so that the same figures give the same file; returns its path."""
    file = pathlib.Path(folder) / f"{name}.svg"
    made.savefig(file, metadata={"Date": None, "Creator": None})
    pyplot().close(made)
    return str(file)


def main(name, results, folder):
    """Each measurement has a module of its own, as bench_ipc_plot.py, with plot(results, folder), which returns the files."""
    drawn = importlib.import_module(f"tools.bench_{name}_plot").plot(json.loads(pathlib.Path(results).read_text()), folder)
    for file in drawn:
        print(f"baton: plot: {file}", file=sys.stderr)


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    main(*sys.argv[1:])
