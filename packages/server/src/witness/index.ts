/** Hides how a witness remembers and cosigns: whoever runs one elsewhere can show that a log has had one history only. */
export { addCheckpoint, type WitnessAnswer } from './add-checkpoint.ts'
export { startWitness, type Witness, type WitnessSettings } from './server.ts'
export { openWitnessState, type WitnessState } from './state.ts'
