/** Proofs that whoever shows a token holds the key that it is bound to (RFC 9449): read here, checked where they are shown. */
export { PROOF_ALGORITHMS, type Proof, readProof } from './proof.ts'
