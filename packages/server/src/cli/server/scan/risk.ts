import type { Risk } from '@valetkey/sdk/core'

const VERBS: Record<Risk, readonly string[]> = {
  read: [
    ...[
      'get',
      'list',
      'search',
      'read',
      'find',
      'fetch',
      'query',
      'show',
      'view',
      'describe',
      'count',
      'check',
      'lookup',
    ],
    ...[
      'browse',
      'inspect',
      'preview',
      'status',
      'stat',
      'help',
      'echo',
      'ping',
      'explain',
      'summarize',
      'compare',
      'tree',
    ],
  ],
  write: [
    ...[
      'create',
      'update',
      'send',
      'write',
      'add',
      'set',
      'edit',
      'put',
      'post',
      'insert',
      'append',
      'upload',
      'save',
    ],
    ...[
      'rename',
      'move',
      'copy',
      'assign',
      'comment',
      'reply',
      'tag',
      'label',
      'mark',
      'open',
      'close',
      'start',
      'invite',
    ],
    ...[
      'book',
      'schedule',
      'subscribe',
      'unsubscribe',
      'import',
      'sync',
      'enable',
      'archive',
      'restore',
      'make',
      'toggle',
    ],
  ],
  dangerous: [
    ...[
      'delete',
      'remove',
      'refund',
      'transfer',
      'deploy',
      'exec',
      'execute',
      'run',
      'drop',
      'purge',
      'destroy',
      'kill',
    ],
    ...[
      'pay',
      'charge',
      'withdraw',
      'approve',
      'grant',
      'revoke',
      'reset',
      'disable',
      'terminate',
      'shutdown',
      'stop',
    ],
    ...[
      'publish',
      'release',
      'merge',
      'rollback',
      'wipe',
      'erase',
      'format',
      'eval',
      'install',
      'uninstall',
      'export',
    ],
  ],
}
const BY_VERB = new Map(
  (Object.keys(VERBS) as Risk[]).flatMap(risk => VERBS[risk].map(verb => [verb, risk] as const)),
)
const ORDER: readonly Risk[] = ['read', 'write', 'dangerous']

/**
 * How much harm a tool can do, by its name and by what the server says of it. What a server says of itself can raise
 * the risk and never make it harmless: a name that says nothing is dangerous, at best a write.
 */
export function riskOf(name: string, annotations: Record<string, unknown> | null): Risk {
  const named = riskByName(name)
  if (named === undefined) return says(annotations, 'readOnlyHint', true) ? 'write' : 'dangerous'
  const claimed = riskByAnnotations(annotations)
  return ORDER.indexOf(claimed) > ORDER.indexOf(named) ? claimed : named
}

/** The first verb in a name, and those joined to it: `create_or_delete_user` deletes. */
function riskByName(name: string): Risk | undefined {
  const words = name
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z0-9]+/)
  const first = words.findIndex(word => BY_VERB.has(word))
  const joined = words.filter((_, at) => at > first && /^(and|or|then)$/.test(words[at - 1] ?? ''))
  const risks = [words[first] ?? '', ...joined]
    .map(word => BY_VERB.get(word))
    .filter(risk => risk !== undefined)
  return risks.toSorted((a, b) => ORDER.indexOf(b) - ORDER.indexOf(a))[0]
}

function riskByAnnotations(annotations: Record<string, unknown> | null): Risk {
  if (says(annotations, 'destructiveHint', true) && !says(annotations, 'readOnlyHint', true))
    return 'dangerous'
  return says(annotations, 'readOnlyHint', false) ? 'write' : 'read'
}

function says(annotations: Record<string, unknown> | null, hint: string, value: boolean): boolean {
  return annotations?.[hint] === value
}
