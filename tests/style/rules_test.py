"""The checks of house rules find what they are for: each is run on a small tree with one fault."""
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

TOOLS = pathlib.Path(__file__).resolve().parents[2] / "tools"
HEADER = "// ringmain/{layer}/{name}.h - a thing.\n\n#pragma once\n\n"


class Tree(unittest.TestCase):
    script = ""

    def run_on(self, files, *arguments):
        """Exit status and output of the script on a tree of these files."""
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            for name, text in files.items():
                path = root / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            command = [sys.executable, TOOLS / self.script, root]
            command += [str(argument).replace("ROOT", folder) for argument in arguments]
            done = subprocess.run(command, capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    def assert_found(self, files, message):
        status, output = self.run_on(files)
        self.assertEqual(status, 1, output)
        self.assertIn(message, output)

    def assert_clean(self, files):
        status, output = self.run_on(files)
        self.assertEqual((status, output), (0, ""))


class CheckErrors(Tree):
    script = "check_errors.py"
    table = {"src/config/errors.def": 'LINE("-ERR it is {} and known", "why", "what")\n',
             "tests/unit/core/seen_errors.cc": 'elsewhere[] = {"said by a {}"};',
             "tests/unit/core/other.cc": '"said by a server"'}

    def test_texts_of_the_table_are_right(self):
        self.assert_clean({**self.table, "src/core/a.cc": 'refuse("it is " + x + " and known");\n'
                           'error("-ERR it is one and known\\r\\n"); // error("not this one")\n'
                           'tell("a text for the log");\n'})

    def test_other_texts_are_found(self):
        for line in ('refuse("it is not " "known");', 'error("-ERR it is unknown\\r\\n");',
                     'x = a ? "-NOPERM you may not" : "";', '*why = "for a " + reason;'):
            self.assert_found({**self.table, "src/core/a.cc": line}, "src/core/a.cc: not in")

    def test_what_no_suite_says_is_found(self):
        self.assert_found({**self.table, "tests/unit/core/other.cc": '"nothing"'},
                          "no other test has: said by a {}")


class CheckLayers(Tree):
    script = "check_layers.py"

    def test_a_layer_may_include_what_lies_below_it(self):
        self.assert_clean({"src/core/a.cc": '#include "ringmain/resp/b.h"\n#include "a.h"\n'})

    def test_a_layer_may_not_include_what_lies_above_it(self):
        self.assert_found({"src/buffer/a.cc": '\n#include "ringmain/core/b.h"\n'},
                          "src/buffer/a.cc:2: buffer may not include core")

    def test_neighbours_may_not_include_each_other(self):
        self.assert_found({"include/ringmain/core/a.h": '#include "ringmain/uring/b.h"\n'},
                          "core may not include uring")

    def test_a_private_header_stays_in_its_layer(self):
        self.assert_found({"src/core/a.cc": '#include "src/resp/wire.h"\n'}, "private to resp")

    def test_a_unit_test_belongs_to_its_layer(self):
        self.assert_found({"tests/unit/resp/a_test.cc": '#include "ringmain/core/b.h"\n'},
                          "resp may not include core")

    def test_an_unknown_layer_is_named(self):
        self.assert_found({"src/core/a.cc": '#include "ringmain/corr/b.h"\n'}, "'corr'")

    def test_a_new_folder_must_be_given_its_place(self):
        self.assert_found({"src/extra/a.cc": '#include "ringmain/base/b.h"\n'}, "'extra'")

    def test_our_headers_are_not_included_with_brackets(self):
        self.assert_found({"src/core/a.cc": "#include <ringmain/worker/b.h>\n"}, "quotes")

    def test_a_path_does_not_climb(self):
        self.assert_found({"src/core/a.cc": '#include "../worker/b.h"\n'}, "leaves its folder")

    def test_fences_hold(self):
        for name, header in [
                ("src/worker/a.cc", "liburing.h"), ("src/main.cc", "liburing.h"),
                ("src/core/a.cc", "toml++/toml.h"), ("src/resp/a.cc", "sys/socket.h"),
                ("src/config/a.cc", "thread"), ("src/uring/a.cc", "mutex"),
                ("src/uring/ring.cc", "chrono"), ("src/base/a.cc", "ctime"),
                ("src/main.cc", "iostream"), ("src/config/a.cc", "fstream"),
                ("src/core/a.cc", "unistd.h"), ("src/core/a.cc", "doctest/doctest.h"),
                ("tests/unit/core/a_test.cc", "benchmark/benchmark.h"),
                ("tests/unit/core/a_test.cc", "liburing.h")]:
            with self.subTest(name=name, header=header):
                self.assert_found({name: f"#include <{header}>\n"}, f"{name}:1: <{header}>")

    def test_fences_have_a_gate(self):
        for name, header in [
                ("src/uring/a.cc", "liburing.h"), ("src/config/a.cc", "toml++/toml.h"),
                ("src/worker/a.cc", "thread"), ("src/main.cc", "thread"),
                ("src/worker/a.cc", "netdb.h"), ("src/uring/clock.cc", "ctime"),
                ("tests/unit/core/a_test.cc", "doctest/doctest.h"),
                ("perf/micro/core_bench.cc", "benchmark/benchmark.h")]:
            with self.subTest(name=name, header=header):
                self.assert_clean({name: f"#include <{header}>\n"})


class Tidy(Tree):
    script = "tidy.py"

    def header(self, text=""):
        return {"include/ringmain/core/a.h": HEADER.format(layer="core", name="a") + text}

    def test_a_plain_file_is_clean(self):
        self.assert_clean(self.header("struct A {};\n"))

    def test_a_header_says_what_it_is_for(self):
        self.assert_found({"src/core/a.h": "#pragma once\n"}, "a header opens with")

    def test_a_header_names_its_own_path(self):
        self.assert_found({"src/core/a.h": HEADER.format(layer="core", name="b")},
                          "a header opens with")

    def test_a_header_guards_itself(self):
        self.assert_found({"src/core/a.h": "// src/core/a.h - a thing.\n"}, "#pragma once")

    def test_a_file_has_an_end(self):
        self.assert_found({"src/core/a.cc": "int\n" * 601}, "601 lines, at most 600")
        self.assert_found(self.header("int\n" * 400), "at most 400")

    def test_a_line_has_an_end(self):
        self.assert_found({"src/core/a.cc": "x" * 101 + "\n"}, "a.cc:1: 101 columns")

    def test_white_space_is_in_order(self):
        self.assert_found({"src/core/a.cc": "int a; \n"}, "trailing white space")
        self.assert_found({"tools/run": "\ttrue\n"}, "tab")
        self.assert_found({"README.md": "text"}, "no newline at the end")

    def test_banned_words_are_found_and_replaced(self):
        for word in ["std::shared_ptr<int> a;", "std::function<void()> f;", "thread_local int a;",
                     "strcpy(a, b);", "std::mt19937 r;", "// FIXME", "// TODO: later",
                     "std::chrono::steady_clock::now();"]:
            with self.subTest(word=word):
                self.assert_found({"src/core/a.cc": word + "\n"}, "instead:")

    def test_one_file_reads_the_clock(self):
        self.assert_clean({"src/uring/clock.cc": "clock_gettime(CLOCK_MONOTONIC, &now);\n"})

    def test_an_issue_excuses_a_todo(self):
        self.assert_clean({"src/core/a.cc": "// TODO(#12): more\n"})


class CheckAlone(Tree):
    script = "check_alone.py"

    def check(self, text):
        name = "include/ringmain/core/a.h"
        return self.run_on({name: text}, "ROOT/cache", "c++")

    def test_a_complete_header_passes(self):
        status, output = self.check("#pragma once\n#include <string>\nstd::string a();\n")
        self.assertEqual(status, 0, output)

    def test_a_missing_include_is_found(self):
        status, output = self.check("#pragma once\nstd::string a();\n")
        self.assertEqual(status, 1, output)
        self.assertIn("include/ringmain/core/a.h does not compile alone", output)

    def test_a_header_may_be_included_twice(self):
        status, output = self.check("struct A {};\n")
        self.assertEqual(status, 1, output)

    def test_what_a_header_begins_with_is_compiled_with_it(self):
        once = "// A header.\n\n#pragma once\n\n"
        status, output = self.run_on(
            {"include/ringmain/core/a.h": once + '#include "ringmain/core/b.h"\n',
             "include/ringmain/core/b.h": once + "std::string b();\n"}, "ROOT/cache", "c++")
        self.assertEqual(status, 1, output)
        self.assertIn("1 files, 1 compiled, 1 failed", output)


class CheckAloneSince(unittest.TestCase):
    """What is looked at again after a commit in which all was in order."""

    before = {"src/core/a.h": "#pragma once\n#include <cstdint>\nusing Size = uint32_t;\nusing Count = uint8_t;\n",
              "src/core/b.cc": '#include "a.h"\nSize b() { return Count{1}; }\n'}

    def after(self, changes):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)

            def write(files):
                for name, text in files.items():
                    (root / name).parent.mkdir(parents=True, exist_ok=True)
                    (root / name).write_text(text)

            write(self.before)
            identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
            for command in (["init", "-q"], ["add", "."], [*identity, "commit", "-q", "-m", "all"]):
                subprocess.run(["git", "-C", folder, *command], check=True)
            write(changes)
            done = subprocess.run([sys.executable, TOOLS / "check_alone.py", root, root / "cache", "c++"],
                                  env={**os.environ, "RINGMAIN_CHECKED_COMMIT": "HEAD"},
                                  capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    def test_what_has_not_changed_is_not_compiled(self):
        self.assertIn("0 compiled", self.after({})[1])

    def test_a_header_that_gained_something_is_compiled_alone(self):
        more = self.before["src/core/a.h"].replace("8_t;", "8_t;  // few\nusing More = uint64_t;")
        self.assertIn("1 compiled, 0 failed", self.after({"src/core/a.h": more})[1])

    def test_who_includes_a_header_that_lost_something_is_compiled(self):
        moved = {"src/core/a.h": self.before["src/core/a.h"].replace("using Count = uint8_t;\n", ""),
                 "src/core/c.h": "#pragma once\n#include <cstdint>\nusing Count = uint8_t;\n"}
        status, output = self.after(moved)
        self.assertEqual(status, 1, output)
        self.assertIn("src/core/b.cc does not compile alone", output)


class CheckIncludes(Tree):
    script = "check_includes.py"

    def test_a_header_comes_itself_or_through_one_of_ours(self):
        self.assert_clean({"src/core/a.cc": '#include "b.h"\nstd::string_view a();\n',
                           "src/core/b.h": "#include <string>\nstd::string b();\n"})

    def test_a_missing_one_is_named(self):
        self.assert_found({"src/core/a.cc": "#include <string>\nstd::span<char> a();\n"},
                          "src/core/a.cc: says std::span and does not include <span>")

    def test_comments_and_texts_say_nothing(self):
        self.assert_clean({"src/core/a.cc": '// std::vector\nconst char* a = "std::span";\n'})

    def test_all_that_is_precompiled_is_known(self):
        self.assert_found({"src/precompiled.h": "#include <string>\n#include <regex>\n"},
                          "src/precompiled.h: <regex> is not in tools/check_includes.py")


if __name__ == "__main__":
    unittest.main()
