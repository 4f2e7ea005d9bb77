"""The plots of ./baton bench forward: instructions, rates, latencies of all guests beside each other; and what more CPUs do."""
from tools import bench_plot


def select(rows, **wanted):
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


def in_order(rows, name):
    return list(dict.fromkeys(row[name] for row in rows))


def size_text(size):
    return "IMIX" if size == "imix" else f"{size} B"


def bars(rows, folder, name, label, value_of, reach_of=None, scale="linear"):
    """A panel for each size, a bar for each guest; `reach_of`: how far down and up from its value."""
    sizes, guests = in_order(rows, "size"), in_order(rows, "title")
    made, axes = bench_plot.figure(len(sizes))
    for axis, size in zip(axes, sizes):
        for row in select(rows, size=size):
            place = guests.index(row["title"])
            reach = [[part] for part in reach_of(row)] if reach_of else None
            axis.barh(place, value_of(row), xerr=reach, color=bench_plot.style(row["title"], place)[0], height=0.6)
            axis.annotate(f"{value_of(row):,.0f}", (0, place), xytext=(4, 8), xycoords=("axes fraction", "data"),
                          textcoords="offset points", va="bottom", fontsize=8)
        axis.set_yticks(range(len(guests)), guests)
        axis.set_title(size_text(size))
        axis.set_xscale(scale)
        if scale == "log":
            bench_plot.log_numbers(axis.xaxis)
        axis.grid(False, axis="y")
        axis.tick_params(axis="x", rotation=45)
    axes[0].invert_yaxis()  # the panels share it
    made.supxlabel(label, fontsize=10)
    return bench_plot.save(made, folder, name)


def span(name, least, most):
    """How far the least and the most lie from the median."""
    return lambda row: (row[name]["median"] - row[name][least], row[name][most] - row[name]["median"])


def by_cpus(rows, folder):
    made, axes = bench_plot.figure(len(in_order(rows, "directions")))
    for axis, directions in zip(axes, in_order(rows, "directions")):
        for number, size in enumerate(in_order(rows, "size")):
            points = {row["cpus"]: row["instructions"]["lower"] for row in select(rows, directions=directions, size=size)}
            bench_plot.line(axis, points, size_text(size), number)
        axis.set_xticks(in_order(rows, "cpus"))
        axis.set_xlabel("CPUs")
        axis.set_ylim(bottom=0)
        axis.set_title("one way" if directions == "one" else "both ways")
    axes[0].set_ylabel("instructions of a frame, all CPUs")
    bench_plot.legend(made, axes[0])
    return bench_plot.save(made, folder, "forward-cpus")


def plot_search(rows, folder):
    return [bars(select(rows, cpus=rows[0]["cpus"], directions=rows[0]["directions"]), folder, "forward-throughput",
                 "frames/s without loss", lambda row: row["frames_per_second"])]


def plot(results, folder):
    """Draws what the results hold; returns the files."""
    rows = results["rows"]
    if not rows:
        return []
    if "trials" in rows[0]:
        return plot_search(rows, folder)
    files, least = [], {"cpus": min(row["cpus"] for row in rows), "directions": rows[0]["directions"]}
    busy = select(rows, window=max(row["window"] for row in rows), **least)
    if counted := [row for row in busy if row["instructions"]["lower"]]:
        files.append(bars(counted, folder, "forward-instructions", f"instructions of a frame, window {counted[0]['window']}",
                          lambda row: row["instructions"]["lower"]))
    if busy:
        files.append(bars(busy, folder, "forward-rate", f"frames/s, window {busy[0]['window']}: median, least and most of the runs",
                          lambda row: row["frames_per_second"]["median"], span("frames_per_second", "min", "max")))
    if single := select(rows, window=1, **least):
        files.append(bars(single, folder, "forward-latency",
                          "us, one frame at a time: median, down to the least, up to the 99th percentile", lambda row: row["latency_us"]["median"], span("latency_us", "min", "p99"), "log"))
    several = select(rows, window=max(row["window"] for row in rows), guest=rows[0]["guest"])
    if len(in_order(several, "cpus")) > 1:
        files.append(by_cpus(several, folder))
    return files
