# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Debian images of the test servers: systemd, sshd and Python, and nothing of this project.

The recipe is molecule/images/. If a container registry can be reached, the images are based on its Debian.
Otherwise mmdebstrap builds them from Debian's packages.
"""
from __future__ import annotations

import hashlib
import subprocess
import tempfile
from pathlib import Path

from . import engine, system
from .command import ROOT, Failure, as_root, exclusive, output, run, say, succeeds

RECIPE = ROOT / "molecule" / "images"
RELEASES = {"debian11": ("11", "bullseye"), "debian12": ("12", "bookworm"), "debian13": ("13", "trixie")}
LABEL = "loginwatch.recipe"
PULL_SECONDS = 60


def prepare() -> None:
    """Install what Molecule needs on this machine: the SSH clients and the images. One process at a time."""
    with exclusive("prepare"):
        system.require({"ssh": "openssh-client", "rsync": "rsync", "git": "git", "sshpass": "sshpass", "cc": "gcc"})
        ensure()


def ensure() -> None:
    """Build the images that are missing or were built from another recipe."""
    engine.ensure()
    for name in RELEASES:
        if recipe_of(reference(name)) != digest():
            build(name)


def reference(name: str) -> str:
    """Return the image's name for Docker."""
    return f"loginwatch/{name}"


def digest() -> str:
    """Return a hash of the recipe."""
    text = b"".join(path.name.encode() + path.read_bytes() for path in sorted(RECIPE.iterdir()))
    return hashlib.sha256(text).hexdigest()[:16]


def recipe_of(image: str) -> str:
    """Return the digest of the recipe that an image was built from, or an empty text if there is no such image."""
    try:
        return output("docker", "image", "inspect", "--format", f'{{{{index .Config.Labels "{LABEL}"}}}}', image)
    except Failure:
        return ""


def build(name: str) -> None:
    """Build one image, from a registry's Debian or from Debian's packages."""
    version, suite = RELEASES[name]
    base = f"debian:{version}"
    if succeeds("docker", "image", "inspect", base) or succeeds("docker", "pull", base, timeout=PULL_SECONDS):
        say(f"building the image {reference(name)} upon {base}")
        run("docker", "build", "--quiet", "--tag", reference(name), "--label", f"{LABEL}={digest()}",
            "--build-arg", f"BASE={base}", RECIPE)  # fmt: skip
    else:
        say(f"building the image {reference(name)} from Debian's packages (no container registry; about a minute)")
        bootstrap(name, suite)


def bootstrap(name: str, suite: str) -> None:
    """Make a root file system with mmdebstrap and import it as an image."""
    system.require({"mmdebstrap": "mmdebstrap"})
    if not Path("/usr/share/keyrings/debian-archive-keyring.gpg").exists():
        system.install("debian-archive-keyring")
    packages = ",".join((RECIPE / "packages.txt").read_text().split())
    with tempfile.TemporaryDirectory(prefix="loginwatch-image-") as directory:
        archive = Path(directory) / "root.tar"
        run(*as_root(
            "mmdebstrap", "--quiet", "--variant=minbase", f"--include={packages}",
            f"--customize-hook=copy-in {RECIPE / 'customize.sh'} /root",
            '--customize-hook=chroot "$1" sh /root/customize.sh',
            suite, archive,
        ))  # fmt: skip
        run("docker", "import", "--change", f"LABEL {LABEL}={digest()}", "--change", 'CMD ["/sbin/init"]',
            archive, reference(name), stdout=subprocess.DEVNULL)  # fmt: skip
