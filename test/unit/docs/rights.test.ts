import { expect, test } from '@jest/globals'
import { redisRules } from '#bin/commands/redis-user.ts'
import { rightsOf } from '#database/rights.ts'
import { codeIn, DocPage } from '#test/support/doc-page.ts'

const page = new DocPage('docs/operations.md')

test('docs/operations.md lists the rights that the command gives, no more and no less', () => {
  const listed = page.table('| table | rights |').map(([table, rights]) => `${rights} on ${codeIn(table!)[0]}`)
  const given = rightsOf('x').flatMap(statement => /^grant (.* on \w+) to "x";$/.exec(statement)?.[1] ?? [])
  expect(listed).toEqual(given.filter(right => !right.includes('schema public')))
  const rules = redisRules({ keyPrefix: '', cluster: false })
  const section = page.section('Rights')
  expect([...section.matchAll(/\+[\w@|]+/g)].map(([rule]) => rule)).toEqual(rules.filter(rule => rule.startsWith('+')))
})
