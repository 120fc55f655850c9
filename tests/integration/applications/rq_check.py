"""What a user of RQ does, before workers that run: `rq_check.py PORT`. Exit status 0: all right."""
import datetime
import sys
import time

from redis import Redis
from rq import Queue, Retry, Worker
from rq.job import Job, JobStatus

import rq_tasks


def until(condition, what, seconds=40):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not in time: {what}"
        time.sleep(0.05)


def main():
    client = Redis(port=int(sys.argv[1]))
    high, low = Queue("high", connection=client), Queue("low", connection=client)
    until(lambda: Worker.count(connection=client) == 2, "workers are registered")
    jobs = [(high, low)[number % 2].enqueue(rq_tasks.double, number) for number in range(24)]
    done = lambda job: job.get_status(refresh=True) == JobStatus.FINISHED
    until(lambda: all(done(job) for job in jobs), "all jobs are finished")
    assert [job.result for job in Job.fetch_many([job.id for job in jobs], client)] == \
        [2 * number for number in range(24)]

    first = low.enqueue(rq_tasks.double, 1)
    second = high.enqueue(rq_tasks.total, 1, 2, depends_on=[first])
    until(lambda: done(second), "a job that depends on another")
    delayed = low.enqueue_in(datetime.timedelta(seconds=1), rq_tasks.double, 21)
    failing = low.enqueue(rq_tasks.fail, retry=Retry(max=2))
    until(lambda: failing.get_status(refresh=True) == JobStatus.FAILED, "a job that fails")
    until(lambda: failing.id in low.failed_job_registry, "it is registered")
    until(lambda: done(delayed), "a job that is delayed")
    canceled = low.enqueue_in(datetime.timedelta(hours=1), rq_tasks.double, 1)
    canceled.cancel()
    assert canceled.id in low.canceled_job_registry
    assert low.failed_job_registry.count == 1
    low.failed_job_registry.requeue(failing)
    until(lambda: low.failed_job_registry.count == 1, "it fails again")
    assert high.count == 0 and low.count == 0
    assert len(high.finished_job_registry) == 13, len(high.finished_job_registry)
    first.delete()
    low.empty()
    assert not Job.exists(first.id, connection=client)


if __name__ == "__main__":
    main()
