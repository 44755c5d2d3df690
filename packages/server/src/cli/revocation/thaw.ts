import type { Command } from 'commander'
import type { Io } from '../terminal/index.ts'
import { registerVerb } from './freeze.ts'

/** Lets what was frozen be decided on again. */
export function register(program: Command, io: Io): void {
  registerVerb(program, io, 'thaw')
}
