# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A virtual machine with SELinux enforcing: Debian 12 with its selinux-policy-default, from Debian's packages.

qemu emulates the processor (TCG), so the machine runs everywhere, but in minutes instead of seconds.
"""
from __future__ import annotations

import hashlib
import os
import shutil
import sys
from pathlib import Path

from . import support, system
from .command import ROOT, STATE, as_root, exit_code, output, run, say

RECIPE = ROOT / "tests" / "enforcing" / "image"
PEOPLE = ROOT / "tests" / "lab" / "people.sh"
SUITE = "bookworm"
# The host's name in tests/support.yml.
HOST = "Debian 12; refpolicy, enforcing"
DIRECTORY = STATE / "enforcing"
SIZE = "3G"
CONTEXTS = "/etc/selinux/default/contexts/files/file_contexts"


def test() -> None:
    """Build the machine's disk if it is missing or out of date, and run the tests on it."""
    system.require({
        "qemu-system-x86_64": "qemu-system-x86", "mmdebstrap": "mmdebstrap", "mke2fs": "e2fsprogs",
        "ssh-keygen": "openssh-client",
    })  # fmt: skip
    if not is_built():
        build()
    variables = {**os.environ, "ENFORCING_MACHINE": str(DIRECTORY)}
    run(sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/enforcing", env=variables)
    support.record(ROOT, HOST)
    say("passed, and noted in tests/support.yml: run `./dev docs`, and commit both if this is a release")


def digest() -> str:
    """Return a hash of the disk's sources."""
    sources = [*sorted(RECIPE.iterdir()), PEOPLE, Path(__file__)]
    return hashlib.sha256(b"".join(path.name.encode() + path.read_bytes() for path in sources)).hexdigest()[:16]


def is_built() -> bool:
    """Return whether the disk exists and was built from the current sources."""
    recipe = DIRECTORY / "recipe"
    return recipe.exists() and recipe.read_text() == digest()


def build() -> None:
    """Build the kernel, the initial RAM disk, the disk, and the key that opens the account `deploy`."""
    say("building the disk of a virtual machine from Debian's packages (some minutes)")
    shutil.rmtree(DIRECTORY, ignore_errors=True)
    DIRECTORY.mkdir(parents=True)
    key, root, disk = DIRECTORY / "key", DIRECTORY / "root", DIRECTORY / "disk"
    output("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ada@laptop", "-f", key)
    public_key = key.with_suffix(".pub").read_text().strip()
    packages = ",".join((RECIPE / "packages.txt").read_text().split())
    try:
        run(*as_root(
            "mmdebstrap", "--quiet", "--variant=minbase", f"--include={packages}",
            f"--customize-hook=copy-in {RECIPE / 'customize.sh'} {PEOPLE} /root",
            f"--customize-hook=chroot \"$1\" env KEY='{public_key}' sh /root/customize.sh",
            # This would replace /etc/machine-id, without the label that customize.sh has set.
            "--skip=cleanup/reproducible",
            SUITE, root,
        ))  # fmt: skip
        for name, pattern in (("kernel", "vmlinuz-*"), ("initrd", "initrd.img-*")):
            shutil.copyfile(next((root / "boot").glob(pattern)), DIRECTORY / name)
        run(*as_root("mke2fs", "-q", "-t", "ext4", "-d", root, disk, SIZE))
    finally:
        run(*as_root("rm", "-rf", root))
    (DIRECTORY / "recipe").write_text(digest())


if __name__ == "__main__":
    sys.exit(exit_code(test))
