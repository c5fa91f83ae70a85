/** What PostgreSQL's SQLSTATE classes mean to us. */

function sqlState(error: unknown): string | undefined {
  const code = typeof error === 'object' && error !== null ? (error as { code?: unknown }).code : undefined
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined
}

/**
 * Is a row's own content to blame? Class 22 (data exception), 23 (constraint), and 21 (two rows that cannot be written
 * in one statement, though each alone can). Everything else – no connection, time-out, disk full – is nobody's fault.
 */
export function isContentError(error: unknown): boolean {
  return /^2[123]/.test(sqlState(error) ?? '')
}
