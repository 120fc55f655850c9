"""The soak of tools/soak.py in short: random faults, and nothing is left of them."""
import os
import subprocess
import sys
import unittest

from harness import BINARY, FOLDER, main, needs_ringmain, seeded_random


@needs_ringmain
class Soak(unittest.TestCase):
    def test_in_short(self):
        if not BINARY:
            self.skipTest("RINGMAIN names no binary")
        seed = seeded_random("soak").randrange(1_000_000)
        done = subprocess.run(
            [sys.executable, FOLDER.parent.parent / "tools/soak.py", "--seconds", "25",
             "--seed", str(seed), "--rate", "1500", "--binary", os.path.abspath(BINARY)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stdout[-6000:])
        self.assertIn("all is well", done.stdout)


if __name__ == "__main__":
    main()
