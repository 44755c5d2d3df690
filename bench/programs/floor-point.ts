import { get } from 'node:http'
import { serve, settings } from '../child.ts'
import type { PointQuestion } from './point.ts'

/** The least that an enforcement point in Node can do: it reads what it is told. */
const { url } = settings<{ url: string }>()
let seen = Promise.withResolvers<number>()

get(url, answer => {
  answer.setEncoding('utf8').on('data', (text: string) => {
    const data = /^data: (.*)$/m.exec(text)?.[1] ?? 'null'
    if (JSON.parse(data) !== null) seen.resolve(Number(process.hrtime.bigint()) / 1e6)
  })
  serve(null, (question: PointQuestion) => {
    if ('seen' in question) return seen.promise
    seen = Promise.withResolvers()
    return null
  })
})
