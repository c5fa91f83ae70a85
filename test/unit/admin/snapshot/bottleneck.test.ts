import { describe, expect, test } from '@jest/globals'
import { bottlenecks, type Surroundings } from '#admin/snapshot/bottleneck.ts'
import type { PromotionProgress } from '#database/promotions/progress.ts'
import type { InstanceRecord } from '#promotion/consumers/instances.ts'

const running = (more: Partial<PromotionProgress> = {}): PromotionProgress => ({
  id: '42',
  name: '',
  type: 'VOUCHER',
  status: 'IN_PROGRESS',
  totalCount: 100,
  startedAt: null,
  finishedAt: null,
  rows: 100,
  gifts: { PENDING: 50, RETRYING: 0, SUCCESS: 50, FAILED: 0, UNKNOWN: 0 },
  ...more,
})
const worker = (more: Partial<InstanceRecord> = {}): InstanceRecord => ({
  instance: 'w',
  host: 'h',
  pid: 1,
  startedAt: '',
  at: '',
  breaker: 'closed',
  breakerSince: '',
  credentialsRefused: false,
  credentialsRefusedSince: null,
  rateLimited: false,
  slotsInUse: 5,
  slotsMax: 10,
  promotions: [{ promotionId: '42', type: 'VOUCHER', slots: 5, slotsInUse: 5, isPaused: false }],
  startedEvents: {},
  ...more,
})
const around = (more: Partial<Surroundings> = {}): Surroundings => ({
  instances: [worker()],
  databaseMs: 3,
  kafkaLag: { VOUCHER: 0, POINT: 0 },
  streamsAnswer: true,
  retriesPaused: false,
  ...more,
})
const codes = (promotion: PromotionProgress, surroundings: Surroundings) =>
  bottlenecks(promotion, surroundings).map(({ code }) => code)

describe('bottlenecks, told apart', () => {
  test.each([
    ['nothing: it runs at its limit', running(), around(), ['none']],
    ['not started', running({ status: 'READY' }), around(), ['not-started']],
    ['paused, whatever else is wrong', running({ status: 'PAUSED' }), around({ instances: [] }), ['paused']],
    ['paused by itself', running({ status: 'PAUSED', pauseReason: '100 of 100' }), around(), ['paused']],
    ['stopped', running({ status: 'STOPPED' }), around(), ['stopped']],
    ['completed', running({ status: 'COMPLETED' }), around(), ['completed']],
    ['no worker alive', running(), around({ instances: [] }), ['no-worker']],
    ['Redis away', running(), around({ instances: undefined }), ['redis-away']],
    ['the Redis of the streams away', running(), around({ streamsAnswer: false }), ['redis-away']],
    [
      'retries paused on the board',
      running({ gifts: { ...running().gifts, PENDING: 0, RETRYING: 3 } }),
      around({ retriesPaused: true }),
      ['retries-paused'],
    ],
    ['database away', running(), around({ databaseMs: undefined }), ['database-away']],
    ['database slow', running(), around({ databaseMs: 900 }), ['database-slow']],
    [
      'credentials refused',
      running(),
      around({ instances: [worker({ credentialsRefused: true })] }),
      ['credentials-refused'],
    ],
    ['breaker open', running(), around({ instances: [worker({ breaker: 'open' })] }), ['breaker-open']],
    ['rate limit', running(), around({ instances: [worker({ rateLimited: true })] }), ['rate-limit']],
    ['Kafka lag', running(), around({ kafkaLag: { VOUCHER: 5000, POINT: 0 } }), ['kafka-lag']],
    ['the other topic’s lag is not its own', running(), around({ kafkaLag: { VOUCHER: 0, POINT: 5000 } }), ['none']],
    [
      'a worker that has not begun with it',
      running(),
      around({ instances: [worker({ promotions: [] })] }),
      ['starting'],
    ],
    [
      'two at once, the worse first',
      running(),
      around({ instances: [worker({ breaker: 'open' })], databaseMs: 900 }),
      ['breaker-open', 'database-slow'],
    ],
    [
      'only retries are left',
      running({ gifts: { PENDING: 0, RETRYING: 3, SUCCESS: 97, FAILED: 0, UNKNOWN: 0 } }),
      around(),
      ['only-retries'],
    ],
    [
      'waiting for gifts',
      running({ rows: 50, gifts: { PENDING: 0, RETRYING: 0, SUCCESS: 50, FAILED: 0, UNKNOWN: 0 } }),
      around(),
      ['waiting-for-gifts'],
    ],
    [
      'unsettled',
      running({ status: 'COMPLETED', gifts: { PENDING: 0, RETRYING: 0, SUCCESS: 99, FAILED: 0, UNKNOWN: 1 } }),
      around(),
      ['unsettled'],
    ],
  ] as const)('%s', (_what, promotion, surroundings, expected) => {
    expect(codes(promotion, surroundings)).toEqual(expected)
  })
})
