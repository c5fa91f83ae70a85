import type { IncomingHttpHeaders } from 'node:http'

/**
 * May this be a request of our own pages, or of a program? A browser says where a write comes from; what it says must be
 * us. Programs say nothing.
 */
export function isForeign(headers: IncomingHttpHeaders): boolean {
  const { origin, host } = headers
  const site = headers['sec-fetch-site']
  if (site === 'cross-site' || site === 'same-site') return true
  if (origin === undefined) return false
  return URL.parse(origin)?.host !== host
}

/** Cookies may travel unencrypted only where nobody can listen. */
export function isLocalName(hostname: string): boolean {
  return /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/.test(hostname) || hostname.endsWith('.localhost')
}
