import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect } from '@jest/globals'
import { examine } from '#bin/doctor/examine.ts'
import type { Finding } from '#bin/doctor/finding.ts'
import { ensureTopics } from '#kafka/topics.ts'
import { TestSystem, targetsOf } from './system.ts'

/** A busy machine is not what is looked for. */
const PATIENT = { MONEY_API_TIMEOUT_MS: '10000', REDIS_STREAM_CLAIM_MIN_IDLE_MS: '60000' }

/** A healthy installation, which the doctor looks at with some settings changed. */
export class DoctorRig {
  readonly system: TestSystem
  readonly #forgetsInCrashes: boolean

  private constructor(system: TestSystem, forgetsInCrashes: boolean) {
    this.system = system
    this.#forgetsInCrashes = forgetsInCrashes
  }

  /** @param serverUrl a PostgreSQL as users have it; that of the run waits for no disk, which `faults` then leaves out. */
  static async create(serverUrl?: string): Promise<DoctorRig> {
    return new DoctorRig(await TestSystem.create(PATIENT, serverUrl), serverUrl === undefined)
  }

  stop(): Promise<void> {
    return this.system.stop()
  }

  /** What is wrong with the healthy installation but for these settings. */
  readonly faults = async (overrides: Record<string, string | undefined>): Promise<Finding[]> => {
    const findings = await examine({ ...this.system.env, ...overrides })
    return findings.filter(finding => finding.status !== 'ok' && !(this.#forgetsInCrashes && waitsForNoDisk(finding)))
  }

  /** A consumer group of its own, and topics of its own with these settings. */
  readonly withTopics = async <T>(
    settings: Record<string, string>,
    work: (topics: Record<string, string>) => Promise<T>,
  ): Promise<T> => {
    const { kafka } = this.system
    const names = ['STARTED', 'VOUCHER', 'POINT', 'VOUCHER_RETRY', 'POINT_RETRY', 'INVALID', 'COMPLETED']
    const prefix = `doctor-${targetsOf(1)[0]}`
    const topics = Object.fromEntries(names.map(name => [`KAFKA_TOPIC_${name}`, `${prefix}-${name.toLowerCase()}`]))
    const admin = kafka.admin()
    await admin.connect()
    const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }))
    await admin.createTopics({
      waitForLeaders: false,
      topics: Object.values(topics).map(topic => ({
        topic,
        numPartitions: 1,
        configEntries: topic === topics.KAFKA_TOPIC_VOUCHER ? configEntries : [],
      })),
    })
    await ensureTopics(kafka, Object.values(topics), 1)
    try {
      return await work({ ...topics, KAFKA_GROUP_ID: prefix })
    } finally {
      await admin.deleteTopics({ topics: Object.values(topics) }).catch(() => undefined)
      await admin.disconnect()
    }
  }
}

const waitsForNoDisk = ({ area, detail }: Finding) => area === 'database' && detail === 'fsync is off'

/** One thing is wrong, and this is it. */
export function expectFault(
  found: readonly Finding[],
  area: string,
  check: string,
  detail: RegExp,
  todo: RegExp,
): void {
  expect(found).toEqual([
    expect.objectContaining({
      ...{ area, check, status: 'failed' },
      detail: expect.stringMatching(detail),
      todo: expect.stringMatching(todo),
    }),
  ])
}

/** A Money API that answers everything so. */
export async function answering(status: number, body = '{}'): Promise<{ url: string; server: Server }> {
  const server = createServer((_, response) => response.writeHead(status, { location: '/elsewhere' }).end(body))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server }
}
