/** Hides how a witness remembers and cosigns: whoever runs one elsewhere can show that a log has had one history only. */

export { startWitness, type Witness } from './server.ts'
