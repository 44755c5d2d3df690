/**
 * Under which the client of a metadata document is kept for one organization: the same document can be known to many, and each has an
 * agent of its own for it. No client id has a `#` of its own.
 */
export function clientKeyOf(documentId: string, organization: string): string {
  return `${documentId}#${organization}`
}

/** The client id as the client itself knows it. */
export function clientIdOf(key: string): string {
  return key.split('#', 1)[0] ?? key
}
