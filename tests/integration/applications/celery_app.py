"""A Celery application; RINGMAIN_TEST_PORT says where its broker and its results are.

Kombu moves messages between lists within transactions, so its keys have a common hash tag. A
result's key is also the channel that tells of it; a chord's three keys have a tag of their own.
"""
import os

from celery import Celery
from celery.backends.redis import RedisBackend

URL = f"redis://127.0.0.1:{os.environ['RINGMAIN_TEST_PORT']}/0"


class Results(RedisBackend):
    group_keyprefix = "{taskset}-"


app = Celery("ringmain", broker=URL, backend=f"celery_app:Results+{URL}")
app.conf.update(
    broker_transport_options={"global_keyprefix": "{celery}", "queue_order_strategy": "priority"},
    task_default_priority=3, worker_prefetch_multiplier=1, result_expires=600,
    broker_connection_retry_on_startup=True)


@app.task
def add(a, b):
    return a + b


@app.task
def total(numbers):
    return sum(numbers)


@app.task
def fail():
    raise ValueError("on purpose")


@app.task(bind=True, max_retries=5, default_retry_delay=0.1)
def third_time(self):
    if self.request.retries < 2:
        raise self.retry(countdown=0.1)
    return self.request.retries
