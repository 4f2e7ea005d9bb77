"""
A cpio archive in the form "newc", which a kernel unpacks to its first file system. Written here, because the cpio program takes
device files only from a folder that has them, which only root can make.
"""
import os
import stat


class Archive:
    HEADER = "070701" + "%08X" * 13

    def __init__(self):
        self.parts, self.folders, self.inode = [], {""}, 0

    def entry(self, name, mode, content=b"", device=(0, 0)):
        self.inode += 1
        label = name.encode() + b"\0"
        head = self.HEADER % (self.inode, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(label), 0)
        self.parts += [self.padded(head.encode() + label), self.padded(content)]

    @staticmethod
    def padded(data):
        return data + bytes(-len(data) % 4)

    def folder(self, name):
        """Each folder once, and after the one that it is in."""
        if name not in self.folders:
            self.folders.add(name)
            self.folder(os.path.dirname(name))
            self.entry(name, stat.S_IFDIR | 0o755)

    def file(self, name, content, mode=0o755):
        self.folder(os.path.dirname(name))
        self.entry(name, stat.S_IFREG | mode, content)

    def link(self, name, target):
        self.folder(os.path.dirname(name))
        self.entry(name, stat.S_IFLNK | 0o777, target.encode())

    def device(self, name, major, minor):
        self.folder(os.path.dirname(name))
        self.entry(name, stat.S_IFCHR | 0o600, device=(major, minor))

    def bytes(self):
        self.entry("TRAILER!!!", 0)
        return b"".join(self.parts)
