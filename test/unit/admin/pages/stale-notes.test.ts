import { describe, expect, test } from '@jest/globals'
import { parseHTML } from 'linkedom'
import { layout } from '#admin/pages/layout.ts'
import type { Stale } from '#admin/snapshot/stale.ts'
import { LANGUAGES } from '#admin/texts/format.ts'
import { TEXTS } from '#admin/texts/texts.ts'

const asOf = '2026-11-25T10:00:00.000Z'

describe.each(LANGUAGES)('a page in %s', language => {
  const notesOf = (stale: readonly Stale[]) => {
    const context = { identity: undefined, path: '/', texts: TEXTS[language], stale }
    const { document } = parseHTML(layout({ title: 't', main: '<h1>t</h1>', context }))
    const root = document.querySelector('main [data-stale]')!
    const notes = [...root.querySelectorAll('p')].map(note => [
      note.textContent?.trim().split(' ')[0],
      note.querySelector('time')?.getAttribute('datetime'),
    ])
    return { hidden: root.hasAttribute('hidden'), role: root.getAttribute('role'), notes }
  }

  test('says nothing while all servers answer', () => {
    expect(notesOf([])).toEqual({ hidden: true, role: 'status', notes: [] })
  })

  test('names each server that does not, and as of when its part is', () => {
    const stale = (['database', 'redis', 'kafka'] as const).map(server => ({ server, asOf }))
    const { hidden, notes } = notesOf(stale)
    expect(hidden).toBe(false)
    expect(notes.map(([name]) => name?.replace(/[가-힣]+$/, ''))).toEqual(['PostgreSQL', 'Redis', 'Kafka'])
    expect(notes.map(([, at]) => at)).toEqual([asOf, asOf, asOf])
  })
})
