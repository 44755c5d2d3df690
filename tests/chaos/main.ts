import { parseArgs } from 'node:util'
import { runCampaign } from './campaign.ts'

/** `npm run chaos`: kills the product under load and says whether its evidence is whole. */
const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    'lying-disk': { type: 'boolean', default: false },
  },
})
const seconds = Number(values.seconds)
const seed = Number(values.seed)
// The callers' tokens live for 15 minutes.
if (!(seconds > 0 && seconds <= 600) || !Number.isSafeInteger(seed)) {
  process.stderr.write('usage: npm run chaos -- [--seconds 1..600] [--seed NUMBER] [--lying-disk]\n')
  process.exit(2)
}

process.stdout.write(
  `chaos for ${seconds} s, seed ${seed}${values['lying-disk'] ? ', on a lying disk' : ''}\n`,
)
const verdict = await runCampaign({
  seconds,
  seed,
  isHonest: !values['lying-disk'],
  onProgress: sentence => process.stdout.write(`  ${sentence}\n`),
})
const { kills, calls, released, records, lost, stale, broken, violations } = verdict
const row = (name: string, value: string | number) => `  ${name.padEnd(16)} ${value}\n`
process.stdout.write(
  [
    row(
      'kills',
      Object.entries(kills)
        .map(([name, count]) => `${name} ${count}`)
        .join(', '),
    ),
    row('calls', `${calls}, of which ${broken} broke off with a process`),
    row('released', `${released} reached a tool`),
    row('recorded', `${records} records, outcomes included`),
    row('lost', lost),
    row('stale refusals', stale),
  ].join(''),
)
for (const violation of violations) process.stdout.write(`  VIOLATION  ${violation}\n`)
process.stdout.write(violations.length === 0 ? 'the evidence is whole\n' : 'the promise is broken\n')
process.exit(violations.length === 0 ? 0 : 1)
