import type { AdminApi, Output } from '@valetkey/sdk/contract'
import { type Command, Option } from 'commander'
import { addConfirmOptions, type ConfirmOptions, confirm } from '../confirm.ts'
import { findIdentityProvider, findPerson } from '../find.ts'
import { readValue } from '../secret-file.ts'
import { addCommand, addGroup, allPages, type Session, withSession } from '../session.ts'
import { type Io, UsageError, type View } from '../terminal/index.ts'
import { registerGroupRoles } from './idp-roles.ts'
import {
  addOidcOptions,
  addSamlOptions,
  type OidcOptions,
  type Provider,
  type SamlOptions,
  toOidc,
  toSaml,
} from './idp-settings.ts'

type Link = Output<AdminApi['identityLinks']['list']>['items'][number]

const providerView: View<Provider> = {
  kind: 'IdentityProvider',
  name: provider => provider.name,
  columns: [
    { header: 'NAME', value: provider => provider.name },
    { header: 'TITLE', value: provider => provider.title },
    { header: 'KIND', value: provider => provider.kind },
    { header: 'STATUS', value: provider => provider.status },
    { header: 'AT', value: provider => provider.oidc?.issuer ?? provider.saml?.entityId ?? '' },
    { header: 'MAKES PEOPLE', value: provider => (provider.provisions ? 'yes' : 'no') },
    { header: 'ID', value: provider => provider.id },
    { header: 'REVOKES ON LOGOUT', value: provider => (provider.revokesOnLogout ? 'yes' : 'no'), wide: true },
    { header: 'SECRET', value: provider => (provider.hasSecret ? 'yes' : 'no'), wide: true },
    { header: 'CREATED', value: provider => ({ time: provider.createdAt }), wide: true },
    { header: 'ORGANIZATION', value: provider => provider.organization, wide: true },
  ],
}

const linkView: View<Link> = {
  kind: 'IdentityLink',
  name: link => link.id,
  columns: [
    { header: 'PERSON', value: link => link.personName },
    { header: 'SUBJECT', value: link => link.subject },
    { header: 'GROUPS', value: link => link.groups.join(', ') },
    { header: 'LAST USED', value: link => ({ time: link.lastUsedAt }) },
    { header: 'ID', value: link => link.id },
    { header: 'PROVIDER', value: link => link.provider, wide: true },
  ],
}

interface Settings extends OidcOptions, SamlOptions {
  title?: string
  status?: Provider['status']
  provisions?: boolean
  revokesOnLogout?: boolean
}

/** Identity providers: where people sign in beside here. */
export function register(program: Command, io: Io): void {
  const group = addGroup(program, 'idp', {
    summary: 'Identity providers: where the people of an organization sign in beside here',
    examples: [
      [
        'valetkey idp add okta --issuer https://northwind.okta.com --client-id 0oa1 --secret-file secret',
        'an OpenID provider',
      ],
      ['valetkey domain claim northwind.dev --idp okta', 'for the addresses of a domain'],
    ],
  })
  addCommand(group, 'ls', {
    summary: 'List identity providers',
    examples: [
      ['valetkey idp ls', 'as a table'],
      ['valetkey idp ls --json', 'with all settings'],
    ],
  }).action(withSession(io, list))
  addCommand(group, 'get <idp>', {
    summary: 'Show an identity provider, and what it has to be told of us',
    examples: [
      ['valetkey idp get okta', 'by name'],
      ['valetkey idp get okta --json', 'with all settings'],
    ],
  }).action(withSession(io, get))
  registerAdd(group, io)
  registerSet(group, io)
  registerGroupRoles(group, io)
  registerLinks(group, io)
}

function registerAdd(group: Command, io: Io): void {
  const command = addCommand(group, 'add <name>', {
    summary: 'Add an OpenID provider (--issuer) or a SAML one (--entity-id)',
    examples: [
      [
        'valetkey idp add okta --issuer https://northwind.okta.com --client-id 0oa1 --secret-file secret',
        'its client secret from a file; without --secret-file from the standard input',
      ],
      [
        'valetkey idp add adfs --entity-id https://adfs.northwind.dev/x --sso-url https://adfs.northwind.dev/sso --certificate adfs.pem',
        'by SAML',
      ],
    ],
  })
    .option('--issuer <url>', 'an OpenID provider, by its issuer')
    .option('--entity-id <id>', 'a SAML provider, by its entity id')
  addSamlOptions(addOidcOptions(addCommonOptions(command)))
    .option('--secret-file <file>', 'file that holds the client secret; else the standard input')
    .option('--public', 'the provider has given us no secret: PKCE alone protects the code')
    .action(withSession(io, add))
}

function registerSet(group: Command, io: Io): void {
  const command = addCommand(group, 'set <idp>', {
    summary: 'Change, disable or enable an identity provider',
    examples: [
      ['valetkey idp set okta --status disabled', 'ends its sessions and takes its roles at once'],
      ['valetkey idp set adfs --certificate old.pem --certificate new.pem', 'trust the next one, too'],
    ],
  }).addOption(new Option('--status <status>', 'whether it counts').choices(['active', 'disabled']))
  addSamlOptions(addOidcOptions(addCommonOptions(command))).action(withSession(io, set))
  addCommand(group, 'secret <idp>', {
    summary: 'Replace the client secret',
    examples: [
      ['valetkey idp secret okta --secret-file secret', 'from a file'],
      ['valetkey idp secret okta < secret', 'from the standard input'],
    ],
  })
    .option('--secret-file <file>', 'file that holds it; else the standard input')
    .action(withSession(io, setSecret))
  addConfirmOptions(
    addCommand(group, 'rm <idp>', {
      summary: 'Remove an identity provider with its links, sessions and roles',
      examples: [
        ['valetkey idp rm okta --yes', 'at once'],
        ['valetkey idp rm okta --dry-run', 'see what that touches'],
      ],
    }),
  ).action(withSession(io, remove))
}

function addCommonOptions(command: Command): Command {
  return command
    .option('--title <text>', 'what people see')
    .option('--provisions', 'make a person of whoever signs in first')
    .option('--no-provisions', 'let in only who is here already')
    .option('--revokes-on-logout', 'a sign-out there takes back what was consented to, too')
    .option('--no-revokes-on-logout', 'a sign-out there ends sessions alone')
}

function registerLinks(group: Command, io: Io): void {
  addCommand(group, 'links', {
    summary: 'List which subject of a provider is which person',
    examples: [
      ['valetkey idp links --idp okta', 'of one provider'],
      ['valetkey idp links --person maya@northwind.dev', 'of one person'],
    ],
  })
    .option('--idp <idp>', 'of this provider')
    .option('--person <person>', 'of this person')
    .action(withSession(io, links))
  addCommand(group, 'unlink <link>', {
    summary: 'Take a subject away from a person; who comes with it next is linked anew',
    examples: [
      ['valetkey idp unlink lnk_01kam3v9w2c8q0r5t7x1y4z6b8', 'an address went to somebody else'],
      ['valetkey idp links --person maya@northwind.dev -o name', 'finds it'],
    ],
  }).action(withSession(io, unlink))
}

async function list({ api, organization, print }: Session): Promise<void> {
  print.list(providerView, await allPages(page => api.identityProviders.list({ ...page, ...organization })))
}

async function get(session: Session, text: string): Promise<void> {
  const provider = await findIdentityProvider(session, text)
  session.print.item(providerView, provider)
  await sayPaths(session, provider)
}

async function add(
  session: Session,
  name: string,
  options: Settings & { secretFile?: string; public?: boolean },
): Promise<void> {
  const { api, organization, print } = session
  const { title, provisions, revokesOnLogout } = options
  const { oidc, saml } = await settingsOf(session, options)
  const takesSecret = oidc !== undefined && !options.public
  const secret = takesSecret ? await readValue(session.io, options.secretFile) : undefined
  const common = { ...organization, name, title, provisions, revokesOnLogout }
  const provider = await api.identityProviders.create({ ...common, oidc, saml, secret })
  print.item(providerView, provider)
  await sayPaths(session, provider)
  print.note(`Next: valetkey domain claim DOMAIN --idp ${name}`)
}

async function settingsOf(session: Session, options: Settings) {
  const { issuer, entityId } = options
  if ((issuer === undefined) === (entityId === undefined))
    throw new UsageError(
      'Which kind of provider?',
      'An OpenID provider is named by its issuer, a SAML one by its entity id.',
      'Add --issuer URL, or --entity-id ID.',
    )
  return issuer === undefined
    ? { oidc: undefined, saml: await toSaml(session, options, null) }
    : { oidc: toOidc(options, null), saml: undefined }
}

async function set(session: Session, text: string, options: Settings): Promise<void> {
  const before = await findIdentityProvider(session, text)
  const { title, status, provisions, revokesOnLogout } = options
  const isOidc = before.kind === 'oidc'
  const after = await session.api.identityProviders.update({
    ...{ organization: before.organization, provider: before.id },
    ...{ title, status, provisions, revokesOnLogout },
    oidc: isOidc ? toOidc(options, before.oidc) : undefined,
    saml: isOidc ? undefined : await toSaml(session, options, before.saml),
  })
  session.print.item(providerView, after)
}

async function setSecret(
  session: Session,
  text: string,
  { secretFile }: { secretFile?: string },
): Promise<void> {
  const { id, organization } = await findIdentityProvider(session, text)
  const secret = await readValue(session.io, secretFile)
  session.print.item(
    providerView,
    await session.api.identityProviders.update({ organization, provider: id, secret }),
  )
}

async function remove(session: Session, text: string, options: ConfirmOptions): Promise<void> {
  const { api, print } = session
  const { id, name, organization } = await findIdentityProvider(session, text)
  const linked = await allPages(page => api.identityLinks.list({ ...page, organization, provider: id }))
  const count = linked.length === 1 ? '1 person is' : `${linked.length} people are`
  const preview = [
    `${count} linked there: they stay, and lose their sessions and the roles that came from it.`,
  ]
  if (!(await confirm(session, { name, preview }, options))) return
  const { reason } = options
  print.item(providerView, await api.identityProviders.remove({ organization, provider: id, reason }))
}

async function links(session: Session, { idp, person }: { idp?: string; person?: string }): Promise<void> {
  const { api, organization, print } = session
  const provider = idp === undefined ? undefined : (await findIdentityProvider(session, idp)).id
  const who = person === undefined ? undefined : (await findPerson(session, person)).id
  const read = (page: { limit: number; cursor?: string }) =>
    api.identityLinks.list({ ...page, ...organization, provider, person: who })
  print.list(linkView, await allPages(read))
}

async function unlink({ api, organization, print }: Session, link: string): Promise<void> {
  print.item(linkView, await api.identityLinks.remove({ ...organization, link }))
}

const WORDS: Record<string, string> = {
  callback: 'redirect URI',
  afterLogout: 'redirect URI after signing out',
  backchannelLogout: 'back-channel logout URI',
  metadata: 'metadata, which is our entity id',
  assertionConsumer: 'assertion consumer service (POST)',
  logout: 'single logout service (redirect)',
}

/** What the provider's administrators have to enter there. */
async function sayPaths({ api, print }: Session, { paths }: Provider): Promise<void> {
  const { issuer } = await api.session.whoami({})
  for (const [name, path] of Object.entries(paths))
    print.note(`Tell the provider: ${WORDS[name] ?? name} ${issuer}${path}`)
}
