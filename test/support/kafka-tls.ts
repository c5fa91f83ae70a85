import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '#local/servers/free-port.ts'
import { kafkaServer } from '#local/servers/kafka.ts'
import { Progress } from '#local/servers/progress.ts'
import type { TestCa } from './test-ca.ts'

export interface SecureKafka {
  /** In clear text, for the test itself. */
  plain: string
  /** SASL/SCRAM-SHA-256 over TLS that wants a client's certificate. */
  secure: string
  /** The same behind a certificate that is no longer valid. */
  expired: string
  stop(): Promise<void>
}

const LISTENERS = ['SECURE', 'EXPIRED'] as const

/** A broker of its own that speaks TLS and knows one user. */
export async function startSecureKafka(ca: TestCa, user: { name: string; password: string }): Promise<SecureKafka> {
  const folder = mkdtempSync(join(tmpdir(), 'promostream-kafka-tls-'))
  const progress = new Progress(() => undefined)
  let ports: readonly number[] = []
  const server = kafkaServer(
    { env: process.env, folder, keep: false, progress, pickPort: freePort },
    {
      ports: LISTENERS.length,
      format: ['--add-scram', `SCRAM-SHA-256=[name=${user.name},password=${user.password}]`],
      properties: all => {
        ports = all.own
        return secureProperties(ca, all)
      },
    },
  )
  const { KAFKA_BROKERS: plain } = await server.start()
  const [secure, expired] = ports.map(port => `127.0.0.1:${port}`)
  return {
    plain: plain!,
    secure: secure!,
    expired: expired!,
    stop: async () => {
      await server.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Names of the listeners stand beside those that are there. */
function secureProperties(
  ca: TestCa,
  { plain, controller, own }: { plain: number; controller: number; own: readonly number[] },
): string {
  const addresses = LISTENERS.map((name, index) => `${name}://127.0.0.1:${own[index]}`)
  const all = (['PLAINTEXT', ...LISTENERS] as const).map(name => `${name}:${name === 'PLAINTEXT' ? name : 'SASL_SSL'}`)
  const certificates = { SECURE: ca.server, EXPIRED: ca.expired }
  return `
listeners=PLAINTEXT://127.0.0.1:${plain},CONTROLLER://127.0.0.1:${controller},${addresses.join(',')}
advertised.listeners=PLAINTEXT://127.0.0.1:${plain},${addresses.join(',')}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,${all.join(',')}
inter.broker.listener.name=PLAINTEXT
sasl.enabled.mechanisms=SCRAM-SHA-256
${LISTENERS.map(name => listenerProperties(name.toLowerCase(), ca, certificates[name].both)).join('\n')}
`
}

function listenerProperties(name: string, ca: TestCa, keyStore: string): string {
  const prefix = `listener.name.${name}`
  return `${prefix}.ssl.keystore.type=PEM
${prefix}.ssl.keystore.location=${keyStore}
${prefix}.ssl.truststore.type=PEM
${prefix}.ssl.truststore.location=${ca.ca}
${prefix}.ssl.client.auth=required
${prefix}.sasl.enabled.mechanisms=SCRAM-SHA-256
${prefix}.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;`
}
