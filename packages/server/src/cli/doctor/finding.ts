/** What a check found, and what to do about it. */
export interface Finding {
  check: string
  /** `warn` works and should not stay so; `fail` does not work, or not safely. */
  status: 'ok' | 'warn' | 'fail'
  found: string
  /** What to do; empty where nothing is to be done. */
  fix: string
}

export function ok(check: string, found: string): Finding {
  return { check, status: 'ok', found, fix: '' }
}

export function warn(check: string, found: string, fix: string): Finding {
  return { check, status: 'warn', found, fix }
}

export function fail(check: string, found: string, fix: string): Finding {
  return { check, status: 'fail', found, fix }
}
