import type { Proof } from '../factor/proof.ts'
import type { Form } from '../form.ts'
import { refuseForm } from '../pages/account.ts'
import { type Words, wordsFor } from '../pages/languages.ts'
import { redirectTo, toResponse } from '../pages/layout.ts'
import type { Ask } from '../sign-in/parts.ts'
import type { SignedIn, Stage } from '../stage.ts'

/** Who changes how they sign in has signed in lately: a browser that was left open is not enough. */
const FRESH_MS = 10 * 60_000

/** One request of somebody who is signed in, to a page about how they sign in. */
export interface AccountScene extends SignedIn {
  c: Ask
  stage: Stage
  words: Words
  formToken: string
}

/** Does what a form asks for. */
export type Handle = (scene: AccountScene, form: Form) => Promise<Response>

/** A page for who is signed in. */
export function onPage(stage: Stage, show: (scene: AccountScene) => Promise<Response>) {
  return async (c: Ask): Promise<Response> => {
    const who = await stage.whoIs(c)
    if (!who) return redirectTo(`${stage.base}/sign-in`)
    const words = wordsFor(c.req.header('accept-language'))
    return show({ ...who, c, stage, words, formToken: stage.sealForm(`account:${who.session.id}`) })
  }
}

/** A form of such a page, sent by the session that it was made for. */
export function onForm(stage: Stage, handle: Handle) {
  return async (c: Ask): Promise<Response> => {
    const form = await stage.readForm(c)
    const who = await stage.whoIs(c)
    if (!form) return refuseForm(c)
    if (!who) return redirectTo(`${stage.base}/sign-in`)
    const purpose = `account:${who.session.id}`
    if (!stage.isOwnForm(purpose, form)) return refuseForm(c)
    const words = wordsFor(c.req.header('accept-language'))
    return handle({ ...who, c, stage, words, formToken: stage.sealForm(purpose) }, form)
  }
}

/** Asks who has shown long ago who they are to sign in once more; an identity provider has to ask, too. */
export function whenFresh<Rest extends unknown[]>(
  handle: (scene: AccountScene, ...rest: Rest) => Promise<Response>,
) {
  return async (scene: AccountScene, ...rest: Rest): Promise<Response> => {
    const { stage, words, session } = scene
    if (stage.now() - session.provedAt <= FRESH_MS) return handle(scene, ...rest)
    return toResponse(await stage.showSignIn({ words, ...againPlace(stage) }, { fault: 'again' }))
  }
}

/** Where somebody signs in once more. */
export function againPlace({ base }: Pick<Stage, 'base'>) {
  return { path: `${base}/sign-in/again`, purpose: 'again', isFresh: true }
}

/** What the account page says was done; it is named in its address. */
export const DONE = ['password', 'added', 'removed', 'session'] as const
export type Done = (typeof DONE)[number]

export function isDone(text: string | undefined): text is Done {
  return DONE.some(word => word === text)
}

/**
 * What changed has ended all sessions; this browser goes on in a new one, signed in when it was before. `ended` is how
 * often they were: where somebody else has ended them too, meanwhile, the new one is over from the start.
 */
export async function goOn(
  { c, stage, person, session }: AccountScene,
  { methods = session.methods, secondFactor = session.secondFactor }: Partial<Proof>,
  done: Done,
  ended = 1,
): Promise<Response> {
  const current = { ...person, epoch: person.epoch + ended }
  const cookies = await stage.open(c, current, { methods, secondFactor }, { session })
  return redirectTo(`${stage.base}/account?done=${done}`, cookies)
}
