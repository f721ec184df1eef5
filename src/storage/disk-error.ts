/** The code (ENOSPC, EIO, …) of an error that a disk threw, or null for anything else, a bug above all. */
export function diskErrorCode(error: unknown): string | null {
  if (!(error instanceof Error)) return null
  const code: unknown = Reflect.get(error, 'code')
  return typeof code === 'string' && /^E[A-Z0-9]+$/.test(code) ? code : null
}
