import { STRINGS } from './strings.ts'

/** The same sentences in some language. */
type Translated<T> = T extends string
  ? string
  : T extends (...args: infer A) => string
    ? (...args: A) => string
    : { readonly [K in keyof T]: Translated<T[K]> }

/** Every sentence of the pages in one language. */
export type Words = Translated<typeof STRINGS>

const LANGUAGES: Record<string, Words> = { en: STRINGS }

/** The language among ours that a browser asks for first (RFC 9110 §12.5.4), else English. */
export function wordsFor(
  acceptLanguage: string | undefined,
  languages: Readonly<Record<string, Words>> = LANGUAGES,
): Words {
  const wanted = (acceptLanguage ?? '')
    .slice(0, 500)
    .split(',')
    .map(part => {
      const [tag = '', ...parameters] = part.trim().toLowerCase().split(';')
      const weight = parameters.map(text => /^\s*q=([01](?:\.\d{0,3})?)\s*$/.exec(text)?.[1]).find(Boolean)
      return { tag: tag.split('-', 1)[0] ?? '', weight: weight === undefined ? 1 : Number(weight) }
    })
    .filter(({ tag, weight }) => weight > 0 && Object.hasOwn(languages, tag))
    .sort((a, b) => b.weight - a.weight)
  return languages[wanted[0]?.tag ?? 'en'] ?? STRINGS
}
