import manifest from '../../../package.json' with { type: 'json' }
import { type Exported, hopsOf, sentenceOf, timeOf, uidOf } from './exported.ts'
import { plain } from './text.ts'

const LONGEST_NAME = 512
const LONGEST_VALUE = 1023

type Fields = Record<string, string | number | null | undefined>

/**
 * A record in the Common Event Format, version 0, on one line of at most so many bytes. Whatever a caller wrote stays
 * within the value that it is in: `|` and `\` are escaped in the header, `=` and `\` in values, and nothing that ends a
 * line is left. The arguments come last, so that it is they that are cut.
 */
export function toCef(exported: Exported, mostBytes: number): string {
  const { id, severity, fields } = describe(exported)
  const header = [
    'CEF:0',
    'Valet Key',
    'valetkey',
    manifest.version,
    id,
    sentenceOf(exported),
    String(severity),
  ].map((part, i) => (i === 0 ? part : escapeHeader(part)))
  const { place } = exported
  const extension: Fields = {
    rt: timeOf(exported),
    externalId: uidOf(exported),
    ...numbered('cs6', 'log', place.log),
    ...numbered('cn1', 'logIndex', place.index),
    ...numbered('cs5', 'leafHash', place.leafHash),
    ...fields,
  }
  const pairs = Object.entries(extension)
    .filter(([, value]) => value !== null && value !== undefined && value !== '')
    .map(([key, value]) => `${key}=${escapeValue(String(value))}`)
  return cutLine(`${header.join('|')}|${pairs.join(' ')}`, mostBytes)
}

/** Never within a character, nor between an escape and what it escapes. */
function cutLine(line: string, mostBytes: number): string {
  const bytes = Buffer.from(line)
  if (bytes.length <= mostBytes) return line
  const kept = new TextDecoder().decode(bytes.subarray(0, mostBytes - 3)).replace(/\ufffd$/, '')
  const [escapes = ''] = /\\*$/.exec(kept) ?? []
  return escapes.length % 2 === 1 ? kept.slice(0, -1) : kept
}

function describe(exported: Exported): { id: string; severity: number; fields: Fields } {
  if (exported.kind === 'alert' || exported.kind === 'change') {
    const { type, actor, target, detail } = exported.change
    const isAlert = exported.kind === 'alert'
    const kind = detail['kind']
    return {
      id: type,
      severity: isAlert ? 8 : 3,
      fields: {
        cat: isAlert && typeof kind === 'string' ? kind : exported.kind,
        suid: actor,
        duid: target,
        msg: JSON.stringify(detail),
      },
    }
  }
  const { call } = exported
  const isDenied = call !== null && call.decision !== 'permit'
  const end =
    exported.kind === 'outcome'
      ? { ...numbered('cn2', 'durationMs', exported.outcome.durationMs), reason: exported.outcome.outcome }
      : { reason: call?.reason }
  const isFailed = exported.kind === 'outcome' ? exported.outcome.outcome !== 'ok' : isDenied
  return {
    id: exported.kind === 'outcome' ? 'call.outcome' : `call.${call?.decision}`,
    severity: isDenied ? 6 : isFailed ? 4 : 2,
    fields: {
      cat: 'call',
      act: isDenied ? (call.enforced ? 'deny' : 'observe') : 'allow',
      outcome: isFailed ? 'failure' : 'success',
      ...end,
      suser: call?.person,
      suid: call?.agent,
      request: call?.resource,
      requestMethod: call?.method,
      dvchost: call?.server,
      ...numbered('cs1', 'agent', call?.agentName),
      ...numbered('cs2', 'tool', call?.tool),
      ...numbered('cs3', 'grant', call?.grant),
      ...numbered('cs4', 'delegations', call?.chain.join(' ')),
      ...numbered('flexString1', 'forwarded', call && hopsOf(call).join(' ')),
      ...numbered('flexString2', 'legs', call?.legs),
      msg: call && call.arguments !== null ? JSON.stringify(call.arguments) : null,
    },
  }
}

/** A field of one's own, with the label that says what it is; neither where there is nothing to say. */
function numbered(field: string, label: string, value: string | number | null | undefined): Fields {
  return value === null || value === undefined || value === ''
    ? {}
    : { [`${field}Label`]: label, [field]: value }
}

function escapeHeader(text: string): string {
  return plain(text, LONGEST_NAME).replaceAll(/[\\|]/g, character => `\\${character}`)
}

function escapeValue(text: string): string {
  return plain(text, LONGEST_VALUE).replaceAll(/[\\=]/g, character => `\\${character}`)
}
