"""One load against one proxy, and what it cost the proxy."""
import json
import os
import pathlib
import select
import shutil
import signal
import subprocess
import time

from rig import LabError

READY_TIMEOUT = 60.0
END_TIMEOUT = 40.0  # beyond the load's own time; it gives up by itself after 10 s without answers


def cpu_ns(pid):
    """CPU time of all threads that the process has or had, those of the kernel's ring included."""
    return time.clock_gettime_ns((~pid << 3) | 2)


def user_and_system_ticks(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]), int(fields[12])


def status_numbers(path, *names):
    lines = dict(line.split(":", 1) for line in path.read_text().splitlines() if ":" in line)
    return [int(lines[name].split()[0]) for name in names]


def switches(pid):
    voluntary = involuntary = 0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        try:
            numbers = status_numbers(task / "status", "voluntary_ctxt_switches",
                                     "nonvoluntary_ctxt_switches")
        except FileNotFoundError:  # the thread has just ended
            continue
        voluntary, involuntary = voluntary + numbers[0], involuntary + numbers[1]
    return voluntary, involuntary


class Snapshot:
    def __init__(self, proxy, servers):
        self.server_cpu = sum(cpu_ns(process.pid) for process in servers.processes)
        if proxy.process:
            pid = proxy.process.pid
            self.cpu = cpu_ns(pid)
            self.user, self.system = user_and_system_ticks(pid)
            self.voluntary, self.involuntary = switches(pid)


class LoadRun:
    """The load generator, connected and warm; go() lets it run and returns its figures."""

    def __init__(self, rig, proxy, case, seconds, rate=0.0):
        ports = ",".join(map(str, proxy.ports))
        # In an open loop `pipeline` is only the most that a client may have under way.
        pipeline = ["--rate", rate, "--pipeline", 64] if rate else []
        command = ["taskset", "-c", rig.load_cpus, rig.loadgen, "--ports", ports,
                   *case.load_arguments(), *pipeline, "--seconds", seconds, "--warmup", 0.1,
                   "--attended", "yes"]
        self.proxy, self.seconds = proxy, seconds
        self.child = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
        try:
            if self.line(READY_TIMEOUT) != "ready":
                raise LabError(f"the load on {proxy.name} is not ready: {self.error()}")
        except BaseException:
            self.kill()
            raise

    def line(self, timeout):
        if not select.select([self.child.stdout], [], [], timeout)[0]:
            self.kill()
            raise LabError(f"the load on {self.proxy.name} did not end in time")
        return self.child.stdout.readline().decode().strip()

    def error(self):
        self.child.stdin.close()
        self.child.wait(10)
        return self.child.stderr.read().decode("utf-8", "replace").strip()

    def go(self):
        self.child.stdin.write(b"go\n")
        line = self.line(self.seconds + END_TIMEOUT)
        if not line:
            error = self.error()
            if self.proxy.process:
                self.proxy.process.require_alive()
            raise LabError(f"the load on {self.proxy.name} failed: {error}")
        return json.loads(line)

    def end(self):
        self.child.stdin.close()
        self.child.wait(20)
        for pipe in (self.child.stdout, self.child.stderr):
            pipe.close()

    def kill(self):
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait(10)


def measure(rig, proxy, case, seconds, rate=0.0):
    """All figures of one run; those of the proxy per request, in microseconds."""
    servers = rig.servers_for(case)
    run = LoadRun(rig, proxy, case, seconds, rate)
    try:
        before = Snapshot(proxy, servers)
        load = run.go()
        after = Snapshot(proxy, servers)
        memory = [None, None]
        if proxy.process:
            memory = status_numbers(pathlib.Path(f"/proc/{proxy.process.pid}/status"), "VmRSS",
                                    "VmHWM")
        run.end()
    finally:
        run.kill()
    servers.require_alive()
    figures = {name: load[name] for name in ("requests", "seconds", "rate", "p50_us", "p99_us",
                                             "p999_us", "max_us")}
    requests = load["requests"]
    figures["load_us"] = load["cpu_us_per_request"]
    figures["servers_us"] = (after.server_cpu - before.server_cpu) / 1e3 / requests
    if not proxy.process:
        return figures
    proxy.process.require_alive()
    cpu = (after.cpu - before.cpu) / 1e3 / requests
    user, system = after.user - before.user, after.system - before.system
    share = user / (user + system) if user + system else 0.0
    figures.update({
        "cpu_us": cpu, "user_us": cpu * share, "system_us": cpu * (1 - share),
        "busy": (after.cpu - before.cpu) / 1e9 / load["seconds"],
        "voluntary_switches": (after.voluntary - before.voluntary) / requests,
        "involuntary_switches": (after.involuntary - before.involuntary) / requests,
        "rss_kib": memory[0], "peak_kib": memory[1]})
    return figures


SYSCALL_EVENT = "raw_syscalls:sys_enter"


def counted_syscalls(output):
    """The count in what perf stat wrote; None where there is none."""
    for line in output.splitlines():
        if "sys_enter" in line and line.split(",")[0].isdigit():
            return int(line.split(",")[0])
    return None


def why_no_syscalls():
    """Why system calls cannot be counted here; an empty text: they can."""
    if not shutil.which("perf"):
        return "perf is not there (tools/install --for perf)"
    try:
        done = subprocess.run(["perf", "stat", "-x", ",", "-e", SYSCALL_EVENT, "true"],
                              capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"perf does not run: {error}"
    if counted_syscalls(done.stderr) is not None:
        return ""
    lines = [" ".join(line.split()) for line in done.stderr.splitlines() if line.strip()]
    told = [line.removeprefix("Error:").strip() for line in lines]
    # What stands in the line of the error, or in the one behind it.
    errors = [told[i] or " ".join(told[i + 1:i + 2]) for i, line in enumerate(lines)
              if line.startswith("Error:")]
    reason = (errors or told or [f"it ends with status {done.returncode}"])[0]
    return f"perf cannot count here: {reason}"


class SyscallCounter:
    """perf stat on one process, switched on and off from here."""

    def __init__(self, pid):
        control_read, self.control = os.pipe()
        self.answers, answer_write = os.pipe()
        command = ["perf", "stat", "-x", ",", "-e", SYSCALL_EVENT, "-p", str(pid), "-D", "-1",
                   "--control", f"fd:{control_read},{answer_write}"]
        self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                      stderr=subprocess.PIPE, pass_fds=(control_read, answer_write))
        os.close(control_read)
        os.close(answer_write)

    def tell(self, word):
        try:
            os.write(self.control, f"{word}\n".encode())
        except BrokenPipeError:
            return False
        ready = select.select([self.answers], [], [], 10)[0]
        return bool(ready) and os.read(self.answers, 16).startswith(b"ack")

    def result(self):
        """The count, or None where perf cannot count."""
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGINT)
        try:
            output = self.child.communicate(timeout=10)[1].decode("utf-8", "replace")
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait(10)
            return None
        finally:
            os.close(self.control)
            os.close(self.answers)
        return counted_syscalls(output)


def count_syscalls(rig, proxy, case, seconds, rate=0.0):
    """System calls per request, in a run of its own since counting costs time; None: unknown."""
    if not proxy.process or not shutil.which("perf"):
        return None
    run = LoadRun(rig, proxy, case, seconds, rate)
    try:
        counter = SyscallCounter(proxy.process.pid)
        try:
            counted = counter.tell("enable")
            load = run.go()
            counted = counted and counter.tell("disable")
        finally:
            count = counter.result()
        run.end()
    finally:
        run.kill()
    return count / load["requests"] if counted and count is not None else None

