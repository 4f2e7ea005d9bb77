"""The plots of ./baton bench ipc: cost by size, by bytes read, by length of a chain, by memory traffic, and with two live CPUs."""
from tools import bench_plot
from tools.bench_report import LINUX, size_text

TOUCH_TITLES = {"none": "nothing of it is read", "header": "its first 64 bytes are read", "all": "all of it is read"}


def select(rows, **wanted):
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


def alike(one, other):
    return one.keys() == other.keys() and all(abs(one[x] - other[x]) <= 0.005 * max(one[x], 1) for x in one)


def groups(rows, value="instructions"):
    """Policies that cost the same in all rows of a figure are one line, under both names: {policy that is drawn: its label}."""
    costs = {}
    for row in rows:
        costs.setdefault(row["policy"], {})[row["bytes"], row["touch"], row.get("bytes_read"), row.get("services")] = row[value]
    found = []
    for policy in sorted(costs):
        twins = next((names for names in found if alike(costs[names[0]], costs[policy])), None)
        if twins:
            twins.append(policy)
        else:
            found.append([policy])
    return {("dash" if "dash" in names else names[0]): "unmap=" + ", ".join(names) for names in found}


def draw(axis, rows, lines, over, value="instructions"):
    for policy, label in lines.items():
        colour, mark = bench_plot.style(policy)
        points = sorted((row[over], row[value]) for row in select(rows, policy=policy))
        axis.plot([x for x, _ in points], [y for _, y in points], color=colour, marker=mark, label=label)


def peers(axis, name):
    points = {size: one_way for size, (one_way, _) in LINUX[name].items()}
    bench_plot.line(axis, points, name, linestyle=":", linewidth=1)


def by_size(rows, folder, part, title, linux=False):
    touches = [touch for touch in TOUCH_TITLES if select(rows, touch=touch)]
    made, axes = bench_plot.figure(len(touches))
    for axis, touch in zip(axes, touches):
        chosen = select(rows, touch=touch)
        if linux and touch == "none":  # what Linux's readers would read is not in its figures
            for name in LINUX:
                peers(axis, name)
        draw(axis, chosen, groups(rows), "bytes")
        bench_plot.cost_axis(axis, "instructions of a message, one way" if axis is axes[0] else None)
        axis.set_title(TOUCH_TITLES[touch])
        bench_plot.byte_axis(axis, sorted({row["bytes"] for row in chosen}), "bytes of a message")
    bench_plot.legend(made, axes[0], {name: f"Linux {name}" for name in LINUX}, columns=3)
    made.suptitle(title, fontsize=10)
    return bench_plot.save(made, folder, part)


def by_read(rows, folder):
    """0 has no place on such an axis: it stands one step left of the least that is read."""
    sizes = sorted({row["bytes"] for row in rows})
    made, axes = bench_plot.figure(len(sizes), share=False)
    for axis, size in zip(axes, sizes):
        chosen = [{**row, "at": row["bytes_read"] or 16} for row in select(rows, bytes=size)]
        draw(axis, chosen, groups(rows), "at")
        bench_plot.cost_axis(axis, "instructions of a message, one way" if axis is axes[0] else None)
        ticks = sorted({row["at"] for row in chosen})
        bench_plot.byte_axis(axis, ticks, f"bytes that each receiver reads of {size_text(size)}")
        axis.set_xticks(ticks, ["0", *[bench_plot.bytes_text(tick) for tick in ticks[1:]]])
    bench_plot.legend(made, axes[-1])
    return bench_plot.save(made, folder, "ipc-read")


def by_chain(rows, folder):
    made, axes = bench_plot.figure(2)
    for axis, touch in zip(axes, ("none", "all")):
        chosen = [{**row, "trip": row["instructions"] * (row["services"] + 1)} for row in select(rows, touch=touch, bytes=65536)]
        draw(axis, chosen, groups(rows), "services", "trip")
        bench_plot.cost_axis(axis, "instructions of a trip, there and back" if axis is axes[0] else None)
        axis.set_title(f"64 KiB, {TOUCH_TITLES[touch]}")
        ticks = sorted({row["services"] for row in chosen})
        axis.set_xticks(ticks, map(str, ticks))
        axis.set_xlabel("services in the chain")
    bench_plot.legend(made, axes[-1])
    return bench_plot.save(made, folder, "ipc-chain")


def by_traffic(rows, folder):
    made, (axis,) = bench_plot.figure()
    chosen = [{**row, "factor": row["bytes_traffic"] / row["bytes"]} for row in select(rows, touch="all")]
    draw(axis, chosen, groups(chosen, "factor"), "bytes", "factor")
    axis.set_ylim(bottom=0)
    bench_plot.byte_axis(axis, sorted({row["bytes"] for row in chosen}), "bytes of a message, all of them read")
    axis.set_ylabel("bytes of memory traffic for each byte")
    axis.legend()
    return bench_plot.save(made, folder, "ipc-traffic")


def plot(results, folder):
    """Draws what the results hold; returns the files."""
    near = {"placement": "isolated", "cpus": "same"}
    rows = select(results["rows"], kind="oneway", **near)
    files = []
    if len({row["bytes"] for row in rows}) > 1:
        files.append(by_size(rows, folder, "ipc-size", "isolated services on one CPU; Linux between two processes", linux=True))
        if select(rows, touch="all"):
            files.append(by_traffic(rows, folder))
    wide = select(results.get("wide", []), placement="isolated", cpus="cross")
    if len({row["bytes"] for row in wide}) > 1:
        files.append(by_size(wide, folder, "ipc-wide", "across CPUs, both services have been live on both: unmaps concern both"))
    touched = select(results.get("touched", []), **near)
    if touched:
        files.append(by_read(touched, folder))
    chains = select(results.get("chains", []), bytes=65536, **near)
    if len({row["services"] for row in chains}) > 1:
        files.append(by_chain(chains, folder))
    return files
