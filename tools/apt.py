"""
apt-get, either as the system has it or with sources of its own.

A private Apt reads package lists from a folder of build/cache: for another suite or another architecture than the
system's, from the very mirror that the system uses. No host is named here, and no file of the system is touched.
"""
import pathlib
import shutil

from tools.common import CACHE, Failure, answer, run, say

KEYRING = pathlib.Path("/usr/share/keyrings/debian-archive-keyring.gpg")

SETTINGS = """\
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "{folder}/sources";
Dir::State::lists "{folder}/lists";
Dir::Cache "{folder}/cache";
Dir::Etc::preferences "{folder}/preferences";
APT::Keep-Downloaded-Packages "false";
APT::Sandbox::User "root";
"""
# QEMU and the packages that belong to it come from there, nothing else does.
BACKPORTS = """\
Package: qemu-*
Pin: release n={codename}-backports
Pin-Priority: 990
"""
FOREIGN = """\
APT::Architecture "{architecture}";
APT::Architectures {{ "{architecture}"; }};
Dir::State::status "{folder}/status";
"""


def mirror(codename):
    """Where apt gets this release from, as it is configured on this machine."""
    targets = answer("apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME)") or ""
    for line in targets.splitlines():
        uri, _, name = line.partition(" ")
        if name == codename:
            return uri
    return configured(codename)


def configured(codename):
    """The same from the sources themselves: before the first `apt-get update`, apt knows no codenames."""
    targets = answer("apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)") or ""
    for line in targets.splitlines():
        uri, _, name = line.partition(" ")
        if name in (codename, "stable", "oldstable"):
            return uri
    raise Failure(f"apt has no source for {codename} configured, so nothing can be installed")


class Apt:
    def __init__(self, prefix, settings=None):
        self.prefix, self.settings = prefix, settings
        self.is_private = settings is not None
        self.words = ["-c", str(settings)] if settings else []

    @classmethod
    def system(cls, prefix):
        return cls(prefix)

    @classmethod
    def private(cls, codename, architecture=None, prefix=None):
        """For packages of another architecture; or, without one, for this machine with QEMU from the backports."""
        folder = CACHE / f"apt-{architecture or 'backports'}"
        for part in ("sources", "lists/partial", "cache/archives/partial"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        (folder / "status").touch()
        uri, trust = mirror(codename), f"[signed-by={KEYRING}] " if KEYRING.exists() else ""
        suites = [codename] if architecture else [codename, f"{codename}-backports"]
        lines = "".join(f"deb {trust}{uri} {suite} main\n" for suite in suites)
        (folder / "sources" / "baton.list").write_text(lines)
        (folder / "preferences").write_text("" if architecture else BACKPORTS.format(codename=codename))
        text = SETTINGS + (FOREIGN if architecture else "")
        settings = folder / "apt.conf"
        settings.write_text(text.format(folder=folder, architecture=architecture))
        return cls(prefix, settings)

    def update(self):
        say("apt-get update")
        # Lists of our own need no rights.
        prefix = [] if self.is_private else self.prefix or []
        run(*prefix, "apt-get", *self.words, "-q", "update", quiet=True)

    def has_lists(self):
        return bool(self.versions("libc6-dev"))

    def ready(self):
        """Package lists are there; those of the system only as far as there are rights to fetch them."""
        if not self.has_lists() and (self.is_private or self.prefix is not None):
            self.update()

    def versions(self, package):
        lines = (answer("apt-cache", *self.words, "madison", package) or "").splitlines()
        return [line.split("|")[1].strip() for line in lines if line.count("|") >= 2]

    def install_command(self, words):
        return ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", *self.words, "-q", "-o", "Dpkg::Use-Pty=0",
                "install", "-y", "--no-install-recommends", *words]

    def install(self, choose_words):
        """Installs what choose_words() says; asks again after an update, when the lists proved to be out of date."""
        try:
            run(*self.prefix, *self.install_command(choose_words()))
        except Failure:
            say("that failed; package lists may be out of date: trying once more with fresh ones")
            self.update()
            run(*self.prefix, *self.install_command(choose_words()), what="apt-get install")

    def download(self, word, folder):
        """Downloads a package to a folder; returns the file."""
        place = folder / "download"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        try:
            run("apt-get", *self.words, "-q", "download", word, quiet=True, cwd=place)
        except Failure:
            self.update()
            run("apt-get", *self.words, "-q", "download", word, quiet=True, cwd=place, what=f"fetching {word}")
        package = next(place.glob("*.deb"))
        package = package.rename(folder / package.name)
        place.rmdir()
        return package


def choose(tool, package, pin):
    """What to tell apt-get: the pinned version where the mirror still has it, else what it has, with a notice."""
    versions = tool.versions(package)
    if pin and pin in versions:
        return f"{package}={pin}"
    if pin and versions:
        say(f"{package}: version {pin} is gone from the mirror, taking {versions[0]}")
    return package
