"""The files of the tree, for the checks in this folder."""
import pathlib
import subprocess

# Where files lie when git cannot be asked (an unpacked archive).
FOLDERS = ["include", "src", "tests", "perf", "tools", "conf", "subprojects", ".ci"]
TOP = ["meson.build", "meson_options.txt", "README.md"]
NOT_OURS = {"node_modules", "__pycache__"}


def files(root):
    """Tracked files and new ones that are not ignored, sorted, as paths relative to root."""
    root = pathlib.Path(root)
    names = from_git(root)
    if names is None:
        names = from_disk(root)
    return sorted(name for name in map(pathlib.PurePosixPath, names) if (root / name).is_file())


def resolve(root, name, target):
    """Which of our files `name` means when it includes "target"; None when it is none of ours."""
    for folder in (name.parent, pathlib.PurePosixPath("include"), pathlib.PurePosixPath(".")):
        if (root / folder / target).is_file():
            return folder / target
    return None


def from_git(root):
    if not (root / ".git").exists():
        return None
    listing = subprocess.run(
        ["git", "-c", "safe.directory=*", "-C", root, "ls-files", "-z", "--cached", "--others",
         "--exclude-standard"],
        capture_output=True, text=True, check=True)
    return set(filter(None, listing.stdout.split("\0")))


def from_disk(root):
    inside = (path for folder in FOLDERS for path in (root / folder).rglob("*"))
    return TOP + [
        path.relative_to(root).as_posix() for path in inside if not NOT_OURS & set(path.parts)
    ]
