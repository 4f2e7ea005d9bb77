"""Builds whose sources somebody may change meanwhile: an editor, a pull."""
import contextlib
import os
import time

from tools.common import BUILD, ROOT


SOURCES = (".c", ".h", ".S", ".ld", ".cmake", "CMakeLists.txt", "CMakePresets.json")


def changed_since(moment, root):
    """The sources of a tree that were written after that moment."""
    found = []
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name != ".git" and os.path.join(folder, name) != str(BUILD)]
        paths = (os.path.join(folder, name) for name in files if name.endswith(SOURCES))
        for path in paths:
            with contextlib.suppress(FileNotFoundError):  # an editor's, gone by now
                if os.lstat(path).st_mtime > moment:
                    found.append(path)
    return found


def settled(build, root=ROOT):
    """
    Runs build() until no source has changed meanwhile. Before version 1.12 Ninja takes an object for new whose source was
    changed while it was compiled, and never makes it again: some objects are of one state of a header then, and others of
    another. So what has changed becomes newer than every object, and is built once more.
    """
    while True:
        begun = time.time()
        build()
        changed = changed_since(begun, root)
        if not changed:
            return
        for path in changed:
            with contextlib.suppress(FileNotFoundError):
                os.utime(path)
