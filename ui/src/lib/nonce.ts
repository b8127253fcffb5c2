/** Return the nonce of this page for styles that are made at run time. */
export function nonce(): string {
  return document.querySelector<HTMLMetaElement>('meta[name="style-nonce"]')?.content ?? "";
}
