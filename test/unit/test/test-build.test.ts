import { spawnSync } from 'node:child_process'
import { describe, expect, test } from '@jest/globals'
import { CRASH_POINTS } from '#test/chaos/build/crash-points.ts'
import { PLANTED_BUGS } from '#test/chaos/build/planted-bugs.ts'
import { edited, type SourceEdit, sourceOf } from '#test/chaos/build/source-edits.ts'

const edits: [name: string, edit: SourceEdit][] = [
  ...Object.entries(CRASH_POINTS),
  ...Object.entries(PLANTED_BUGS).flatMap(([name, bug]) => bug.edits.map((edit): [string, SourceEdit] => [name, edit])),
]

describe('the test build', () => {
  test.each(edits)('%s has its place in the source', (_name, edit) => {
    expect(edited(sourceOf(edit), edit)).toContain(edit.put)
  })

  test('an edit without its place is an error, not an unchanged source', () => {
    const edit = { file: 'x.ts', find: 'gone', put: 'other' }
    expect(() => edited('something else', edit)).toThrow('x.ts has this 0 times, not once: gone')
    expect(() => edited('gone, gone', edit)).toThrow('2 times')
  })

  test.each([
    ['worker', 'PROMOSTREAM_CRASH_AT', 'after-ack'],
    ['listener', 'PROMOSTREAM_CRASH_AT', ''],
    ['admin', 'PROMOSTREAM_PLANT', 'no-unique-key'],
  ])('a production start of %s refuses %s=%s', (kind, name, value) => {
    const { status, stderr } = spawnSync(process.execPath, [`src/bin/${kind}.ts`], { env: { [name]: value } })
    expect([status, stderr.toString()]).toEqual([1, `promostream ${kind}: ${name} is for tests, and must not be set\n`])
  })
})
