# Copyright: (c) 2026, the loginwatch founders
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Directories, text files and one Python package, kept as described in a single call.

A role could do the same with C(file), C(copy) and a loop, at the price of three or four round trips a file: some
hundred for a first deployment. Here the wanted state travels once and the host does the comparing.

Nothing here ends the module: trouble is raised as L(Trouble), whose text names the mend.
"""

import grp
import json
import os
import shutil
import stat
import tempfile

# Runs below the interpreter that will import the package, which need not be the one that runs this module.
# Validation by time stamp (PEP 552) on purpose: importlib looks at the source's stat result in every mode, so the
# hash-based modes save nothing at import, "unchecked" would hide an edited file, and Python 3.6 knows only this one.
BYTE_COMPILE = r"""
import importlib.util, json, os, py_compile, struct, sys
directory, check, renew = sys.argv[1], sys.argv[2] == 'check', sys.argv[3] == 'renew'
current, stale = [], []
for name in sorted(os.listdir(directory)):
    if not name.endswith('.py'):
        continue
    source = os.path.join(directory, name)
    target = importlib.util.cache_from_source(source)
    current.append(os.path.basename(target))
    status = os.stat(source)
    times = struct.pack('<LL', int(status.st_mtime) & 0xFFFFFFFF, status.st_size & 0xFFFFFFFF)
    flags = b'' if sys.version_info < (3, 7) else struct.pack('<L', 0)
    wanted = importlib.util.MAGIC_NUMBER + flags + times
    try:
        with open(target, 'rb') as stream:
            found = stream.read(len(wanted))
    except OSError:
        found = None
    if found != wanted or renew:
        stale.append(name)
        if not check:
            mode = {} if sys.version_info < (3, 7) else {
                'invalidation_mode': py_compile.PycInvalidationMode.TIMESTAMP}
            py_compile.compile(source, cfile=target, doraise=True, **mode)
print(json.dumps({'current': current, 'stale': stale}))
"""


class Trouble(Exception):
    """What hinders the wanted state, in words that name the mend."""


class InstalledFiles:
    """Bring a host's files to the wanted state and note what that changed.

    C(module) is the running AnsibleModule: its check mode is honoured, and its C(atomic_move) and
    C(set_fs_attributes_if_different) do the writing, so that SELinux contexts are those of the policy.
    """

    def __init__(self, module):
        self.module = module
        self.check_mode = module.check_mode
        self.changed_paths = []
        self.kept = []
        self.diff = []

    # ---- present ----

    def directory_present(self, wanted):
        """Make the directory, its missing parents (0755) too, and set owner, group and mode."""
        path = wanted['path']
        kind = _kind(path)
        if kind == 'absent':
            self._note(path, 'absent\n', 'directory %s\n' % wanted['mode'])
            if self.check_mode:
                return
            parent = os.path.dirname(path)
            if not os.path.isdir(parent):
                os.makedirs(parent, 0o755)
            # Nobody else may enter before owner and mode are right.
            os.mkdir(path, 0o700)
        elif kind != 'directory':
            raise Trouble('%s is a %s; a directory is wanted there. Remove it, then run again.' % (path, kind))
        self._set_attributes(path, wanted, created=kind == 'absent')

    def file_present(self, wanted, outline=False):
        """Write the file if its bytes differ, in one step, and set owner, group and mode. Return whether they differed.

        C(outline): of a new file, note the number of lines only.
        """
        path = wanted['path']
        kind = _kind(path)
        if kind not in ('absent', 'file', 'symbolic link'):
            raise Trouble('%s is a %s; a file is wanted there. Remove it, then run again.' % (path, kind))
        content = wanted['content'].encode('utf-8')
        before = _read(path) if kind == 'file' else b''
        if kind == 'file' and before == content:
            self._set_attributes(path, wanted)
            return False
        if outline and kind == 'absent':
            self._note(path, 'absent\n', 'file of %d lines\n' % wanted['content'].count('\n'))
        else:
            self._note(path, before.decode('utf-8', 'replace'), wanted['content'])
        if self.check_mode:
            return True
        parent = os.path.dirname(path)
        if not os.path.isdir(parent):
            os.makedirs(parent, 0o755)
        if kind == 'symbolic link':
            # atomic_move would take over the mode and context of the link's target.
            os.unlink(path)
        descriptor, temporary = tempfile.mkstemp(dir=self.module.tmpdir)
        with os.fdopen(descriptor, 'wb') as stream:
            stream.write(content)
        self.module.atomic_move(temporary, path)
        self._set_attributes(path, wanted, created=kind == 'absent')
        return True

    def package_present(self, package):
        """Install the package's modules, remove those of an earlier version, byte-compile for C(package['python'])."""
        path, modules = package['path'], package['modules']
        wrong = [name for name in modules if os.path.basename(name) != name or not name.endswith('.py')]
        if wrong:
            raise Trouble('Not the name of a module file: %s' % ', '.join(sorted(wrong)))
        attributes = {'owner': 'root', 'group': 'root', 'mode': '0755'}
        self.directory_present(dict(attributes, path=path))
        attributes['mode'] = '0644'
        renew = False
        for name in sorted(modules):
            wanted = dict(attributes, path=os.path.join(path, name), content=modules[name])
            renew = self.file_present(wanted, outline=True) or renew
        if os.path.isdir(path):
            for name in sorted(set(os.listdir(path)) - set(modules) - set(['__pycache__'])):
                self.absent(os.path.join(path, name))
            self._byte_compile(path, package['python'], renew)

    def _byte_compile(self, path, python, renew):
        if self.check_mode and (renew or not os.path.exists(python)):
            # The files that would be compiled are not there yet; their own change has been noted.
            return
        # -I -S -B: neither the environment nor a site directory has a say in what root runs here.
        command = [python, '-ISB', '-c', BYTE_COMPILE, path, 'check' if self.check_mode else 'write',
                   'renew' if renew else 'stale']
        code, out, err = self.module.run_command(command, umask=0o022)
        if code != 0:
            raise Trouble('%s can not byte-compile the package in %s: %s'
                          % (python, path, err.strip().splitlines()[-1] if err.strip() else 'exit code %d' % code))
        result = json.loads(out)
        cache = os.path.join(path, '__pycache__')
        if result['stale'] and not renew:
            self._note(cache, 'stale: %s\n' % ' '.join(result['stale']), 'byte-compiled by %s\n' % python)
        if not os.path.isdir(cache):
            return
        attributes = {'owner': 'root', 'group': 'root'}
        self._set_attributes(cache, dict(attributes, mode='0755'))
        for name in sorted(os.listdir(cache)):
            compiled = os.path.join(cache, name)
            if name in result['current']:
                self._set_attributes(compiled, dict(attributes, mode='0644'), created=renew)
            else:
                self.absent(compiled)

    # ---- absent ----

    def absent(self, path):
        """Remove a file, a link or a whole directory. The difference never shows what was in it."""
        kind = _kind(path)
        if kind == 'absent':
            return
        self._note(path, '%s\n' % kind, 'absent\n')
        if self.check_mode:
            return
        if kind == 'directory':
            shutil.rmtree(path)
        else:
            os.unlink(path)

    def directory_absent(self, unwanted):
        """Remove a directory with all it holds, unless a file waits in one of C(keep_while_filled)."""
        path = unwanted['path']
        filled = [name for name in unwanted.get('keep_while_filled') or [] if _holds_something(os.path.join(path, name))]
        if filled:
            self.kept.append(path)
        else:
            self.absent(path)

    # ---- both ----

    def _note(self, path, before, after):
        if path not in self.changed_paths:
            self.changed_paths.append(path)
        self.diff.append({'before_header': path, 'after_header': path, 'before': before, 'after': after})

    def _set_attributes(self, path, wanted, created=False):
        """Owner, group and mode; a change is noted unless the creation of the path was noted already."""
        attributes = dict(path=path, owner=wanted['owner'], group=wanted['group'], mode=wanted['mode'])
        diff = {}
        changed = False
        if self.check_mode and not _group_exists(attributes['group']):
            # A task before this one would have made the group.
            attributes['group'] = None
            changed = True
        arguments = self.module.load_file_common_arguments(attributes)
        changed = self.module.set_fs_attributes_if_different(arguments, changed, diff=diff)
        if changed and not created and path not in self.changed_paths:
            self._note(path, _state_text(diff.get('before')), _state_text(diff.get('after')))


def _kind(path):
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return 'absent'
    for test, name in ((stat.S_ISREG, 'file'), (stat.S_ISDIR, 'directory'), (stat.S_ISLNK, 'symbolic link')):
        if test(mode):
            return name
    return 'special file'


def _read(path):
    with open(path, 'rb') as stream:
        return stream.read()


def _holds_something(directory):
    try:
        return bool(os.listdir(directory))
    except OSError:
        return False


def _group_exists(name):
    try:
        grp.getgrnam(name)
    except KeyError:
        return False
    return True


def _state_text(state):
    return ''.join('%s: %s\n' % item for item in sorted((state or {}).items()) if item[0] != 'path')
