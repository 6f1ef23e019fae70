#!/usr/bin/env python3
"""No two definitions of one function: the linker takes either of them for both, without a word.

  one_definition.py BUILD_FOLDER

Looks at the symbols of all static libraries: a function of tierhub that two object files define, or that one defines
and another has inline. Functions of one file belong into an anonymous namespace; the others need names of their own.
"""
import collections
import glob
import subprocess
import sys


def definitions(nm_output):
    """(name, kind, object file) of each function that `nm -C` prints: T is a definition, W an inline one."""
    file = ""
    for line in nm_output.splitlines():
        if line.endswith(":"):
            file = line[:-1]
        words = line.split(" ", 2)
        if len(words) == 3 and words[1] in "TW" and "tierhub::" in words[2]:
            yield words[2], words[1], file


def clashes(found):
    places = collections.defaultdict(set)
    for name, kind, file in found:
        places[name].add((kind, file))
    for name, those in sorted(places.items()):
        strong = [one for one in those if one[0] == "T"]
        if len(strong) > 1 or (strong and len(those) > len(strong)):
            yield name, sorted(those)


def check_itself():
    bait = """a.o:
0000000000000000 T tierhub::join(int)
0000000000000000 W tierhub::once()
0000000000000010 T tierhub::alone()

b.o:
0000000000000000 W tierhub::join(int)
0000000000000000 W tierhub::once()
0000000000000000 T tierhub::twice()

c.o:
0000000000000000 T tierhub::twice()
"""
    assert [name for name, _ in clashes(definitions(bait))] == ["tierhub::join(int)", "tierhub::twice()"]


def main():
    check_itself()
    libraries = sorted(glob.glob(sys.argv[1] + "/**/*.a", recursive=True))
    found = []
    for library in libraries:
        output = subprocess.run(["nm", "-C", "--defined-only", library], capture_output=True, text=True, check=True)
        short = library.rsplit("/", 1)[1]
        found += [(name, kind, f"{short}({file})") for name, kind, file in definitions(output.stdout)]
    wrong = list(clashes(found))
    for name, those in wrong:
        print(f"{name} is defined in", " and in ".join(file for _, file in those))
    print(f"{len(libraries)} libraries, {len(found)} functions, {len(wrong)} defined more than once")
    if len(libraries) < 20 or len(found) < 5000:
        sys.exit("these are not all libraries: build everything first")
    sys.exit(1 if wrong else 0)


main()
