import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { AdminApi, Input, Output } from '@valetkey/sdk/contract'
import type { Command } from 'commander'
import { collect, collectWhole, type Session } from '../session.ts'
import { UsageError } from '../terminal/index.ts'

export type Provider = Output<AdminApi['identityProviders']['get']>
type Oidc = Input<AdminApi['identityProviders']['create']>['oidc']
type Saml = Input<AdminApi['identityProviders']['create']>['saml']

export interface OidcOptions {
  issuer?: string
  clientId?: string
  scope?: string[]
  emailClaim?: string
  nameClaim?: string
  groupsClaim?: string
  takesUnverifiedEmail?: boolean
}

export interface SamlOptions {
  entityId?: string
  ssoUrl?: string
  logoutUrl?: string
  certificate?: string[]
  signRequests?: boolean
  emailAttribute?: string
  nameAttribute?: string
  groupsAttribute?: string
  subjectAttribute?: string
  takesUnsolicited?: boolean
}

export function addOidcOptions(command: Command): Command {
  return command
    .option('--client-id <id>', 'what the provider calls us')
    .option('--scope <scopes>', 'openid, email and profile unless said otherwise', collect)
    .option('--email-claim <name>', 'the claim that holds the address; else email')
    .option('--name-claim <name>', 'the claim that holds the name; else name')
    .option('--groups-claim <name>', 'the claim that holds the groups; none: groups are not taken')
    .option('--takes-unverified-email', 'take addresses that the provider does not say it has verified')
    .option('--no-takes-unverified-email', 'take only addresses that it has verified')
}

export function addSamlOptions(command: Command): Command {
  return command
    .option('--sso-url <url>', 'where people sign in')
    .option('--logout-url <url>', 'where they are signed out; none: nowhere')
    .option(
      '--certificate <file>',
      'a certificate of the provider, as PEM; several times for several',
      collectWhole,
    )
    .option('--sign-requests', 'sign what we ask')
    .option('--no-sign-requests', 'ask without a signature')
    .option('--email-attribute <name>', 'the attribute that holds the address; none: the NameID; else email')
    .option('--name-attribute <name>', 'the attribute that holds the name; else name')
    .option('--groups-attribute <name>', 'the attribute that holds the groups; none: groups are not taken')
    .option('--subject-attribute <name>', 'what never changes of a person; none: the NameID')
    .option('--takes-unsolicited', 'take sign-ins that nobody here has asked for')
    .option('--no-takes-unsolicited', 'take only what was asked for')
}

/** The settings as they are to be, over those that stand; undefined where nothing is said of them. */
export function toOidc(options: OidcOptions, before: Provider['oidc']): Oidc {
  const { issuer, clientId, scope, emailClaim, nameClaim, groupsClaim, takesUnverifiedEmail } = options
  const said = known({
    ...{ issuer, clientId, scopes: scope, emailClaim, nameClaim },
    ...{ groupsClaim: orNone(groupsClaim), takesUnverifiedEmail },
  })
  return Object.keys(said).length === 0 ? undefined : ({ ...before, ...said } as Oidc)
}

export async function toSaml(
  session: Session,
  options: SamlOptions,
  before: Provider['saml'],
): Promise<Saml> {
  const { entityId, ssoUrl, nameAttribute, takesUnsolicited, signRequests } = options
  const said = known({
    ...{ entityId, ssoUrl, nameAttribute, takesUnsolicited, signsRequests: signRequests },
    logoutUrl: orNone(options.logoutUrl),
    certificates: options.certificate && (await readCertificates(session, options.certificate)),
    emailAttribute: orNone(options.emailAttribute),
    groupsAttribute: orNone(options.groupsAttribute),
    subjectAttribute: orNone(options.subjectAttribute),
  })
  return Object.keys(said).length === 0 ? undefined : ({ ...before, ...said } as Saml)
}

function orNone(text: string | undefined): string | null | undefined {
  return text === 'none' ? null : text
}

function known(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}

function readCertificates({ io }: Session, files: readonly string[]): Promise<string[]> {
  return Promise.all(
    files.map(file =>
      readFile(resolve(io.cwd, file), 'utf8').catch((cause: Error) => {
        throw new UsageError(`Cannot read ${file}.`, cause.message, 'Name a file with a certificate as PEM.')
      }),
    ),
  )
}
