import type { Hono } from 'hono'
import type { Form } from '../form.ts'
import { messagePage, refuseForm } from '../pages/account.ts'
import { devicePage } from '../pages/device.ts'
import { wordsFor } from '../pages/languages.ts'
import { redirectTo, toResponse } from '../pages/layout.ts'
import type { Ask, Env } from '../sign-in/parts.ts'
import { networkOf } from '../sign-in/sign-in-limit.ts'
import type { SignedIn, Stage } from '../stage.ts'
import type { ConsentOptions } from './scene.ts'

/**
 * Where somebody types the code that a program on another device shows, and where those come out who have answered one.
 * Who types is signed in first, so that guessing codes costs an account of one's own.
 */
export function addDevice(app: Hono<Env>, stage: Stage, { waiting, takesCodes }: ConsentOptions): void {
  const path = `${stage.base}/device`
  const placeOf = (c: Ask) => ({ words: wordsFor(c.req.header('accept-language')), path, purpose: 'device' })
  const purposeOf = ({ session }: SignedIn) => `device:${session.id}`
  const show = (c: Ask, who: SignedIn, fault?: 'unknown' | 'tooMany') => {
    const { words } = placeOf(c)
    const formToken = stage.sealForm(purposeOf(who))
    return toResponse(devicePage({ words, action: path, formToken, person: who.person, fault }))
  }

  app.get('/answered', c => {
    const { words } = placeOf(c)
    const { title, text } = words.answered
    const onward = { href: `${stage.base}/agents`, text: words.agents.title }
    return toResponse(messagePage({ words, title, text, onward }))
  })
  if (!takesCodes) return
  app.get('/device', async c => {
    const who = await stage.whoIs(c)
    return who ? show(c, who) : toResponse(await stage.showSignIn(placeOf(c)))
  })
  app.post('/device', async c => {
    const form = await stage.readForm(c)
    if (!form) return refuseForm(c)
    if (form.one('action') === 'sign-in') return stage.signIn(c, placeOf(c), form, path)
    const who = await stage.whoIs(c)
    if (!who || !stage.isOwnForm(purposeOf(who), form)) return refuseForm(c)
    return take(c, who, form)
  })

  async function take(c: Ask, who: SignedIn, form: Form): Promise<Response> {
    const { limit, addressOf } = stage
    const tries = [
      ['userCode', who.person.id],
      ['userCodeFrom', networkOf(addressOf(c.env.incoming))],
    ] as const
    if (!(await limit.take(tries))) return show(c, who, 'tooMany')
    const id = await waiting.findByCode(form.one('code').slice(0, 20))
    if (id === undefined) return show(c, who, 'unknown')
    await limit.forgive(tries)
    return redirectTo(`${stage.base}/waiting/${id}`)
  }
}
