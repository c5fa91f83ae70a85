import { type Environment, findExecutable } from './executables.ts'

/** What the child gets when its parent dies, however that happens. */
export type DeathSignal = 'INT' | 'TERM' | 'QUIT' | 'KILL'

/**
 * The command line that runs `command` so that it does not outlive this process, not even a SIGKILL of it. Linux's
 * `setpriv` has the kernel send the signal. Elsewhere (macOS, BusyBox) a shell beside the command looks once a second
 * whether this process still lives: `command` keeps the pid that was spawned either way.
 */
export function dieWithParent(
  env: Environment,
  signal: DeathSignal,
  command: string,
  args: readonly string[],
): [command: string, args: string[]] {
  const setpriv = process.platform === 'linux' ? findExecutable(env, 'setpriv') : undefined
  if (setpriv !== undefined) return [setpriv, ['--pdeathsig', signal, command, ...args]]
  // `kill -0` would take a parent of another user for a dead one.
  const alive = (pid: string) => `{ [ -d /proc/${pid} ] || ps -p ${pid}; }`
  const watch = `while ${alive(String(process.pid))} && ${alive('$$')}; do sleep 1; done; kill -${signal} $$`
  return ['/bin/sh', ['-c', `(${watch}) </dev/null >/dev/null 2>&1 & exec "$0" "$@"`, command, ...args]]
}
