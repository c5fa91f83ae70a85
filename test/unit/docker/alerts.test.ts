import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { parse, stringify } from 'yaml'
import {
  type AlertRule,
  firingAt,
  readAlertRules,
  recordedSeries,
  renderedAnnotations,
  secondsOf,
} from '../../support/promql/alert-rules.ts'

interface Case {
  series: Record<string, string>
  at: string
  fires?: Record<string, string>[]
}

const rules = readAlertRules()
const cases = (
  parse(readFileSync('test/unit/docker/alerts.yaml', 'utf8')) as { alert: string; cases: Case[] }[]
).flatMap(({ alert, cases: own }) => own.map((one, index) => ({ alert, ...one, title: `${alert} ${index + 1}` })))
const promtool = spawnSync('promtool', ['--version']).status === 0 ? test : test.skip

function ruleOf(alert: string): AlertRule {
  const rule = rules.find(one => one.alert === alert)
  if (rule === undefined) throw new Error(`no rule ${alert}`)
  return rule
}

describe('alert rules', () => {
  test('each is seen firing, and seen quiet', () => {
    const seen = (isFiring: boolean) => [
      ...new Set(cases.filter(({ fires }) => (fires !== undefined) === isFiring).map(({ alert }) => alert)),
    ]
    const names = rules.map(({ alert }) => alert)
    expect(new Set(names).size).toBe(names.length)
    expect(seen(true).sort()).toEqual([...names].sort())
    expect(seen(false).sort()).toEqual([...names].sort())
  })

  test.each(cases)('$title', ({ alert, series, at, fires = [] }) => {
    const recorded = Object.entries(series).map(([name, samples]) => recordedSeries(name, samples))
    expect(firingAt(ruleOf(alert), recorded, secondsOf(at))).toEqual(fires)
  })

  test.each(rules)('$alert says whom it calls, and what it is about', ({ labels, annotations, expr }) => {
    expect(['page', 'ticket']).toContain(labels.severity)
    expect(annotations.summary.length).toBeGreaterThan(20)
    // What the text names is there when it fires.
    const named = [...annotations.summary.matchAll(/\$labels\.(\w+)/g)].map(([, name]) => name!)
    const by = /by \(([^)]*)\)/.exec(expr)?.[1]?.split(', ')
    if (by !== undefined) for (const name of named) expect(by).toContain(name)
  })

  /** Debian's package `prometheus` has it. */
  promtool(
    'promtool judges the same rules and the same series alike',
    () => {
      const file = {
        rule_files: [resolve('docker/prometheus/alerts.yaml')],
        evaluation_interval: '10s',
        tests: cases.map(({ alert, series, at, fires = [] }) => ({
          interval: '10s',
          input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
          alert_rule_test: [
            {
              eval_time: at,
              alertname: alert,
              exp_alerts: fires.map(labels => ({
                exp_labels: { ...labels, ...ruleOf(alert).labels },
                exp_annotations: renderedAnnotations(ruleOf(alert), labels),
              })),
            },
          ],
        })),
      }
      const folder = mkdtempSync(join(tmpdir(), 'promostream-rules-'))
      writeFileSync(join(folder, 'cases.yaml'), stringify(file))
      const { stdout, stderr, status } = spawnSync('promtool', ['test', 'rules', join(folder, 'cases.yaml')], {
        encoding: 'utf8',
      })
      rmSync(folder, { recursive: true })
      expect([status, `${stdout}${stderr}`]).toEqual([0, expect.stringContaining('SUCCESS')])
    },
    60_000,
  )
})
