/** Takes the focus when what it was on is gone. On a touch screen the keyboard would cover what was asked for. */
export function focusComposer(): void {
  if (matchMedia("(pointer: fine)").matches) document.getElementById("composer")?.focus();
}
