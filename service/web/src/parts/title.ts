/** What the browser calls the page. */
export function title(text: string): void {
  document.title = `${text} · Slope`;
}
