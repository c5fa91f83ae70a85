import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { recordAuditRun } from '#database/audit-runs.ts'
import { AdminClient, adminUsers } from '#test/support/admin-client.ts'
import { labelsOf } from '#test/support/promql/labels.ts'
import { kafkaMissing, uniqueId } from '#test/support/stack-env.ts'
import { giftJson, TestSystem } from '#test/support/system.ts'

const withKafka = kafkaMissing === undefined ? describe : describe.skip

/** Queries of the dashboard and of the alert rules, as they stand in the files. */
function queries(): string[] {
  const dashboard = JSON.parse(readFileSync('docker/grafana/dashboards/promostream.json', 'utf8')) as {
    panels: { targets: { expr: string }[] }[]
  }
  const alerts = [...readFileSync('docker/prometheus/alerts.yaml', 'utf8').matchAll(/^\s+expr: (.*)$/gm)]
  return [
    ...dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
    ...alerts.map(([, expr]) => expr!),
  ]
}

/** Counters whose first count matters: of what a query adds up, and of the rates that a rule compares. */
function countersFromZero(): string[] {
  const alerts = readFileSync('docker/prometheus/alerts.yaml', 'utf8')
  const added = queries().flatMap(query => [...query.matchAll(/increase\((promostream_\w+)/g)])
  const compared = [...alerts.matchAll(/rate\((promostream_\w+_total)/g)]
  return [...new Set([...added, ...compared].map(([, name]) => name!))]
}

const samplesOf = (text: string, name: string) => text.split('\n').filter(line => line.startsWith(`${name}{`))

/** Series name → labels that its samples have. */
function parse(text: string, into: Map<string, Set<string>>): void {
  for (const [, name] of text.matchAll(/^# TYPE (\S+)/gm)) if (!into.has(name!)) into.set(name!, new Set())
  for (const [, name, labels] of text.matchAll(/^([a-z_]+)\{([^}]*)\}/gm)) {
    const known = into.get(name!) ?? new Set()
    for (const [, label] of labels!.matchAll(/(\w+)="/g)) known.add(label!)
    into.set(name!, known)
  }
}

const AUDIT_RUN = { who: 'cron', target: 'all', charges: 'settlement', unanswered: 0 } as const

withKafka('dashboard and alert rules', () => {
  let system: TestSystem
  const series = new Map<string, Set<string>>()
  /** What listener and worker expose before anything has come, and after. */
  let atStart: string[] = []
  let atEnd: string[] = []
  let adminText = ''

  beforeAll(async () => {
    system = await TestSystem.create()
    const [listener, worker, admin] = await Promise.all([
      system.start('listener'),
      system.start('worker'),
      system.start('admin', { ADMIN_USERS: adminUsers() }),
    ])
    const expose = () =>
      Promise.all([listener, worker].map(async child => (await fetch(`${child.url}/metrics`)).text()))
    atStart = await expose()
    const id = await system.promotion('VOUCHER', 'IN_PROGRESS', 100)
    const first = uniqueId()
    const targets = Array.from({ length: 20 }, (_, index) => String(first + BigInt(index)))
    await system.publish(
      'VOUCHER',
      targets.map(targetId => giftJson('VOUCHER', { promotionId: id, promotionSummaryId: id, targetId })),
    )
    await system.until('paid', async () => (await system.countByStatus(id, 'VOUCHER')).SUCCESS === 20)
    await recordAuditRun(system.kysely, { ...AUDIT_RUN, discrepancies: 2, ok: false })
    const viewer = new AdminClient(admin).as('vera')
    await system.until('the admin has seen it', async () => {
      // While somebody looks there is a snapshot each second, not each fifth.
      await viewer('/api/promotions')
      const { text } = await viewer('/metrics')
      const isCounted = /promostream_kafka_lag\{/.test(text) && /^promostream_audit_discrepancies\{/m.test(text)
      return text.includes(`promostream_rate{promotion_id="${id}"`) && isCounted
    })
    atEnd = await expose()
    for (const text of atEnd) parse(text, series)
    adminText = (await viewer('/metrics')).text
    parse(adminText, series)
  }, 60_000)
  afterAll(() => system.stop())

  test('a process that is gone is told of by what Prometheus itself knows, for each of its jobs', () => {
    const rule = queries().find(query => query.startsWith('up{'))
    const [, pattern = ''] = /job=~"([^"]+)"/.exec(rule ?? '') ?? []
    const absent = queries().flatMap(query => /^absent\(up\{job="([^"]+)"/.exec(query)?.[1] ?? [])
    const jobs = [...readFileSync('docker/prometheus/prometheus.yml', 'utf8').matchAll(/job_name: (\S+)/g)]
    expect(jobs).toHaveLength(3)
    for (const [, job] of jobs) expect(job).toMatch(new RegExp(`^(?:${pattern})$`))
    expect(queries()).toContain('absent(promostream_workers)')
    // The admin is missed by its figures.
    const others = jobs.map(([, job]) => job).filter(job => job !== 'promostream-admin')
    expect(absent.sort()).toEqual(others.sort())
  })

  test.each(queries().filter(query => /promostream_/.test(query)))('%s asks for what the processes expose', query => {
    const names = query.match(/promostream_\w+/g) ?? []
    expect(names.length).toBeGreaterThan(0)
    for (const name of names)
      expect([name, series.has(name) || series.has(name.replace(/_(bucket|count|sum)$/, ''))]).toEqual([name, true])
    const labels = [...query.matchAll(/by \(([^)]*)\)|\{(\w+)=/g)].flatMap(([, by, one]) => (by ?? one!).split(/,\s*/))
    const known = new Set(names.flatMap(name => [...(series.get(name) ?? [])]))
    // A counter that has counted nothing yet shows no labels.
    if (known.size > 1)
      for (const label of labels) expect([query, label, known.has(label)]).toEqual([query, label, true])
    expect(() => labelsOf(query, name => series.get(name) ?? new Set())).not.toThrow()
  })

  test.each(countersFromZero())('%s is there before it counts, for each of its labels', name => {
    for (const [index, text] of atStart.entries()) {
      const samples = samplesOf(text, name)
      expect(samples).not.toEqual([])
      for (const sample of samples) expect(sample).toMatch(/ 0$/)
      if (samples[0]!.includes('type="'))
        for (const type of ['VOUCHER', 'POINT']) expect(samples.join('\n')).toContain(`type="${type}"`)
      const known = samples.map(sample => sample.replace(/ \d+$/, ''))
      for (const sample of samplesOf(atEnd[index]!, name)) expect(known).toContain(sample.replace(/ \d+$/, ''))
    }
  })

  test('a rule about backlog or leases leaves out promotions that are not in progress: theirs stand still rightly', () => {
    const rules = queries().filter(query => / [<>=]=? /.test(query))
    const about = rules.filter(rule => /promostream_(backlog|pending|oldest_in_flight)/.test(rule))
    expect(about).toHaveLength(4)
    for (const rule of about) expect(rule).toMatch(/ and promostream_in_progress == 1|\* promostream_in_progress/)
  })

  test('the last audit that was recorded is told of: its age, and what it found', () => {
    expect(samplesOf(adminText, 'promostream_audit_discrepancies')).toEqual([
      expect.stringMatching(/^promostream_audit_discrepancies\{charges="settlement".*\} 2$/),
    ])
    const [age = ''] = samplesOf(adminText, 'promostream_audit_age_seconds')
    expect(Number(age.split(' ').at(-1))).toBeLessThan(300)
  })

  test('every metric that the queries need is there, and a name that is not would be found', () => {
    expect(queries().length).toBeGreaterThan(25)
    expect(countersFromZero().length).toBeGreaterThan(3)
    expect(series.has('promostream_no_such_thing')).toBe(false)
  })
})
