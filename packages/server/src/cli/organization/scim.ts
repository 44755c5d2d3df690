import type { AdminApi, Output } from '@valetkey/sdk/contract'
import type { Command } from 'commander'
import { addConfirmOptions, type ConfirmOptions, confirm } from '../confirm.ts'
import { expiryOf } from '../expiry.ts'
import { findIdentityProvider, findOwnOrganization, findScimToken } from '../find.ts'
import { reserveSecretFile } from '../secret-file.ts'
import { addCommand, addGroup, allPages, type Session, withSession } from '../session.ts'
import type { Io, View } from '../terminal/index.ts'

type ScimToken = Output<AdminApi['scimTokens']['list']>['items'][number]

const view: View<ScimToken & { token?: string }> = {
  kind: 'ScimToken',
  name: token => token.id,
  columns: [
    { header: 'ID', value: token => token.id },
    { header: 'NAME', value: token => token.name },
    { header: 'STATUS', value: token => token.status },
    { header: 'EXPIRES', value: token => ({ time: token.expiresAt }) },
    { header: 'LAST USED', value: token => ({ time: token.lastUsedAt }) },
    { header: 'PROVIDER', value: token => token.provider ?? '', wide: true },
    { header: 'CREATED', value: token => ({ time: token.createdAt }), wide: true },
    { header: 'CREATED BY', value: token => token.createdBy, wide: true },
  ],
}

/** SCIM: directories elsewhere that provision people and groups. */
export function register(program: Command, io: Io): void {
  const group = addGroup(program, 'scim', {
    summary: 'SCIM: directories elsewhere that provision people and groups',
    examples: [
      ['valetkey scim token create okta --secret-file scim.token', 'let a directory in'],
      ['valetkey scim token ls', 'which are in use'],
    ],
  })
  const tokens = addGroup(group, 'token', {
    summary: 'Tokens by which directories introduce themselves',
    examples: [
      ['valetkey scim token create okta --secret-file scim.token', 'make one'],
      ['valetkey scim token revoke sct_01kam --yes', 'shut one out'],
    ],
  })
  addCommand(tokens, 'ls', {
    summary: 'List the tokens of directories',
    examples: [
      ['valetkey scim token ls', 'as a table'],
      ['valetkey scim token ls -o wide', 'with all columns'],
    ],
  }).action(withSession(io, list))
  addCommand(tokens, 'create <name>', {
    summary: 'Make a token for a directory',
    examples: [
      [
        'valetkey scim token create okta --idp okta --secret-file scim.token',
        'its groups are those of a provider',
      ],
      ['valetkey scim token create hr --expires 365d', 'printed, once'],
    ],
  })
    .option('--idp <idp>', 'the provider whose group-to-role mapping counts for its groups')
    .option('--expires <time>', 'when it ends: 365d, or 2027-12-31')
    .option('--secret-file <file>', 'where to write it; else it is printed, once')
    .action(withSession(io, create))
  addConfirmOptions(
    addCommand(tokens, 'revoke <token>', {
      summary: 'Shut a directory out',
      examples: [
        ['valetkey scim token revoke sct_01kam --yes', 'at once'],
        ['valetkey scim token revoke sct_01kam --dry-run', 'see what that touches'],
      ],
    }),
  ).action(withSession(io, revoke))
}

async function list({ api, organization, print }: Session): Promise<void> {
  print.list(view, await allPages(page => api.scimTokens.list({ ...page, ...organization })))
}

async function create(
  session: Session,
  name: string,
  { idp, expires, secretFile }: { idp?: string; expires?: string; secretFile?: string },
): Promise<void> {
  const { api, io, print } = session
  const { id: organization, slug } = await findOwnOrganization(session)
  const provider = idp === undefined ? undefined : (await findIdentityProvider(session, idp)).id
  const expiresAt = expires === undefined ? null : expiryOf(expires, session)
  await using target = secretFile === undefined ? undefined : await reserveSecretFile(io, secretFile)
  const { token, ...created } = await api.scimTokens.create({ organization, name, provider, expiresAt })
  const { issuer } = await api.session.whoami({})
  if (target && token !== null) {
    const path = await target.write(`${token}\n`)
    print.item(view, created)
    print.note(`The token is in ${path}: nothing else has it.`)
  } else {
    const shown = [
      ...view.columns,
      { header: 'TOKEN', value: (item: { token?: string }) => item.token ?? null },
    ]
    print.item({ ...view, columns: shown }, token === null ? created : { ...created, token })
    print.note('The token is shown this once. Have you copied it?')
  }
  print.note(`Tell the directory: SCIM 2.0 at ${issuer}/scim/v2/${slug}`)
}

async function revoke(session: Session, text: string, options: ConfirmOptions): Promise<void> {
  const { api, print } = session
  const { id, name, organization } = await findScimToken(session, text)
  const preview = [`The directory that uses ${name} is shut out; whom it has provisioned stays as they are.`]
  if (!(await confirm(session, { name: id, preview }, options))) return
  print.item(view, await api.scimTokens.revoke({ organization, scimToken: id, reason: options.reason }))
}
