import type { Mailer } from '../mail/index.ts'
import type { Asked } from '../oauth/index.ts'
import type { Store } from '../store/index.ts'
import { findPerson } from './account/person.ts'
import { STRINGS } from './pages/strings.ts'

/** Mails a person that an agent has asked; where this authority sends no mail, it waits at *Your agents* alone. */
export function createAskedMail({
  store,
  mailer,
  issuer,
}: {
  store: Store
  mailer: Mailer | undefined
  issuer: string
}): (asked: Asked) => Promise<void> {
  return async ({ id, agent, person, message }) => {
    if (!mailer) return
    const who = await findPerson(store.db, person)
    const { name } = await store.db
      .selectFrom('principal')
      .select('name')
      .where('id', '=', agent)
      .executeTakeFirstOrThrow()
    if (!who?.email.includes('@')) return
    const { subject, text } = STRINGS.mail.asked
    const url = `${issuer}/waiting/${id}`
    mailer.post({ to: who.email, subject: subject(name), text: text(who.name, name, message, url) })
  }
}
