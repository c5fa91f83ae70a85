import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Certificate, TestCa } from './test-ca.ts'

export interface SecureMoneyApi {
  url: string
  stop(): Promise<void>
}

/** The Money API behind TLS that wants a client's certificate. */
export async function startSecureMoneyApi(
  ca: TestCa,
  certificate: Certificate,
  plainUrl: string,
): Promise<SecureMoneyApi> {
  const { hostname, port } = new URL(plainUrl)
  const tls = {
    key: readFileSync(certificate.key),
    cert: readFileSync(certificate.cert),
    ca: readFileSync(ca.ca),
    requestCert: true,
    rejectUnauthorized: true,
  }
  const server = createServer(tls, (incoming, outgoing) => {
    const { method, headers, url: path } = incoming
    const call = request({ hostname, port, method, path, headers }, answer => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(outgoing)
    })
    call.on('error', () => outgoing.destroy())
    incoming.pipe(call)
  })
  server.on('tlsClientError', () => undefined)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: async () => {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    },
  }
}
