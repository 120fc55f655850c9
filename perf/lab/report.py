#!/usr/bin/env python3
"""Tables and plots from the raw data of perf/lab/lab.py.

usage: perf/lab/report.py RAW.json            writes report.md and *.svg beside it, prints the tables
       perf/lab/report.py RAW.json --summary  prints the short table of the README instead
"""
import json
import pathlib
import statistics
import sys

import cases
import plot


def dump(raw):
    """One line per run, so that a person can read it and git can compare it."""
    text = json.dumps({**raw, "cases": []}, indent=1)
    blocks = []
    for case in raw["cases"]:
        lines = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in case.items()
                 if key != "runs"]
        runs = [f"   {json.dumps(name)}: [" + ",".join(f"\n    {json.dumps(run)}" for run in all_)
                + "]" for name, all_ in case["runs"].items()]
        blocks.append("{\n" + ",\n".join([*lines, '  "runs": {\n' + ",\n".join(runs) + "}"]) + "}")
    return text.replace('"cases": []', '"cases": [\n ' + ",\n ".join(blocks) + "]") + "\n"


def syscalls(case, name):
    """Per request, each time that they were counted; older raw data has one count."""
    counts = case["syscalls"].get(name, [])
    return counts if isinstance(counts, list) else [counts]


def medians(case):
    """proxy -> figure -> median over the rounds."""
    result = {}
    for name, runs in case["runs"].items():
        if not runs:
            continue
        result[name] = {figure: statistics.median(run[figure] for run in runs)
                        for figure in runs[0] if all(run.get(figure) is not None for run in runs)}
        if runs[0].get("peak_kib"):
            result[name]["peak_kib"] = max(run["peak_kib"] for run in runs)
        if "cpu_us" in result[name]:
            # The kernel tells user from system time by samples: over all rounds there are enough.
            total = sum(run["cpu_us"] * run["requests"] for run in runs)
            user = sum(run["user_us"] * run["requests"] for run in runs)
            cpu = result[name]["cpu_us"]
            result[name]["user_us"] = cpu * user / total if total else 0.0
            result[name]["system_us"] = cpu - result[name]["user_us"]
        if counts := syscalls(case, name):
            result[name]["syscalls"] = statistics.median(counts)
    return result


def ratios(case, figure, against, of="ringmain"):
    """Of the runs of the same round; empty where one of them has no such figure. Of the most memory
    there is one: it was measured for all rounds together."""
    if figure == "peak_kib":
        found = medians(case)
        both = [found.get(name, {}).get(figure) for name in (of, against)]
        return [both[0] / both[1]] if all(both) else []
    pairs = zip(case["runs"].get(of, []), case["runs"].get(against, []))
    return [mine[figure] / theirs[figure] for mine, theirs in pairs
            if mine.get(figure) is not None and theirs.get(figure)]


def number(value, digits=2):
    if value is None:
        return ""
    return f"{value:,.0f}".replace(",", " ") if abs(value) >= 1000 else f"{value:.{digits}f}"


def spread(values):
    if not values:
        return "", ""
    if len(values) == 1:
        return f"{values[0]:.2f}", ""
    return f"{statistics.median(values):.2f}", f"{min(values):.2f} to {max(values):.2f}"


def table(head, rows):
    rule = ["---" if i == 0 else "--:" for i in range(len(head))]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in [head, rule, *rows])


def case_table(raw):
    head = ["work and proxy", "CPU us", "user", "system", "ringmain / it", "spread", "k/s", "p50 us",
            "p99 us", "p99.9 us", "peak MiB", "calls", "switches", "busy", "servers us"]
    rows = []
    for case in raw["cases"]:
        rate = f", {case['rate']:.0f}/s" if case["rate"] else ""
        rows.append([f"**{case['name']}**{rate}"] + [""] * (len(head) - 1))
        for name, figures in medians(case).items():
            ratio = ("", "") if name == "ringmain" else spread(ratios(case, "cpu_us", name))
            get = figures.get
            peak = get("peak_kib")
            switched = (get("voluntary_switches", 0) + get("involuntary_switches", 0)
                        if "cpu_us" in figures else None)
            rows.append([name, number(get("cpu_us")), number(get("user_us")),
                         number(get("system_us")), *ratio, number(get("rate") / 1e3, 1),
                         number(get("p50_us"), 0), number(get("p99_us"), 0),
                         number(get("p999_us"), 0), number(peak / 1024, 1) if peak else "",
                         number(get("syscalls")), number(switched, 3), number(get("busy")),
                         number(get("servers_us"))])
        for word, names in (("not measured", case["skipped"]), ("FAILED", case["failed"])):
            for why in dict.fromkeys(names.values()):
                those = ", ".join(name for name in names if names[name] == why)
                text = f"{word}: {those}: {why}".splitlines()[0].replace("|", "/")
                rows.append([text] + [""] * (len(head) - 1))
    return table(head, rows)


def target_rows(raw):
    """Each target whose case was measured, with its ratios or figures."""
    if any("other" in case["runs"] for case in raw["cases"]):
        return  # two builds beside each other: that is another question
    measured = {case["name"]: case for case in raw["cases"]}
    for target in cases.targets():
        case = measured.get(target.case.name)
        if case is None:
            continue
        if target.against:
            values = ratios(case, target.figure, target.against)
        elif target.figure == "syscalls":
            values = syscalls(case, "ringmain")
        elif target.figure == "user_us":
            found = medians(case).get("ringmain", {})
            values = [found["user_us"]] if "user_us" in found else []
        else:
            values = [run[target.figure] for run in case["runs"].get("ringmain", [])
                      if target.figure in run]
        yield target, values


def verdict(values, at_most):
    """Of the median; undecided where some of the rounds say otherwise."""
    if not values:
        return "not measured"
    text = "met" if statistics.median(values) <= at_most else "NOT MET"
    return text + (" (undecided)" if min(values) <= at_most < max(values) else "")


def why_not_measured(raw, target):
    """Where that is known."""
    case = next(case for case in raw["cases"] if case["name"] == target.case.name)
    if target.figure == "syscalls" and cases.SYSCALLS in raw.get("missing", {}):
        return raw["missing"][cases.SYSCALLS]
    for name in ("ringmain", target.against):
        for reasons in (case["skipped"], case["failed"], raw.get("missing", {})):
            if name in reasons:
                return reasons[name].splitlines()[0].replace("|", "/")
    return ""


def with_small_mbufs(raw, target):
    """The median ratio to nutcracker as it is told to be for many connections, where it took part."""
    if target.against != "nutcracker":
        return ""
    case = next(case for case in raw["cases"] if case["name"] == target.case.name)
    return spread(ratios(case, target.figure, cases.SMALL_MBUFS))[0]


def target_table(raw):
    """Judged is what is given; beside it stands what another nutcracker would make of it."""
    rows = []
    took_part = any(cases.SMALL_MBUFS in case["runs"] for case in raw["cases"])
    for target, values in target_rows(raw):
        middle, around = spread(values)
        why = "" if values else why_not_measured(raw, target)
        rows.append([f"{target.work}: {target.case.name}", target.against or "our own figure",
                     f"{target.at_most:g} {target.unit}".strip(), middle, around,
                     verdict(values, target.at_most) + (f": {why}" if why else ""),
                     *([with_small_mbufs(raw, target)] if took_part else [])])
    head = ["target", "against", "at most", "median", "spread", "",
            *([f"to {cases.SMALL_MBUFS}"] if took_part else [])]
    return table(head, rows) if rows else ""


def no_difference(raw):
    """The same binary against itself: how far the medians of the cases are from 1."""
    middles = [statistics.median(found) for case in raw.get("cases", [])
               if (found := ratios(case, "cpu_us", cases.AGAIN))]
    if not middles:
        return []
    return [f"- what no difference looks like here ({cases.AGAIN}): CPU ratio "
            f"{statistics.median(middles):.2f} in the middle of {len(middles)} cases, "
            f"{min(middles):.2f} to {max(middles):.2f} in all"]


def facts(raw):
    machine, build = raw["machine"], raw["build"]
    changed = " with changes" if raw.get("changed") else ""
    after = machine.get("load_average_after")
    lines = [
        f"- {raw['date']}, commit {raw['commit'][:12]}{changed}",
        f"- {machine['cpu']}, {machine['cpus']} CPUs, {machine['memory_gib']} GiB, "
        f"{machine['virtualization']}; Linux {machine['kernel']}; load average "
        f"{machine['load_average_before']:.1f} before"
        + (f", {after:.1f} after" if after is not None else ""),
        *(["- the kernel keeps the time of interrupts, and so most of the loopback's receive path, "
           "out of CPU times: they say too little"] if machine.get("irq_time_accounting") else []),
        f"- {build.get('compiler', 'unknown compiler')}, {build.get('buildtype', '?')}, "
        f"LTO {build.get('b_lto', '?')}",
        *([f"- `{raw['command']}`"] if "command" in raw else []),
        *(["- " + "; ".join(text for text in raw["versions"].values() if text)]
          if "versions" in raw else []),
        f"- {raw['rounds']} rounds" + (f" of {raw['seconds']} s each" if "seconds" in raw else "")
        + ", order alternating",
        *no_difference(raw),
    ]
    for part in raw.get("again", []):
        names = part["cases"]
        lines.append(f"- {len(names)} of the cases again, {part['date']}, commit "
                     f"{part['commit'][:12]}{' with changes' if part['changed'] else ''}: "
                     f"{names[0]} to {names[-1]}"
                     + (f": `{part['command']}`" if "command" in part else ""))
    lines += [f"- without {name}: {why}" for name, why in raw.get("missing", {}).items()]
    return "\n".join(lines)


def markdown(raw, plots):
    parts = ["# ringmain beside others\n", facts(raw)]
    targets = target_table(raw)
    if targets:
        parts += ["\n## Targets\n", "Ratios are ringmain's figure divided by the other's, of runs of "
                  "the same round.\n", targets]
    parts += ["\n## Figures\n",
              "CPU time, system calls (`calls`) and context switches are the proxy's, per request; "
              "`busy` is its CPU time by the time that passed; `servers us` is what all servers together spent on one. Medians of the rounds.\n",
              case_table(raw)]
    if plots:
        parts += ["\n## Plots\n", *(f"![{name}]({name})" for name in plots)]
    return "\n".join(parts) + "\n"


def write_plots(raw, folder):
    for old in folder.glob("*.svg"):
        old.unlink()
    families = {}
    for case in raw["cases"]:
        families.setdefault(case["family"], []).append((case["name"], medians(case)))
    names = []
    for family, members in families.items():
        stem = family.replace(" ", "-").replace("'", "")
        fixed = family.endswith("fixed rate")
        pictures = {f"cpu-{stem}.svg": plot.cpu_bars(family, members)}
        if fixed:
            pictures[f"latency-{stem}.svg"] = plot.latency_lines(family, members)
        for name, picture in pictures.items():
            if picture:
                (folder / name).write_text(picture)
                names.append(name)
    return names


def write(folder):
    """From raw.json in the folder; returns what a person wants to see at once."""
    raw = json.loads((folder / "raw.json").read_text())
    (folder / "report.md").write_text(markdown(raw, write_plots(raw, folder)))
    return "\n\n".join(text for text in (target_table(raw), case_table(raw)) if text)


SUMMARY_PROXIES = ["ringmain", "ringmain-epoll", "nutcracker", cases.SMALL_MBUFS, "haproxy",
                   "forwarder-shared"]
SUMMARY_AGAINST = ["nutcracker", cases.SMALL_MBUFS]


def summary_rows(raw, figure, divisor, digits, wanted):
    """The proxies beside each other; ratios are medians of those of the rounds, and their spread."""
    measured = {case["name"]: case for case in raw["cases"]}
    for name in wanted:
        if name not in measured:
            continue
        found = medians(measured[name])
        values = [found.get(one, {}).get(figure) for one in SUMMARY_PROXIES]
        compared = [spread(ratios(measured[name], figure, one)) for one in SUMMARY_AGAINST]
        yield [name, *("" if value is None else number(value / divisor, digits)
                       for value in values),
               *(f"{middle} ({around})" if around else middle for middle, around in compared)]


def summary(raw):
    """CPU time of some cases, and what else counts, the proxies beside each other."""
    head = [*SUMMARY_PROXIES, *(f"ringmain / {one}" for one in SUMMARY_AGAINST)]
    tables = [table([title, *head], rows) for title, *what in cases.SUMMARY
              if (rows := list(summary_rows(raw, *what)))]
    return "\n\n".join(tables)


def main():
    words = sys.argv[1:]
    if not words or words[1:] not in ([], ["--summary"]):
        sys.exit("usage: perf/lab/report.py RAW.json [--summary]")
    path = pathlib.Path(words[0])
    if not path.is_file():
        sys.exit(f"report: {path} is not there")
    if words[1:]:
        print(summary(json.loads(path.read_text())))
        return
    raw = json.loads(path.read_text())
    (path.parent / "report.md").write_text(markdown(raw, write_plots(raw, path.parent)))
    print("\n\n".join(text for text in (target_table(raw), case_table(raw)) if text))


if __name__ == "__main__":
    main()
