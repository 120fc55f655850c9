"""Runs a command that gets EPERM from io_uring_setup, as in a container that forbids it.

    without_io_uring.py COMMAND ARGUMENT...
"""
import ctypes
import os
import sys

IO_URING_SETUP = 425  # on every architecture
LOAD_NUMBER, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
REFUSE, ALLOW = 0x00050000 | 1, 0x7FFF0000  # errno 1 is EPERM
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2


class Instruction(ctypes.Structure):
    _fields_ = [("code", ctypes.c_uint16), ("if_true", ctypes.c_uint8),
                ("if_false", ctypes.c_uint8), ("operand", ctypes.c_uint32)]


class Program(ctypes.Structure):
    _fields_ = [("size", ctypes.c_uint16), ("instructions", ctypes.POINTER(Instruction))]


def forbid():
    rows = (Instruction * 4)(
        Instruction(LOAD_NUMBER, 0, 0, 0), Instruction(JUMP_IF_EQUAL, 0, 1, IO_URING_SETUP),
        Instruction(RETURN, 0, 0, REFUSE), Instruction(RETURN, 0, 0, ALLOW))
    program = Program(len(rows), rows)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "no_new_privs")
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program)) != 0:
        raise OSError(ctypes.get_errno(), "seccomp")


if __name__ == "__main__":
    forbid()
    os.execvp(sys.argv[1], sys.argv[1:])
