import { Command } from 'commander'
import { examine } from '#bin/doctor/examine.ts'
import type { Finding } from '#bin/doctor/finding.ts'
import { processEnvironment } from '#config/environment.ts'
import { print } from './command-line.ts'

const SIGNS = { ok: '✓', warning: '!', failed: '✗' } as const

export const doctorCommand = new Command('doctor')
  .description('looks at settings, PostgreSQL, Redis, Kafka and the Money API, and says what is wrong and what to do')
  .option('--json', 'print one JSON object')
  .addHelpText('after', '\nChanges nothing. Ends with 1 when something is wrong (✗); a warning (!) is none.')
  .action(async (options: { json?: boolean }) => {
    const findings = await examine(processEnvironment())
    const ok = findings.every(({ status }) => status !== 'failed')
    print(options, { ok, findings }, () => table(findings))
    if (!ok) process.exitCode = 1
  })

function table(findings: readonly Finding[]): string[] {
  const width = (of: (finding: Finding) => string) => Math.max(...findings.map(finding => of(finding).length))
  const [areaWidth, checkWidth] = [width(({ area }) => area), width(({ check }) => check)]
  const lines = findings.flatMap(({ area, check, status, detail, todo }) => [
    `${SIGNS[status]} ${area.padEnd(areaWidth)}  ${check.padEnd(checkWidth)}  ${detail}`,
    ...(todo === undefined ? [] : [`${' '.repeat(areaWidth + checkWidth + 6)}→ ${todo}`]),
  ])
  const count = (status: Finding['status']) => findings.filter(finding => finding.status === status).length
  return [
    ...lines,
    '',
    `${count('ok')} fine, ${count('warning')} ${count('warning') === 1 ? 'warning' : 'warnings'}, ${count('failed')} wrong`,
  ]
}
