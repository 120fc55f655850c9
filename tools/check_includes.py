#!/usr/bin/env python3
"""Whoever says a name of the standard library includes its header, itself or through one of ours.

usage: check_includes.py [ROOT]     Prints file: name for each that is not included.

A compiler tells only what it does not see, and src/precompiled.h and files that are compiled several
at once hide much. So each of that file's headers is in PROVIDES, with the names that are said of it.
"""
import pathlib
import re
import sys

import tree

PROVIDES = {
    "algorithm": r"std::(ranges::)?((all|any|none)_of|(min|max|minmax)(_element)?|clamp|find(_if(_not)?)?"
                 r"|count(_if)?|copy(_n|_if|_backward)?|fill(_n)?|(stable_)?(sort|partition)|transform"
                 r"|equal(_range)?|mismatch|unique|replace(_if)?|remove_if|(lower|upper)_bound"
                 r"|binary_search|(push|pop|make)_heap|reverse|rotate|for_each|nth_element|is_sorted"
                 r"|adjacent_find|generate)\b[(<]",
    "array": r"std::(array|to_array)\b",
    "atomic": r"std::(atomic|memory_order)\w*",
    "bit": r"std::(rot[lr]|bit_(cast|ceil|floor|width)|has_single_bit|popcount|count[lr]_\w+|endian)\b",
    "charconv": r"std::((from|to)_chars|chars_format)\w*",
    "cstdint": r"\b(u?int(8|16|32|64|ptr)_t|U?INT(8|16|32|64)_(MAX|MIN|C)|SIZE_MAX)\b",
    "cstring": r"\b(mem(cpy|cmp|set|chr|move|mem)|str(len|error|r?chr|n?cmp|str))\(",
    "deque": r"std::deque\b",
    "functional": r"std::(function|reference_wrapper|c?ref|invoke|not_fn|bind_front|plus|minus|greater|equal_to)\b",
    "limits": r"std::numeric_limits\b",
    "memory": r"std::((unique|shared|weak)_ptr|make_(unique|shared)\w*|(construct|destroy)_at|addressof|uninitialized_\w+)\b",
    "optional": r"std::(optional|nullopt|make_optional)\b",
    "span": r"std::(span|dynamic_extent|as_(writable_)?bytes)\b",
    "string": r"std::(string\b(?!_)|to_string|getline|sto(i|l|ll|ul|ull|d))\b",
    "string_view": r"std::string_view\b",
    "unordered_map": r"std::unordered_(multi)?map\b",
    "unordered_set": r"std::unordered_(multi)?set\b",
    "utility": r"std::(exchange|cmp_\w+|forward|(make_)?(index|integer)_sequence|as_const|to_underlying|in_place(_type)?)\b",
    "variant": r"std::(variant|visit|get_if|holds_alternative|monostate|variant_size_v|variant_alternative_t)\b",
    "vector": r"std::vector\b",
}
# What has to include another one: string <- string_view.
BRINGS = {"string": {"string_view"}, "map": {"utility"}, "unordered_map": {"utility"},
          "cinttypes": {"cstdint"}}
FOLDERS = {"include", "src", "tests", "perf"}
PRECOMPILED = pathlib.PurePosixPath("src/precompiled.h")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]', re.MULTILINE)
SAID = {header: re.compile(names) for header, names in PROVIDES.items()}
NOT_CODE = re.compile(r'R"([^(\s]*)\(.*?\)\1"|//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"'
                      r"|'(?:\\.|[^'\\\n])'", re.DOTALL)


class Includes:
    """What each file sees of the standard library."""

    def __init__(self, root):
        self.root = root
        self.known = {}

    def of(self, name):
        if name not in self.known:
            self.known[name] = found = set()
            for bracket, target in INCLUDE.findall((self.root / name).read_text()):
                ours = tree.resolve(self.root, name, target) if bracket == '"' else None
                found |= self.of(ours) if ours else {target} | BRINGS.get(target, set())
        return self.known[name]


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
    includes = Includes(root)
    status = 0
    if (root / PRECOMPILED).is_file():
        hidden = {target for _, target in INCLUDE.findall((root / PRECOMPILED).read_text())}
        for header in sorted(hidden - set(PROVIDES)):
            print(f"{PRECOMPILED}: <{header}> is not in tools/check_includes.py")
            status = 1
    for name in tree.files(root):
        if name.suffix not in {".h", ".cc"} or name.parts[0] not in FOLDERS:
            continue
        code = NOT_CODE.sub(" ", INCLUDE.sub("", (root / name).read_text()))
        for header, names in SAID.items():
            said = names.search(code)
            if said and header not in includes.of(name):
                print(f"{name}: says {said[0]} and does not include <{header}>")
                status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
