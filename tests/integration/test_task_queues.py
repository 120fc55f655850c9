"""Task queues of others over three servers, with their workers: Celery, RQ, Sidekiq.

`tools/install --for applications` installs them; what is not there is skipped.
"""
import os
import pathlib
import shutil
import sys
import unittest

from harness import FOLDER, Process, RedisCase, main, needs_several_servers, wait_for
from test_real_clients import needs, run

APPLICATIONS = FOLDER / "applications"
PACKAGES = pathlib.Path("/usr/lib/python3/dist-packages")
NAMESPACE = pathlib.Path("/usr/share/rubygems-integration/all/specifications")


def needs_python(package):
    present = (PACKAGES / package).is_dir()
    return unittest.skipUnless(present, f"no {package}: tools/install --for applications")


needs_namespace = unittest.skipUnless(any(NAMESPACE.glob("redis-namespace-*.gemspec")),
                                      "no redis-namespace: tools/install --for applications")


class Worker(Process):
    """A worker in the applications' folder, ended as its kind is ended by hand."""

    def __init__(self, name, command, port, options=()):
        super().__init__(name)
        self.environment = {**os.environ, "RINGMAIN_TEST_PORT": str(port), "PYTHONPATH":
                            str(APPLICATIONS), "PYTHONDONTWRITEBYTECODE": "1", **dict(options)}
        self.spawn(command, self.environment)

    def stop(self):
        status = self.halt()
        log = self.log()
        self.remove()
        if status != 0:
            raise AssertionError(f"{self.name} stopped with status {status}; its log:\n{log}")


class TaskQueue(RedisCase):
    def worker(self, name, command, **options):
        return self.use(Worker(name, command, self.proxy.port(), options))

    def check(self, *command):
        environment = {**os.environ, "RINGMAIN_TEST_PORT": str(self.proxy.port()),
                       "PYTHONPATH": str(APPLICATIONS), "PYTHONDONTWRITEBYTECODE": "1"}
        try:
            run(self, command, 120, env=environment)
        except BaseException:
            for fixture in self.own_fixtures:
                print(f"--- log of {fixture.name}\n{fixture.log()}---", file=sys.stderr)
            raise

    def said(self, worker, *words):
        """Whether its log has any of these."""
        log = worker.log(200_000)
        return [line for line in log.splitlines() if any(word in line for word in words)]


class Celery(TaskQueue):
    @needs("celery")
    @needs_python("celery")
    def test_a_worker_and_its_tasks(self):
        worker = self.worker("celery", ["/usr/bin/python3", "-m", "celery", "-A", "celery_app", "worker",
                                        "--pool=threads", "--concurrency=4", "--loglevel=INFO"])
        wait_for(lambda: worker.require_alive() and "ready." in worker.log(), "celery is ready",
                 timeout=60)
        self.check("/usr/bin/python3", APPLICATIONS / "celery_check.py")
        self.assertEqual(self.said(worker, "CROSSSLOT", "ringmain: ", "ConnectionError",
                                   "ResponseError", "broker lost"), [])


class Rq(TaskQueue):
    # All its keys begin with "rq:", and a hash tag is what makes them one server's: what stands
    # between "r" and ":" in all of them is "q".
    pool_options = {"hash_tag": "r:"}

    @needs("rq")
    @needs_python("rq")
    def test_workers_and_their_jobs(self):
        workers = [self.worker(f"rq{number}", [
            "rq", "worker", "--url", f"redis://127.0.0.1:{self.proxy.port()}/0", "--name",
            f"worker{number}", "--with-scheduler", "high", "low"]) for number in range(2)]
        self.check("/usr/bin/python3", APPLICATIONS / "rq_check.py", self.proxy.port())
        for worker in workers:
            self.assertEqual(self.said(worker, "CROSSSLOT", "ringmain: ", "ConnectionError"), [])


class Sidekiq(TaskQueue):
    @needs("sidekiq")
    @needs_namespace
    def test_a_process_and_its_jobs(self):
        worker = self.worker("sidekiq", ["sidekiq", "-r", APPLICATIONS / "sidekiq_app.rb", "-c",
                                         "5", "-q", "critical", "-q", "default"])
        self.check("ruby", APPLICATIONS / "sidekiq_check.rb")
        self.assertEqual(self.said(worker, "CROSSSLOT", "ERR ", "Error fetching"), [])


if __name__ == "__main__":
    main()
