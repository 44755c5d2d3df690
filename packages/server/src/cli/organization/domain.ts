import type { AdminApi, Output } from '@valetkey/sdk/contract'
import type { Command } from 'commander'
import { addConfirmOptions, type ConfirmOptions, confirm } from '../confirm.ts'
import { findIdentityProvider } from '../find.ts'
import { addCommand, addGroup, allPages, type Session, withSession } from '../session.ts'
import type { Io, View } from '../terminal/index.ts'

type Domain = Output<AdminApi['domains']['claim']>

const view: View<Domain> = {
  kind: 'Domain',
  name: domain => domain.domain,
  columns: [
    { header: 'DOMAIN', value: domain => domain.domain },
    { header: 'STATUS', value: domain => domain.status },
    { header: 'BY', value: domain => domain.verifiedBy ?? '' },
    { header: 'PROVIDER', value: domain => domain.provider ?? '' },
    { header: 'RECORD', value: domain => domain.record.name, wide: true },
    { header: 'VALUE', value: domain => domain.record.value, wide: true },
    { header: 'CREATED', value: domain => ({ time: domain.createdAt }), wide: true },
  ],
}

/** Domains: whose addresses an organization's identity provider speaks for. */
export function register(program: Command, io: Io): void {
  const group = addGroup(program, 'domain', {
    summary: 'Domains: whose addresses an identity provider of the organization speaks for',
    examples: [
      ['valetkey domain claim northwind.dev --idp okta', 'says which TXT record proves it'],
      ['valetkey domain verify northwind.dev', 'looks for the record'],
    ],
  })
  addCommand(group, 'ls', {
    summary: 'List claimed and proved domains',
    examples: [
      ['valetkey domain ls', 'as a table'],
      ['valetkey domain ls -o wide', 'with the records'],
    ],
  }).action(withSession(io, list))
  addCommand(group, 'claim <domain>', {
    summary: 'Claim a domain; it counts once it is proved',
    examples: [
      ['valetkey domain claim northwind.dev --idp okta', 'its addresses lead to a provider'],
      ['valetkey domain claim northwind.dev', 'for later'],
    ],
  })
    .option('--idp <idp>', 'the provider that speaks for its addresses')
    .action(withSession(io, claim))
  addCommand(group, 'verify <domain>', {
    summary: 'Look for the TXT record that proves a domain',
    examples: [
      ['valetkey domain verify northwind.dev', 'asks DNS'],
      ['valetkey domain verify northwind.dev --trust', 'without: who runs this installation says so'],
    ],
  })
    .option('--trust', 'take it for proved; needs domain:trust')
    .action(withSession(io, verify))
  addCommand(group, 'set <domain>', {
    summary: 'Say which provider speaks for a domain',
    examples: [
      ['valetkey domain set northwind.dev --idp entra', 'another one'],
      ['valetkey domain set northwind.dev --idp none', 'none: people sign in here'],
    ],
  })
    .requiredOption('--idp <idp>', 'the provider, or none')
    .action(withSession(io, set))
  addConfirmOptions(
    addCommand(group, 'rm <domain>', {
      summary: 'Give a domain up',
      examples: [
        ['valetkey domain rm northwind.dev --yes', 'at once'],
        ['valetkey domain rm northwind.dev --dry-run', 'see what that touches'],
      ],
    }),
  ).action(withSession(io, remove))
}

async function list({ api, organization, print }: Session): Promise<void> {
  print.list(view, await allPages(page => api.domains.list({ ...page, ...organization })))
}

async function claim(session: Session, domain: string, { idp }: { idp?: string }): Promise<void> {
  const provider = idp === undefined ? undefined : (await findIdentityProvider(session, idp)).id
  const { api, organization, print } = session
  const claimed = await api.domains.claim({ ...organization, domain, provider })
  print.item(view, claimed)
  print.note(`Add to DNS: ${claimed.record.name} TXT "${claimed.record.value}"`)
  print.note(`Then: valetkey domain verify ${claimed.domain}`)
}

async function verify(
  { api, organization, print }: Session,
  domain: string,
  { trust }: { trust?: boolean },
): Promise<void> {
  const input = { ...organization, domain }
  print.item(view, await (trust ? api.domains.trust(input) : api.domains.verify(input)))
}

async function set(session: Session, domain: string, { idp }: { idp: string }): Promise<void> {
  const provider = idp === 'none' ? null : (await findIdentityProvider(session, idp)).id
  const { api, organization, print } = session
  print.item(view, await api.domains.update({ ...organization, domain, provider }))
}

async function remove(session: Session, domain: string, options: ConfirmOptions): Promise<void> {
  const { api, organization, print } = session
  const preview = [`Nobody speaks for addresses of ${domain} any more; who is linked already stays so.`]
  if (!(await confirm(session, { name: domain, preview }, options))) return
  print.item(view, await api.domains.remove({ ...organization, domain, reason: options.reason }))
}
