"""Runs a command that may not use io_uring, as in a container that forbids it.

    without_io_uring.py COMMAND ARGUMENT...          each of its three calls gets EPERM
    without_io_uring.py --kill COMMAND ARGUMENT...   io_uring_setup ends the process
    without_io_uring.py --enter COMMAND ARGUMENT...  only io_uring_enter gets EPERM
    without_io_uring.py --register COMMAND ...       only io_uring_register gets EPERM
    without_io_uring.py --call NUMBER COMMAND ...    another call gets EPERM
"""
import ctypes
import os
import sys

IO_URING_SETUP, IO_URING_ENTER, IO_URING_REGISTER = 425, 426, 427  # on every architecture
LOAD_NUMBER, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
REFUSE, KILL, ALLOW = 0x00050000 | 1, 0x80000000, 0x7FFF0000  # errno 1 is EPERM
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2


class Instruction(ctypes.Structure):
    _fields_ = [("code", ctypes.c_uint16), ("if_true", ctypes.c_uint8),
                ("if_false", ctypes.c_uint8), ("operand", ctypes.c_uint32)]


class Program(ctypes.Structure):
    _fields_ = [("size", ctypes.c_uint16), ("instructions", ctypes.POINTER(Instruction))]


def forbid(answer_to_setup, answer_to_enter=REFUSE, answer_to_register=REFUSE):
    install(
        Instruction(LOAD_NUMBER, 0, 0, 0),
        Instruction(JUMP_IF_EQUAL, 3, 0, IO_URING_SETUP),
        Instruction(JUMP_IF_EQUAL, 3, 0, IO_URING_ENTER),
        Instruction(JUMP_IF_EQUAL, 3, 0, IO_URING_REGISTER),
        Instruction(RETURN, 0, 0, ALLOW),
        Instruction(RETURN, 0, 0, answer_to_setup),
        Instruction(RETURN, 0, 0, answer_to_enter),
        Instruction(RETURN, 0, 0, answer_to_register))


def install(*instructions):
    rows = (Instruction * len(instructions))(*instructions)
    program = Program(len(rows), rows)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "no_new_privs")
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program)) != 0:
        raise OSError(ctypes.get_errno(), "seccomp")


def forbid_call(number):
    install(
        Instruction(LOAD_NUMBER, 0, 0, 0),
        Instruction(JUMP_IF_EQUAL, 0, 1, number),
        Instruction(RETURN, 0, 0, REFUSE),
        Instruction(RETURN, 0, 0, ALLOW))


if __name__ == "__main__":
    words = sys.argv[1:]
    if words[0] == "--call":
        forbid_call(int(words[1]))
        os.execvp(words[2], words[2:])
    what = {"--kill": (KILL,), "--enter": (ALLOW, REFUSE, ALLOW),
            "--register": (ALLOW, ALLOW, REFUSE)}.get(words[0])
    forbid(*(what or (REFUSE,)))
    words = words[1:] if what else words
    os.execvp(words[0], words)
