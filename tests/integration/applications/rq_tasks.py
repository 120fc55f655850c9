"""What RQ's workers run."""


def double(number):
    return 2 * number


def fail():
    raise ValueError("on purpose")


def total(*numbers):
    return sum(numbers)
