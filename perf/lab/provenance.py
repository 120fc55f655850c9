"""What a run was made with: the machine, the build, versions, and the command line."""
import datetime
import gzip
import json
import os
import pathlib
import platform
import re
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def output_of(*command, **environment):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, cwd=ROOT,
                              env={**os.environ, **environment})
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (done.stdout or done.stderr).strip()


def read(path):
    try:
        return pathlib.Path(path).read_text()
    except OSError:
        return ""


def irq_time_accounting():
    """Whether the kernel keeps the time of interrupts out of processes' CPU time; None: unknown."""
    try:
        config = gzip.open("/proc/config.gz", "rt").read()
    except OSError:
        config = read(f"/boot/config-{platform.release()}")
    return "\nCONFIG_IRQ_TIME_ACCOUNTING=y" in config if config else None


def machine():
    model = re.search(r"model name\s*: (.*)", read("/proc/cpuinfo"))
    memory = re.search(r"MemTotal:\s+(\d+)", read("/proc/meminfo"))
    return {
        "cpu": model.group(1) if model else platform.machine(),
        "cpus": os.cpu_count(),
        "memory_gib": round(int(memory.group(1)) / 2**20, 1) if memory else None,
        "kernel": platform.release(),
        "virtualization": output_of("systemd-detect-virt") or "unknown",
        "governor": read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").strip(),
        "congestion_control": read("/proc/sys/net/ipv4/tcp_congestion_control").strip(),
        "irq_time_accounting": irq_time_accounting(),
        "load_average_before": os.getloadavg()[0],
    }


def build_facts(build):
    facts = {}
    info = build / "meson-info"
    compiler = re.search(r"C\+\+ compiler for the host machine: .*?\((\S+ \S+)",
                         read(build / "meson-logs" / "meson-log.txt"))
    if compiler:
        facts["compiler"] = compiler.group(1)
    if (info / "intro-buildoptions.json").exists():
        options = {option["name"]: option["value"]
                   for option in json.loads(read(info / "intro-buildoptions.json"))}
        facts.update({name: options[name] for name in ("buildtype", "b_lto", "b_pgo")
                      if name in options})
    return facts


def versions():
    def first(*command):
        return (output_of(*command).splitlines() or [""])[0]

    return {
        "nutcracker": first("nutcracker", "-V"),
        "haproxy": first("haproxy", "-v"),
        "redis": first("redis-server", "--version"),
        "memcached": first("memcached", "-V"),
        "python": platform.python_version(),
    }


def command_line():
    """The program and its arguments; of a path that is not below ours only the last part."""
    def without_place(word):
        name, equals, value = word.rpartition("=")
        path = pathlib.Path(value)
        if not path.is_absolute():
            return word
        inside = path.is_relative_to(ROOT)
        return name + equals + (str(path.relative_to(ROOT)) if inside else path.name)

    program = pathlib.Path(sys.argv[0]).name
    return shlex.join(["perf/lab/" + program, *map(without_place, sys.argv[1:])])


def facts_of(build):
    """What a run begins with, now."""
    return {"command": command_line(),
            "date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
            "machine": machine(), "commit": output_of("git", "rev-parse", "HEAD"),
            "changed": bool(output_of("git", "status", "--porcelain", "--untracked-files=no")),
            "build": build_facts(build)}


def results_folder(date, name):
    return ROOT / "perf" / "results" / f"{date[:10]}-{name}"


def write_results(name, raw, text, options):
    """NAME.json and NAME.md, to where --save or --out say."""
    folder = options.out or options.build / "lab"
    if options.save:
        folder = results_folder(raw["date"], options.save)
    folder.mkdir(parents=True, exist_ok=True)
    # One line per run, so that a person can read it and git can compare it.
    lines = re.sub(r"\{[^{}\[\]]*\}", lambda found: " ".join(found.group().split()),
                   json.dumps(raw, indent=1))
    (folder / f"{name}.json").write_text(lines + "\n")
    (folder / f"{name}.md").write_text(text)
    print(text)
