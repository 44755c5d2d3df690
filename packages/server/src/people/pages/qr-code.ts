import { encode } from 'uqr'
import { type Html, html } from './html.ts'

/** A picture that a camera reads, as one line through each run of dark squares. */
export function qrCode(text: string, label: string): Html {
  const { data, size } = encode(text, { ecc: 'L', border: 3 })
  let path = ''
  for (const [y, row] of data.entries())
    for (let x = 0; x < size; x++) {
      const start = x
      while (row[x]) x++
      if (x > start) path += `M${start} ${y}h${x - start}`
    }
  return html`<svg class="qr" role="img" aria-label="${label}" viewBox="0 -.5 ${size} ${size}" shape-rendering="crispEdges"><path fill="#fff" d="M0-.5h${size}v${size}H0z"/><path stroke="#000" d="${path}"/></svg>`
}
