import { spawnSync } from 'node:child_process'
import { cpus } from 'node:os'

/**
 * Keeps processes on one core, where the system can do that, so that who is measured does not share its core with who
 * makes the load. Says whether it could.
 */
export function pin(pids: readonly number[], core: number): boolean {
  if (cpus().length <= core) return false
  return pids.every(pid => spawnSync('taskset', ['-a', '-c', '-p', String(core), String(pid)]).status === 0)
}

/** Lets a process, with all its threads, have only what the others leave, where the system can do that. Says whether it could. */
export function stepBack(pid: number): boolean {
  return spawnSync('chrt', ['--all-tasks', '--idle', '--pid', '0', String(pid)]).status === 0
}
