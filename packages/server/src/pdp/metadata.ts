/** Where the PDP of an organization is found; without a slug, that of the only one. */
export function metadata(issuer: string, slug: string | undefined): Record<string, string> {
  const pdp = slug === undefined ? issuer : `${issuer}/pdp/${slug}`
  return {
    policy_decision_point: pdp,
    access_evaluation_endpoint: `${pdp}/access/v1/evaluation`,
    access_evaluations_endpoint: `${pdp}/access/v1/evaluations`,
    search_subject_endpoint: `${pdp}/access/v1/search/subject`,
    search_resource_endpoint: `${pdp}/access/v1/search/resource`,
    search_action_endpoint: `${pdp}/access/v1/search/action`,
  }
}

/** The well-known path goes before the path of what it describes. */
export function metadataPath(issuer: string): string {
  return `/.well-known/authzen-configuration${new URL(issuer).pathname.replace(/\/$/, '')}`
}
