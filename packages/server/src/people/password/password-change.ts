import type { Hono } from 'hono'
import { type AccountScene, goOn, onForm, onPage, whenFresh } from '../account/account-scene.ts'
import type { Form } from '../form.ts'
import { redirectTo, toResponse } from '../pages/layout.ts'
import { changePasswordPage } from '../pages/my-account.ts'
import type { Env } from '../sign-in/parts.ts'
import { networkOf, type Try } from '../sign-in/sign-in-limit.ts'
import type { Stage } from '../stage.ts'
import { findPasswordFault } from './password.ts'
import { namesOf, notePassword, replacePassword } from './password-choice.ts'

type Fault = Parameters<typeof changePasswordPage>[0]['fault']

/** Changing one's own password: with the old one, lately signed in. */
export function addChangePassword(app: Hono<Env>, stage: Stage): void {
  app.get('/account/password', onPage(stage, whereTaken(whenFresh(scene => show(scene)))))
  app.post('/account/password', onForm(stage, whereTaken(whenFresh(change))))
}

/** Where the organization takes no passwords there is none to change, nor to set for later. */
function whereTaken<Rest extends unknown[]>(
  handle: (scene: AccountScene, ...rest: Rest) => Promise<Response>,
) {
  return async (scene: AccountScene, ...rest: Rest): Promise<Response> =>
    scene.person.policy.methods.includes('password')
      ? handle(scene, ...rest)
      : redirectTo(`${scene.stage.base}/account`)
}

async function show({ stage, words, person, formToken }: AccountScene, fault?: Fault): Promise<Response> {
  const hasPassword = await stage.accounts.hasPassword(person.id)
  return toResponse(changePasswordPage({ words, base: stage.base, formToken, person, hasPassword, fault }))
}

async function change(scene: AccountScene, form: Form): Promise<Response> {
  const { stage, words, person, c } = scene
  const { store, accounts, limit, now } = stage
  if (await accounts.hasPassword(person.id)) {
    // The same counts as at sign-in: a session that was stolen is no place to guess.
    const account = `${person.organization.id}\n${person.email}`
    const tries: Try[] = [
      ['accountHere', `${networkOf(stage.addressOf(c.env.incoming))}\n${account}`],
      ['account', account],
    ]
    if (!(await limit.take(tries))) return show(scene, 'tooMany')
    if (!(await accounts.checkPassword(person.id, form.one('old')))) return show(scene, 'wrongOld')
    await limit.forgive(tries)
  }
  const password = form.one('password')
  if (password !== form.one('again')) return show(scene, 'different')
  const fault = await findPasswordFault(password, namesOf(person))
  if (fault) return show(scene, fault)
  await store.write(tx => notePassword(tx, person, 'person', now()))
  await replacePassword(stage, person, password)
  stage.tell(words, person, 'password')
  return goOn(scene, {}, 'password', 2)
}
