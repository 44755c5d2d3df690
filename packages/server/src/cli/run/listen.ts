import { UsageError } from '../terminal/index.ts'

/** `4620`, `:4620`, `HOST:PORT` or `[IPv6]:PORT`; without a host, on loopback. */
export function parseListen(text: string): { host: string; port: number } {
  const [, host = '', port] = /^(?:(\[[0-9a-f:.]+\]|[A-Za-z0-9.-]*):)?(\d{1,5})$/i.exec(text) ?? []
  if (port === undefined || Number(port) > 65_535)
    throw new UsageError(
      `"${text}" is not an address to listen on.`,
      'It is a port, or HOST:PORT.',
      'For example --listen 127.0.0.1:4620',
    )
  return { host: host.replace(/^\[|\]$/g, '') || '127.0.0.1', port: Number(port) }
}
