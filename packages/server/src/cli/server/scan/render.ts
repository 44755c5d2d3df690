import { Document, type Pair, type Scalar, type YAMLMap } from 'yaml'
import type { MapName } from '../../../policy/index.ts'
import { printable, toYaml } from '../../terminal/index.ts'
import type { Proposal, ProposedRule } from './propose.ts'

const MAPS: readonly MapName[] = ['tools', 'resources', 'prompts', 'methods']
const REMARK_LENGTH = 100

/** Writes a proposal as a policy file; remarks say what the server says of each thing. */
export function renderProposal(server: { name: string; url: string }, proposal: Proposal): string {
  const document = new Document({
    version: 1,
    permissions: Object.fromEntries(proposal.permissions.map(({ slug, ...rest }) => [slug, rest])),
    roles: Object.fromEntries(proposal.roles.map(({ slug, ...rest }) => [slug, rest])),
    servers: { [server.name]: { url: server.url, ...mapsOf(proposal.rules) } },
  })
  document.commentBefore = ` What ${printable(server.name)} offers, as "valetkey server scan" saw it. Read it, then: valetkey apply -f FILE`
  for (const rule of proposal.rules) {
    const remark = printable(rule.remark.split('\n')[0] ?? '').slice(0, REMARK_LENGTH)
    const map = document.getIn(['servers', server.name, rule.map]) as YAMLMap
    const pair = map.items.find(item => (item.key as Scalar).value === rule.name) as Pair<Scalar> | undefined
    if (pair && remark) pair.key.commentBefore = ` ${remark}`
    const input = document.getIn(['servers', server.name, rule.map, rule.name, 'input']) as
      | YAMLMap
      | undefined
    if (input) input.flow = true
  }
  return toYaml(document, { lineWidth: 110, flowCollectionPadding: true })
}

function mapsOf(rules: readonly ProposedRule[]): Partial<Record<MapName, Record<string, unknown>>> {
  const maps: Partial<Record<MapName, Record<string, unknown>>> = {}
  for (const map of MAPS) {
    const entries = rules
      .filter(rule => rule.map === map)
      .map(({ name, map: _, remark: __, ...rule }) => [name, rule] as const)
    if (entries.length > 0) maps[map] = Object.fromEntries(entries)
  }
  return maps
}
