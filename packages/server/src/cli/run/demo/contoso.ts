import type { AdminApi, Client } from '@valetkey/sdk/contract'

/** A second tenant of the same servers, with a customer, an invoice and an agent of its own. */
export async function seedContoso(api: Client<AdminApi>): Promise<void> {
  await api.organizations.create({ slug: 'contoso', name: 'Contoso' })
  await api.policy.apply({
    organization: 'contoso',
    policy: {
      version: 1,
      organization: 'contoso',
      people: { 'ada@contoso.dev': { name: 'Ada' } },
      resources: {
        'customer/initech': { name: 'Initech' },
        'invoice/INV-7001': { parent: 'customer/initech' },
      },
      agents: {
        'contoso-bot': {
          owner: 'ada@contoso.dev',
          purpose: 'Answers tickets',
          ceiling: ['invoices:*'],
          roles: ['support-agent'],
        },
      },
    },
  })
}
