"""
apt-get, either as the system has it or with sources of its own.

A private Apt reads package lists from a folder of build/cache: for another suite or another architecture than the
system's, from the very mirror that the system uses. No host is named here, and no file of the system is touched.
"""
import pathlib
import re
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


def lists_changed(architecture):
    """When the package lists of another architecture were fetched last, in seconds; 0 when they are not there."""
    lists = (CACHE / f"apt-{architecture}" / "lists").glob("*_Packages*")
    return max((file.stat().st_ctime for file in lists), default=0)


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
            self.fetch([word], place)
        except Failure:
            self.update()
            self.fetch([word], place)
        package = next(place.glob("*.deb"))
        package = package.rename(folder / package.name)
        place.rmdir()
        return package

    def fetch(self, words, place):
        """Downloads packages as the lists have them now; says nothing."""
        what = words[0] if len(words) == 1 else f"{len(words)} packages"
        run("apt-get", *self.words, "-q", "download", *words, quiet=True, cwd=place, what=f"fetching {what}")

    def closure(self, words):
        """{package: version} of these packages (not installed) and of all that they depend on."""
        text = answer("apt-get", *self.words, "-s", "--no-install-recommends", "install", *words)
        if text is None:
            raise Failure(f"apt finds no way to have {', '.join(words)}")
        return dict(re.findall(r"^Inst (\S+) \((\S+)", text, re.MULTILINE))

    def depends(self, package):
        """Names of the packages that the newest version of one depends on; of alternatives, the first."""
        shown = answer("apt-cache", *self.words, "show", "--no-all-versions", package) or ""
        found = re.search(r"^Depends: (.*)$", shown, re.MULTILINE)
        return [re.split(r"[ :|(]", one.strip())[0] for one in found.group(1).split(",")] if found else []

    def kernel_image(self):
        """The package that linux-image-arm64 stands for today; None when the lists do not have it."""
        return next((name for name in self.depends("linux-image-arm64") if name.startswith("linux-image-")), None)


def choose(tool, package, pin):
    """What to tell apt-get: the pinned version where the mirror still has it, else what it has, with a notice."""
    versions = tool.versions(package)
    if pin and pin in versions:
        return f"{package}={pin}"
    if pin and versions:
        say(f"{package}: version {pin} is gone from the mirror, taking {versions[0]}")
    return package
