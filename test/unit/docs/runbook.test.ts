import { readFileSync } from 'node:fs'
import { describe, expect, test } from '@jest/globals'
import { BOTTLENECK_CODES } from '#admin/snapshot/cause.ts'
import { SETTING_NAMES } from '#config/schemas.ts'
import { readAlertRules } from '../../support/promql/alert-rules.ts'

const text = readFileSync('docs/runbook.md', 'utf8')

/** Heading → what stands below it. */
const sections = new Map(
  text
    .split(/^### /m)
    .slice(1)
    .map(section => {
      const [heading = '', ...lines] = section.split('\n')
      return [heading, lines.join('\n').split(/^## /m)[0]!] as const
    }),
)
const rules = readAlertRules()

describe('the runbook', () => {
  test('has a section for each alert and for each state, and none besides', () => {
    const named = [...rules.map(({ alert }) => alert), ...BOTTLENECK_CODES]
    expect([...sections.keys()].sort()).toEqual(named.sort())
  })

  test.each(rules)('$alert leads to its section', ({ alert, annotations }) => {
    expect(annotations.runbook).toBe(`docs/runbook.md#${alert.toLowerCase()}`)
  })

  test.each([...sections])('%s says what it means, what to look at, and what cures it', (_heading, section) => {
    expect([...section.matchAll(/^- \*\*(\w+)\*\*: \S/gm)].map(([, word]) => word)).toEqual(['Means', 'Check', 'Cure'])
  })

  test('every setting that it names is one', () => {
    const named = [...text.matchAll(/`([A-Z][A-Z]*_[A-Z_]+)`/g)].map(([, name]) => name!)
    expect(named.length).toBeGreaterThan(10)
    expect(named.filter(name => !SETTING_NAMES.includes(name) && !/^DATABASE_(AHEAD|BEHIND)$/.test(name))).toEqual([])
  })
})
