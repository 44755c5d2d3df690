import * as directory from '../directory/index.ts'
import type { IdentityProviderPolicy, Policy } from './format.ts'
import { all, at, differences, type Run } from './run.ts'

/** Adds the identity providers that are missing and changes others; claims their domains. Secrets are never in a file. */
export async function applyIdentityProviders(run: Run, policy: Policy, organization: string): Promise<void> {
  const { ctx, changes } = run
  const standing = await all(page => directory.listProviders(ctx, { ...page, organization }))
  for (const [name, provider] of Object.entries(policy.identityProviders)) {
    const path = ['identityProviders', name]
    const before = standing.find(one => one.name === name)
    const input = toInput(provider)
    if (before) {
      const change = { organization, provider: before.id, ...input }
      const after = await at(path, directory.updateProvider(ctx, change))
      const detail = differences(before, after)
      if (detail !== '') changes.push({ sign: '~', kind: 'identity provider', name, detail })
    } else {
      const { title = '', provisions = false, revokesOnLogout = true, roles = [], oidc, saml } = input
      const made = { organization, name, title, provisions, revokesOnLogout, roles, oidc, saml }
      const { kind } = await at(path, directory.createProvider(ctx, made))
      changes.push({ sign: '+', kind: 'identity provider', name, detail: kind })
    }
    await applyDomains(run, organization, name, provider.domains ?? [])
  }
}

function toInput({ title, oidc, saml, provisions, revokesOnLogout, roles }: IdentityProviderPolicy) {
  return {
    ...{ title, oidc, saml, provisions, revokesOnLogout },
    roles: roles?.map(({ group, role, on }) => ({ group, role, resource: on })),
  }
}

/** Claims domains for a provider. A claim counts once it is proved, which a file cannot do. */
async function applyDomains(
  { ctx, changes }: Run,
  organization: string,
  provider: string,
  domains: readonly string[],
): Promise<void> {
  if (domains.length === 0) return
  const standing = await all(page => directory.listDomains(ctx, { ...page, organization }))
  const { id } = await directory.showProvider(ctx, { organization, provider })
  for (const [index, text] of domains.entries()) {
    const path = ['identityProviders', provider, 'domains', String(index)]
    const domain = await at(
      path,
      Promise.resolve().then(() => directory.readDomain(text)),
    )
    const before = standing.find(one => one.domain === domain)
    if (before?.provider === id) continue
    const input = { organization, domain, provider: id }
    await at(path, before ? directory.updateDomain(ctx, input) : directory.claimDomain(ctx, input))
    const detail = `${before ? 'leads to' : 'claimed for'} ${provider}`
    changes.push({ sign: before ? '~' : '+', kind: 'domain', name: domain, detail })
  }
}
