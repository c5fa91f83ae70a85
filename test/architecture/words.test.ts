import { describe, expect, it, test } from '@jest/globals'
import { findLeftOutWords, leftOutWords } from './words.ts'

test('one word a thing: names, comments, log lines, pages and docs leave out what the glossary says otherwise', () => {
  expect(findLeftOutWords()).toEqual([])
})

describe('a word that is left out is seen', () => {
  it.each([
    ['a name', 'const held = entries.filter(isOurs)', 'leased'],
    ['a name in several words', 'await lineOfInserts(ids)', 'promotion lock'],
    ['a constant', 'const RECONCILIATION_LOCK = 4', 'check unknown'],
    ['a type', 'export interface AdminAuditRepository {', 'activity log'],
    ['a comment', '  /** What is in hand stays in hand. */', 'in flight'],
    ['the same with whose', '/** Gifts in a worker’s hands. */', 'in flight'],
    ['what slows', '// What holds up all of them.', 'bottleneck'],
    ['what a function returns', '  // Deletes the oldest; answers how many.', 'returns'],
    ['the same at the beginning', '/** Answers whether it was. */', 'returns'],
    ['what a function creates', '/** Makes the group at id 0. */', 'creates'],
    ['a log line', "logger.warn('rows left behind')", 'orphaned'],
    ['a title', "test('is neither buried nor deleted')", 'dead letter'],
    ['a heading', '## Steering a promotion', 'operations'],
  ])('%s', (_, line, say) => {
    expect(leftOutWords('src/a.ts', line).join()).toContain(say)
  })

  it('in a file’s name, too', () => {
    expect(leftOutWords('test/left-behind.test.ts', '')).toEqual([expect.stringContaining('say orphaned')])
  })
})

it.each([
  ['a table’s name', 'insert into admin_audit (who, what) values (…)'],
  ['a command of the CLI', 'promostream reconcile 42'],
  ['a page of the API', 'POST /api/promotions/{id}/reconcile-unknown'],
  ['a server that answers', 'The Money API answers again: calls go on.'],
  ['what a document is held to', 'The page is held to the code by a test.'],
])('%s stays as it is', (_, line) => {
  expect(leftOutWords('src/a.ts', line)).toEqual([])
})
