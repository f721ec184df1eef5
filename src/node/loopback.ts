/** Which addresses no other machine can reach. */

/** Whether an address or host name surely is of this machine alone. */
export function isLoopback(address: string): boolean {
  return (
    /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(address) || ['::1', 'localhost'].includes(address.toLowerCase())
  )
}
