import { expect, test } from '@jest/globals'
import { readAskFirst, setAskFirst } from '#database/switches.ts'
import { scriptedKysely } from '#test/support/scripted-kysely.ts'

test('a switch that was never switched is off', async () => {
  expect(await readAskFirst(scriptedKysely(() => []).kysely)).toEqual({ isOn: false, since: null })
})

test('one that was is as it was switched last', async () => {
  const row = { isOn: true, since: '2026-01-01T00:00:00.000Z' }
  expect(await readAskFirst(scriptedKysely(() => [row]).kysely)).toEqual(row)
})

test('it is told whether this call changed it', async () => {
  expect(await setAskFirst(scriptedKysely(() => [{ name: 'ask-first' }]).kysely, true)).toBe(true)
  expect(await setAskFirst(scriptedKysely(() => []).kysely, true)).toBe(false)
})
