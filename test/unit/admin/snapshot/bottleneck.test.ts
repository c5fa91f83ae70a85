import { describe, expect, test } from '@jest/globals'
import { bottleneckInWords, bottlenecks, type Surroundings } from '#admin/snapshot/bottleneck.ts'
import { TEXTS } from '#admin/texts/texts.ts'
import type { PromotionProgress } from '#database/promotions/progress.ts'
import type { RecentCallsSummary } from '#money/recent-calls.ts'
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
const calling = (more: Partial<RecentCallsSummary>): InstanceRecord =>
  worker({
    recentCalls: {
      perSecond: 10,
      byMeaning: { charged: 100 },
      failedShare: 0,
      p50Ms: 50,
      p90Ms: 55,
      p99Ms: 60,
      lastError: 'HTTP_503',
      ...more,
    },
  })
const around = (more: Partial<Surroundings> = {}): Surroundings => ({
  instances: [worker()],
  databaseMs: 3,
  kafkaLag: { VOUCHER: 0, POINT: 0 },
  streamsAnswer: true,
  retriesPaused: false,
  ...more,
})
const slots = (slots: number, slotsInUse: number, slotsWanted: number) =>
  ({ promotionId: '42', type: 'VOUCHER', slots, slotsInUse, slotsWanted, isPaused: false }) as const
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
    [
      'no listener, and messages wait',
      running({ rows: 50 }),
      around({ hasListener: { VOUCHER: false, POINT: true }, kafkaLag: { VOUCHER: 800, POINT: 0 } }),
      ['no-listener'],
    ],
    [
      'no listener while everything that came is done',
      running({ rows: 50, gifts: { PENDING: 0, RETRYING: 0, SUCCESS: 50, FAILED: 0, UNKNOWN: 0 } }),
      around({ hasListener: { VOUCHER: false, POINT: true } }),
      ['no-listener'],
    ],
    ['no listener, and none is needed', running(), around({ hasListener: { VOUCHER: false, POINT: true } }), ['none']],
    [
      'a few messages wait while everything that came is done',
      running({ rows: 50, gifts: { PENDING: 0, RETRYING: 0, SUCCESS: 50, FAILED: 0, UNKNOWN: 0 } }),
      around({ kafkaLag: { VOUCHER: 800, POINT: 0 } }),
      ['kafka-lag'],
    ],
    [
      'calls fail',
      running(),
      around({ instances: [calling({ byMeaning: { charged: 55, unsettled: 45 }, failedShare: 0.45 })] }),
      ['money-failing'],
    ],
    ['a few calls are slow', running(), around({ instances: [calling({ p99Ms: 1400 })] }), ['money-slow']],
    ['all calls are slow', running(), around({ instances: [calling({ p90Ms: 450, p99Ms: 500 })] }), ['money-slow']],
    [
      'a few calls say nothing',
      running(),
      around({ instances: [calling({ byMeaning: { unsettled: 9 }, failedShare: 1 })] }),
      ['none'],
    ],
    ['rate limit', running(), around({ instances: [worker({ rateLimited: true })] }), ['rate-limit']],
    [
      'workers that have nothing to do while messages wait',
      running({ rows: 50, gifts: { ...running().gifts, PENDING: 5 } }),
      around({ kafkaLag: { VOUCHER: 5000, POINT: 0 } }),
      ['kafka-lag'],
    ],
    [
      'workers that have more than they can take, whatever waits in Kafka',
      running({ rows: 60 }),
      around({ kafkaLag: { VOUCHER: 5000, POINT: 0 } }),
      ['none'],
    ],
    [
      'Kafka away while gifts are missing',
      running({ rows: 60 }),
      around({ kafkaLag: undefined, kafkaAway: true }),
      ['kafka-away'],
    ],
    ['Kafka away, and nothing is missing', running(), around({ kafkaLag: undefined, kafkaAway: true }), ['none']],
    ['fewer slots than an operator wants', running({ consumersPerInstance: 5 }), around(), ['slots']],
    [
      'fewer slots in the process than its total asks for',
      running(),
      around({ instances: [worker({ promotions: [slots(5, 5, 50)] })] }),
      ['slots'],
    ],
    [
      'fewer slots than asked for, and some are free',
      running(),
      around({ instances: [worker({ promotions: [slots(5, 3, 50)] })] }),
      ['none'],
    ],
    [
      'completed is left alone, whatever is away',
      running({ status: 'COMPLETED' }),
      around({ databaseMs: undefined, instances: undefined }),
      ['completed'],
    ],
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

  test('a failing Money API is told with its share, its last answer and what to do', () => {
    const failing = calling({ byMeaning: { charged: 55, unsettled: 45 }, failedShare: 0.45 })
    const [first] = bottlenecks(running(), around({ instances: [failing] }))
    expect(bottleneckInWords(first!, TEXTS.en)).toMatchObject({
      level: 'bad',
      text: expect.stringMatching(/45% .* HTTP_503/),
      remedy: expect.stringContaining('Money API'),
    })
    expect(bottleneckInWords(first!, TEXTS.ko).text).toMatch(/45%.*HTTP_503/)
  })

  test('what is as it should be needs no remedy', () => {
    expect(bottleneckInWords(bottlenecks(running(), around())[0]!, TEXTS.en)).not.toHaveProperty('remedy')
  })
})

test('a lag of fewer messages than slots is small', () => {
  const smallOf = (lag: number) => {
    const seen = around({
      instances: [worker()],
      kafkaLag: { VOUCHER: lag, POINT: 0 },
      hasListener: { VOUCHER: true, POINT: true },
    })
    return bottlenecks(
      running({ rows: 50, gifts: { PENDING: 0, RETRYING: 0, SUCCESS: 50, FAILED: 0, UNKNOWN: 0 } }),
      seen,
    ).find(({ code }) => code === 'kafka-lag')?.isSmall
  }
  expect([smallOf(1), smallOf(100_000)]).toEqual([true, false])
})
