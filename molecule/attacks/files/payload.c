/*
 * Copyright: (c) 2026, the loginwatch founders
 * GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A library that an intruder loads into the processes of others (LD_PRELOAD, LD_AUDIT, LD_LIBRARY_PATH). In a
 * world-writable directory it records the uid of each process that has loaded it. It uses no headers, so a bare
 * compiler is enough.
 */
extern int open(const char *path, int flags, ...);
extern int close(int descriptor);
extern unsigned int geteuid(void);

#define WRITE_CREATE 0101 /* O_WRONLY | O_CREAT of Linux */

static void note(void)
{
	char path[] = "/var/tmp/loaded/uid-0000000000";
	unsigned int uid = geteuid();
	int digit;

	for (digit = sizeof(path) - 2; uid; uid /= 10)
		path[digit--] = '0' + uid % 10;
	close(open(path, WRITE_CREATE, 0644));
}

__attribute__((constructor)) static void loaded(void)
{
	note();
}

/* rtld-audit(7): without it the library is unloaded before its constructor has run. */
unsigned int la_version(unsigned int version)
{
	return version;
}
