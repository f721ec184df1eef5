/**
 * A library of a few lines that is loaded before libc and makes fsync and fdatasync fail while a certain file exists. It spares
 * directories and files that begin with a zero, which are logs made ahead: without them a node could not even fill the log
 * that it has.
 */
import { spawnSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { temporaryDirectory } from './kindred-node.js'

const SOURCE = `
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
static int fails(int fd) {
  const char *file = getenv("FAIL_SYNC_WHILE");
  char first = 0;
  if (file == NULL || access(file, F_OK) != 0) return 0;
  return pread(fd, &first, 1, 0) == 1 && first != 0;
}
static int sync_by(const char *name, int fd) {
  if (fails(fd)) { errno = EIO; return -1; }
  return ((int (*)(int))dlsym(RTLD_NEXT, name))(fd);
}
int fsync(int fd) { return sync_by("fsync", fd); }
int fdatasync(int fd) { return sync_by("fdatasync", fd); }
`

export class FailingSync {
  /** What the process has to be started with. */
  readonly env: NodeJS.ProcessEnv
  readonly #flag: string

  /** It goes away with the test `t`. */
  constructor(t: Test) {
    const directory = temporaryDirectory(t)
    const [source, library, flag] = ['sync.c', 'sync.so', 'failing'].map((name) => join(directory, name))
    writeFileSync(source, SOURCE)
    const compiled = spawnSync('gcc', ['-shared', '-fPIC', '-o', library, source, '-ldl'])
    t.equal(compiled.status, 0, compiled.stderr.toString())
    this.env = { LD_PRELOAD: library, FAIL_SYNC_WHILE: flag }
    this.#flag = flag
  }

  /** For a test's `skip`. */
  static skip(): string | false {
    const compiler = spawnSync('gcc', ['--version']).status === 0
    return compiler ? false : 'there is no gcc to compile the failing fsync with'
  }

  fail(): void {
    writeFileSync(this.#flag, '')
  }

  heal(): void {
    rmSync(this.#flag)
  }
}
