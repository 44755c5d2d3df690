import { AppError } from '@valetkey/sdk/core'
import { assertSafe, envName, missingIn, readConfig } from '../../server/index.ts'
import type { Io } from '../terminal/index.ts'
import { type Finding, fail, ok, warn } from './finding.ts'

const CHECK = 'configuration'

/** The settings of an authority, where they are at hand here: as `serve` would read them. Secrets are never shown. */
export function checkConfiguration(io: Io, file: string | undefined): Finding[] {
  if (file === undefined && io.env[envName('issuer')] === undefined)
    return [ok(CHECK, 'no settings of an authority here: this is not its machine')]
  try {
    const config = readConfig({ env: io.env, file })
    assertSafe(config)
    const missing = missingIn(config).map(sentence => warn(CHECK, sentence, 'Set it, if people need it.'))
    return [ok(CHECK, 'can be read and is safe for production'), ...missing]
  } catch (fault) {
    if (!(fault instanceof AppError)) throw fault
    return [fail(CHECK, fault.message, `docs/configuration.md describes ${fault.path ?? 'every setting'}.`)]
  }
}
