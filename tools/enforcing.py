# Copyright: (c) 2026, the loginwatch founders
# SPDX-License-Identifier: GPL-3.0-or-later
"""A virtual machine whose kernel enforces SELinux: Debian 12 with its selinux-policy-default, from Debian's packages.

qemu emulates the processor (TCG), so that it runs on every machine, in minutes instead of seconds.
"""
from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from . import environment, support, system
from .command import ROOT, STATE, as_root, output, run, say

RECIPE = ROOT / "tests" / "enforcing" / "image"
PEOPLE = ROOT / "tests" / "lab" / "people.sh"
SUITE = "bookworm"
# Its name in tests/support.yml.
HOST = "Debian 12; refpolicy, enforcing"
DIRECTORY = STATE / "enforcing"
SIZE = "3G"
CONTEXTS = "/etc/selinux/default/contexts/files/file_contexts"


def test() -> None:
    """Build the machine's disk, if need be, and run the tests on it."""
    system.require({
        "qemu-system-x86_64": "qemu-system-x86", "mmdebstrap": "mmdebstrap", "mke2fs": "e2fsprogs",
        "ssh-keygen": "openssh-client",
    })  # fmt: skip
    environment.link_collection()
    if not is_built():
        build()
    variables = {**environment.variables(), "PYTHONPATH": f"{environment.COLLECTIONS}:{ROOT}"}
    variables["ENFORCING_MACHINE"] = str(DIRECTORY)
    program = environment.program("python")
    run(program, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/enforcing", env=variables)
    support.record(ROOT, HOST)
    say("passed, and noted in tests/support.yml: run `./dev docs`, and commit both if this is a release")


def digest() -> str:
    """Return a hash of what the disk is made from."""
    sources = [*sorted(RECIPE.iterdir()), PEOPLE, Path(__file__)]
    return hashlib.sha256(b"".join(path.name.encode() + path.read_bytes() for path in sources)).hexdigest()[:16]


def is_built() -> bool:
    """Whether the disk is there and was made from this recipe."""
    recipe = DIRECTORY / "recipe"
    return recipe.exists() and recipe.read_text() == digest()


def build() -> None:
    """Make the kernel, the initial RAM disk, the disk, and the key that opens the account `deploy`."""
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
            # It would make /etc/machine-id anew, without the label that customize.sh has set.
            "--skip=cleanup/reproducible",
            SUITE, root,
        ))  # fmt: skip
        for name, pattern in (("kernel", "vmlinuz-*"), ("initrd", "initrd.img-*")):
            shutil.copyfile(next((root / "boot").glob(pattern)), DIRECTORY / name)
        run(*as_root("mke2fs", "-q", "-t", "ext4", "-d", root, disk, SIZE))
    finally:
        run(*as_root("rm", "-rf", root))
    (DIRECTORY / "recipe").write_text(digest())
