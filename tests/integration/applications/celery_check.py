"""What a user of Celery does, before a worker that runs. Exit status 0: all right."""
from celery import chain, chord, group

from celery_app import add, app, fail, third_time, total

WAIT = {"timeout": 30, "interval": 0.05}


def main():
    results = [add.delay(number, number) for number in range(60)]
    assert [result.get(**WAIT) for result in results] == [2 * number for number in range(60)]
    for priority in (0, 3, 6, 9):
        assert add.apply_async((priority, 1), priority=priority).get(**WAIT) == priority + 1
    assert group(add.s(number, 1) for number in range(20))().get(**WAIT) == list(range(1, 21))
    assert chain(add.s(1, 2), add.s(3), add.s(4))().get(**WAIT) == 10
    assert chord((add.s(number, number) for number in range(10)), total.s())().get(**WAIT) == 90
    assert add.apply_async((1, 1), countdown=0.3).get(**WAIT) == 2
    assert third_time.delay().get(**WAIT) == 2
    try:
        fail.delay().get(**WAIT)
        raise AssertionError("no error")
    except ValueError as error:
        assert str(error) == "on purpose"
    result = add.delay(1, 2)
    assert result.get(**WAIT) == 3 and result.successful()
    result.forget()

    # Broadcasts to workers, and their answers.
    answers = app.control.ping(timeout=2)
    assert [list(answer.values()) for answer in answers] == [[{"ok": "pong"}]], answers
    (active,) = app.control.inspect(timeout=2).active_queues().values()
    assert active[0]["name"] == "celery", active


if __name__ == "__main__":
    main()
