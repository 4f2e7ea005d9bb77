"""
Where one way of passing a message becomes cheaper than another, computed from the rows of ./baton bench ipc: isolated services,
one way. By size and by how much is read: the cheapest policy. By the bytes read of a message: from how many on copying beats
remapping, and trust beats remapping. By the size of the message: from which on remapping beats copying. And how dear one map and
its invalidation would have to be, beyond their instructions, until copying is as cheap: an emulator charges them as one
instruction, silicon does not.
"""
COPY, REMAP, TRUST = "copy", "dash", "path"
# (cheaper one, than which, over what): what is asked
BY_READ = [(COPY, REMAP), (TRUST, REMAP)]
BY_SIZE = [(REMAP, COPY), (TRUST, COPY), (TRUST, REMAP)]


def crossing(first, second):
    """
    Two costs over the same growing quantity, as {x: cost}: from which x on the first is the cheaper one. "always", "never", or
    [x at which it was not yet, x at which it was]; None when there is nothing to compare. One that changes more than once is
    told by its last change.
    """
    points = sorted(set(first) & set(second))
    wins = [first[x] < second[x] for x in points]
    if len(points) < 2:
        return None
    if not wins[-1]:
        return "never"
    if all(wins):
        return "always"
    last = max(i for i, win in enumerate(wins) if not win)
    return [points[last], points[last + 1]]


def straight(first, second, between):
    """Where two costs meet between two points, if what lies between is a straight line."""
    low, high = between
    gap_low, gap_high = second[low] - first[low], second[high] - first[high]
    return round(low + (high - low) * -gap_low / (gap_high - gap_low))


def found(first, second):
    """A crossing as it is written to the file; with the point between, when it is a matter of slopes and not of a step."""
    between = crossing(first, second)
    if not isinstance(between, list):
        return {"from": between}
    return {"from": between, "about": straight(first, second, between)}


def select(rows, **wanted):
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


def costs(rows, over, **wanted):
    return {row[over]: row["instructions"] for row in select(rows, **wanted)}


def cheapest(rows):
    """For each size and share read: what each policy costs, and which is the cheapest; both, when two cost the same."""
    table = []
    for size, touch in dict.fromkeys((row["bytes"], row["touch"]) for row in sorted(rows, key=lambda row: row["bytes"])):
        cost = {row["policy"]: row["instructions"] for row in select(rows, bytes=size, touch=touch)}
        least = min(cost.values())
        table.append({"bytes": size, "touch": touch, "cost": cost,
                      "cheapest": [policy for policy, value in cost.items() if value <= 1.005 * least]})
    return table


def by_read(rows, touched):
    """For each size: from how many bytes read."""
    table = []
    for size in sorted({row["bytes"] for row in [*rows, *touched]}):
        of_size = select([*rows, *touched], bytes=size)
        entry = {"bytes": size}
        for winner, loser in BY_READ:
            sides = [costs(of_size, "bytes_read", policy=policy) for policy in (winner, loser)]
            entry[f"{winner} over {loser}"] = found(*sides)
        table.append(entry)
    return table


def by_size(rows):
    """For each share read: from which size of the message."""
    table = []
    for touch in dict.fromkeys(row["touch"] for row in sorted(rows, key=lambda row: (-row["bytes"], row["bytes_read"]))):
        entry = {"touch": touch}
        for winner, loser in BY_SIZE:
            sides = [costs(rows, "bytes", policy=policy, touch=touch) for policy in (winner, loser)]
            entry[f"{winner} over {loser}"] = found(*sides)
        table.append(entry)
    return table


def prices(rows):
    """What one invalidation, with its map, may cost beyond its own instructions until copying is as cheap."""
    table = []
    for row in sorted(select(rows, policy=REMAP), key=lambda row: row["bytes"]):
        copies = select(rows, policy=COPY, bytes=row["bytes"], touch=row["touch"])
        count = row["tlbi_local"] + row["tlbi_broadcast"] + row["tlbi_queued"]
        if copies and count > 0.01 and row["bytes"] > 128:
            table.append({"bytes": row["bytes"], "touch": row["touch"], "invalidations": count,
                          "instructions": round((copies[0]["instructions"] - row["instructions"]) / count)})
    return table


def compute(parts):
    """For each part that has what it takes, by CPU."""
    result = {}
    for part in ("rows", "wide"):
        for cpus in ("same", "cross"):
            rows = select(parts.get(part, []), placement="isolated", kind="oneway", cpus=cpus)
            if len({row["policy"] for row in rows}) < 2:
                continue
            touched = select(parts.get("touched", []), placement="isolated", cpus=cpus) if part == "rows" else []
            result[f"{part}, {cpus}"] = {"cheapest": cheapest(rows), "by_bytes_read": by_read(rows, touched),
                                         "by_size": by_size(rows), "price_of_an_invalidation": prices(rows)}
    return result
