const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The text of a record, or undefined when it has none or is not UTF-8. */
export function decodeUtf8(value: Buffer | null): string | undefined {
  if (value === null) return undefined
  try {
    return decoder.decode(value)
  } catch {
    return undefined
  }
}
