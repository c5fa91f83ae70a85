import { expect, test } from '@jest/globals'
import { drawBySeed, mutantsOf } from '#test/mutants/draw.ts'
import { EQUIVALENT } from '#test/mutants/equivalent.ts'
import { allMutants } from '#test/mutants/rooms.ts'

const SOURCE = `
export function mayPay(row: { n: number; isOld: boolean }, logger: { info(text: string): void }): boolean {
  if (row.n > 3 && !row.isOld) return true
  logger.info('no' + row.n)
  forget(row)
  return row.n === 0 ? false : other\`
    and nothing\`
}
const query = (id: string) => sql\`
  select 1 from gifts where id = \${id}
    and status = 'PENDING'\`
`

const changes = () =>
  mutantsOf('src/a.ts', SOURCE).map(({ line, before, after }) => `${line}: ${before.trim()} → ${after}`)

test('comparison, logic, conditions, negations, calls and the conditions of statements are changed, nothing else', () => {
  expect(changes().sort()).toEqual(
    [
      '3: row.n > 3 && !row.isOld → true',
      '3: row.n > 3 && !row.isOld → false',
      '3: > → >=',
      '3: && → ||',
      '3: !row.isOld → row.isOld',
      '3: true → false',
      '5: forget(row) → ;',
      '6: row.n === 0 → true',
      '6: row.n === 0 → false',
      '6: === → !==',
      '6: false → true',
      "11: and status = 'PENDING' → ",
    ].sort(),
  )
})

test('a mutant is the whole file with that one change', () => {
  const [mutant] = mutantsOf('src/a.ts', SOURCE).filter(({ before }) => before === '>')
  expect(mutant?.text).toBe(SOURCE.replace('row.n > 3', 'row.n >= 3'))
})

test('the same seed draws the same, another seed others, none twice', () => {
  const all = Array.from({ length: 50 }, (_, index) => index)
  expect(drawBySeed(all, 10, 1)).toEqual(drawBySeed(all, 10, 1))
  expect(drawBySeed(all, 10, 1)).not.toEqual(drawBySeed(all, 10, 2))
  expect(new Set(drawBySeed(all, 80, 3)).size).toBe(50)
})

test('what is called equivalent is a mutant that can be drawn', () => {
  const keyOf = (parts: readonly string[]) => parts.join('\n')
  const all = new Set(
    allMutants().map(({ file, lineText, before, after }) => keyOf([file, lineText, before.trim(), after])),
  )
  const gone = EQUIVALENT.filter(({ file, line, before, after }) => !all.has(keyOf([file, line, before, after])))
  expect(gone).toEqual([])
})
